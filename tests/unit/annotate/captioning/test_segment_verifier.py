"""The captions of a Segment before a verifier: who is looked at, and what becomes of trouble."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from fcaps_pipeline.annotate.captioning.segment_verifier import SegmentVerifier
from fcaps_pipeline.annotate.verification.bounds import shipped_bounds
from fcaps_pipeline.annotate.verification.verifier import Opinion, Subject
from fcaps_pipeline.errors import EngineDeadError, EngineRetryableError, FcapsError, NotAskedError
from fcaps_pipeline.jobs.annotate_job import CaptionConfig
from fcaps_pipeline.jobs.verification import ProbeVerifierConfig, VerificationConfig
from fcaps_pipeline.records.annotations import Candidate, CaptionSet, Claim, Evidence
from fcaps_pipeline.records.captions import Granularity
from tests.unit.annotate.captioning.building import GOOD_FINE, OTHER_FINE, candidate, segment_audio

_CONFIG = ProbeVerifierConfig(kind="probe", engine="ears", prompt="embedded_probe.v1")
_EVIDENCE = Evidence(tool="probe:ears", tier="listening", value="-3.00", unit="nats")


class ScriptedVerifier:
    """Contradicts the captions that a function names, and remembers what it saw."""

    def __init__(self, contradicts: Callable[[str], bool | FcapsError]) -> None:
        self.subjects: list[Subject] = []
        self._contradicts = contradicts

    async def verify(self, subject: Subject) -> Opinion:
        self.subjects.append(subject)
        await asyncio.sleep(0)
        found = self._contradicts(subject.candidate.text)
        if isinstance(found, FcapsError):
            raise found
        (claim,) = subject.candidate.claims or ()
        update: dict[str, Any] = {"evidence": (_EVIDENCE,), "result": "contradicted" if found else "supported"}
        return Opinion((claim.model_copy(update=update),))

    def seen(self) -> list[str]:
        return [one.candidate.text for one in self.subjects]


def _captioned(text: str, index: int = 0) -> Candidate:
    claim = Claim(attribute="emotion", value="sad", result="unverifiable")
    return candidate(text, seed=index).model_copy(update={"claims": (claim,)})


def _verify(verifier: ScriptedVerifier, *candidates: Candidate, keep: int = 1, attempts: int = 3) -> CaptionSet:
    config = CaptionConfig(engine="omni", prompt="embedded_fine.v1", num_candidates=9, keep=keep)
    captions = {Granularity.FINE: config, Granularity.GLOBAL: config}
    fine = CaptionSet(granularity=Granularity.FINE, candidates=candidates, attempts=attempts)
    unread = candidate(OTHER_FINE).model_copy(update={"claims": None})
    other = CaptionSet(granularity=Granularity.GLOBAL, candidates=(unread,), attempts=1)
    made = SegmentVerifier(verifier, _CONFIG, captions, VerificationConfig(), shipped_bounds())
    found, untouched = asyncio.run(made.verify(segment_audio(), (fine, other)))
    assert untouched == other
    return found


_TEXTS = ("A voice.", "Another voice speaks.", "A third one, the longest of all, speaks too.")


def test_only_what_would_be_kept_is_looked_at_with_the_other_captions_of_the_row() -> None:
    verifier = ScriptedVerifier(lambda _: False)
    found = _verify(verifier, *(_captioned(text, index) for index, text in enumerate(_TEXTS)))
    assert verifier.seen() == [_TEXTS[0]]
    assert [one.text for one in verifier.subjects[0].others] == [OTHER_FINE]
    assert [one.claims[0].result for one in found.candidates if one.claims] == ["supported", *["unverifiable"] * 2]
    assert all(one.verdict.kept for one in found.candidates), "what is not needed is not dropped here"


def test_where_one_falls_the_next_best_is_looked_at_until_enough_stand() -> None:
    verifier = ScriptedVerifier(lambda text: text == _TEXTS[0])
    found = _verify(verifier, *(_captioned(text, index) for index, text in enumerate(_TEXTS)))
    assert verifier.seen() == [*_TEXTS[:2]]
    assert [one.verdict.kept for one in found.candidates] == [False, True, True]
    assert found.candidates[0].verdict.reasons == ("contradicts_evidence",)


@pytest.mark.parametrize(("attempts", "num_kept"), [(3, 0), (1, 3)])
def test_all_may_fall_and_are_dropped_once_nobody_is_asked_again(attempts: int, num_kept: int) -> None:
    verifier = ScriptedVerifier(lambda _: True)
    candidates = [_captioned(text, index) for index, text in enumerate(_TEXTS)]
    found = _verify(verifier, *candidates, keep=2, attempts=attempts)
    assert sorted(verifier.seen()) == sorted(_TEXTS)
    assert len(found.kept) == num_kept
    assert all(one.result == "contradicted" for each in found.candidates for one in each.claims or ())


@pytest.mark.parametrize("error", [EngineRetryableError("busy for long"), NotAskedError("no earlier run")])
def test_trouble_is_noted_at_the_set_which_keeps_its_captions(error: FcapsError) -> None:
    found = _verify(ScriptedVerifier(lambda _: error), _captioned(GOOD_FINE))
    assert found.unverified == f"{type(error).__name__}: {error}"
    assert found.is_unasked == isinstance(error, NotAskedError)
    assert found.candidates == (_captioned(GOOD_FINE),)


def test_a_dead_engine_is_no_answer() -> None:
    with pytest.raises(EngineDeadError):
        _verify(ScriptedVerifier(lambda _: EngineDeadError("gone")), _captioned(GOOD_FINE))
