"""What a probe asks and what follows from the answers, against an engine whose log probabilities are given."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from fcaps_pipeline.annotate.engines.answers import make_completion
from fcaps_pipeline.annotate.engines.engine import CaptionRequest, EngineIdentity
from fcaps_pipeline.annotate.engines.statistics import EngineStatistics
from fcaps_pipeline.annotate.verification.opinions import apply_opinion, probes_of
from fcaps_pipeline.annotate.verification.probe import (
    ANSWERS,
    ProbeVerifier,
    check_log_probabilities,
    margin_of,
    place_of,
    to_probe,
)
from fcaps_pipeline.annotate.verification.remedies import treat
from fcaps_pipeline.annotate.verification.verifier import Opinion, Subject
from fcaps_pipeline.errors import EngineDeadError, EngineRequestError, EngineRetryableError, ModelError, NotAskedError
from fcaps_pipeline.jobs.prompts import load_prompt
from fcaps_pipeline.jobs.verification import ProbeVerifierConfig, VerificationConfig
from fcaps_pipeline.records.annotations import Candidate, Claim, Completion, Evidence, SampleSpan
from tests.unit.annotate.captioning.building import GOOD_FINE, candidate, segment_audio

LogProbabilities = tuple[float, ...] | None
_IDENTITY = EngineIdentity(engine="listening", engine_version="1", model="ears", model_revision="r1")


class ListeningEngine:
    """Tells log probabilities by what is asked, on the clip and on silence; remembers what it was asked."""

    def __init__(
        self,
        clip: Callable[[str], LogProbabilities | Exception],
        silence: LogProbabilities | Exception = (-1.0, -1.0, -1.0),
    ) -> None:
        self.requests: list[CaptionRequest] = []
        self._clip = clip
        self._silence = silence

    async def start(self) -> EngineIdentity:
        return _IDENTITY

    async def complete(self, request: CaptionRequest) -> tuple[Completion, ...]:
        self.requests.append(request)
        await asyncio.sleep(0)
        assert request.audio_T is not None
        told = self._clip(request.prompt) if request.audio_T.any() else self._silence
        if isinstance(told, Exception):
            raise told
        answer = make_completion(
            "yes", "length", num_prompt_tokens=40, num_output_tokens=1, seed=None, log_probabilities=told
        )
        return (answer,)

    def statistics(self) -> EngineStatistics | None:
        return None

    async def stop(self) -> None:
        return None

    def asked_on_clips(self) -> list[str]:
        return [one.prompt for one in self.requests if one.audio_T is not None and one.audio_T.any()]


def _telling(yes: float, no: float) -> Callable[[str], LogProbabilities]:
    return lambda _: (yes, no, -9.0)


def _config(**changes: Any) -> ProbeVerifierConfig:
    return ProbeVerifierConfig(kind="probe", engine="ears", prompt="embedded_probe.v1", **changes)


def _verifier(engine: ListeningEngine, **changes: Any) -> ProbeVerifier:
    return ProbeVerifier(engine, _IDENTITY, _config(**changes), load_prompt("embedded_probe.v1"))


def _claim(attribute: str = "gender", value: str = "female", result: Any = "unverifiable") -> Claim:
    return Claim(attribute=attribute, value=value, result=result)


def _captioned(*claims: Claim) -> Candidate:
    return candidate(GOOD_FINE).model_copy(update={"claims": claims})


def _verify(verifier: ProbeVerifier, *claims: Claim, seed: int = 0) -> Opinion:
    return asyncio.run(verifier.verify(Subject(segment_audio(seed), _captioned(*claims))))


@pytest.mark.parametrize(
    ("clip", "silence", "result", "value"),
    [
        ((-0.1, -2.5, -4.0), (-1.0, -1.0, -1.0), "supported", "+2.40"),
        ((-2.5, -0.1, -4.0), (-1.0, -1.0, -1.0), "contradicted", "-2.40"),
        ((-0.5, -1.0, -4.0), (-1.0, -1.0, -1.0), "unverifiable", "+0.50"),
        ((-0.1, -2.5, -4.0), (-0.1, -2.5, -4.0), "unverifiable", "+0.00"),
        ((-0.1, -2.5, -4.0), (-0.01, -5.0, -9.0), "contradicted", "-2.59"),
        ((-1.5, -4.0, -0.3), (-1.0, -1.0, -1.0), "unverifiable", "cannot tell"),
        (None, (-1.0, -1.0, -1.0), "unverifiable", "no log probabilities"),
        ((-0.1, -2.5, -4.0), None, "unverifiable", "no log probabilities"),
    ],
)
def test_what_the_clip_adds_to_silence_decides(
    clip: LogProbabilities, silence: LogProbabilities, result: str, value: str
) -> None:
    opinion = _verify(_verifier(ListeningEngine(lambda _: clip, silence)), _claim())
    (claim,) = opinion.claims
    (evidence,) = claim.evidence
    assert (claim.result, evidence.value) == (result, value)
    assert (evidence.tool, evidence.tier) == ("probe:ears", "listening")
    assert evidence.unit == ("nats" if value[0] in "+-" else None)


def test_the_question_holds_one_claim_and_nothing_of_the_caption_or_of_what_is_known() -> None:
    engine = ListeningEngine(lambda _: (-1.0, -1.0, -1.0))
    _verify(_verifier(engine), _claim(), _claim("emotion", "sad"))
    (first, second) = engine.asked_on_clips()
    assert first == load_prompt("embedded_probe.v1").text.replace("{claim}", "The speaker is a woman.")
    assert "sad" in second
    assert "woman" not in second
    for request in engine.requests:
        assert (request.weighed, request.sampling.max_tokens, request.sampling.temperature) == (ANSWERS, 1, 0)


def test_silence_is_as_long_as_the_clip_in_whole_seconds_and_asked_about_once_per_claim_and_length() -> None:
    engine = ListeningEngine(lambda _: (-1.0, -1.0, -1.0))
    verifier = _verifier(engine)

    async def twice() -> None:
        for seed in range(3):
            await verifier.verify(Subject(segment_audio(seed), _captioned(_claim())))

    asyncio.run(twice())
    silent = [one for one in engine.requests if one.audio_T is not None and not one.audio_T.any()]
    assert len(engine.asked_on_clips()) == 3
    assert [len(one.audio_T) for one in silent if one.audio_T is not None] == [32_000]


def test_the_most_important_open_claims_are_asked_about_and_no_more_than_allowed() -> None:
    claims = (
        _claim("timbre", "husky"),
        _claim("rate", "fast"),
        _claim("gender", result="supported"),
        _claim("pauses", "several"),
        _claim("other", "It is a fine day."),
    )
    assert to_probe(_captioned(*claims), _config()) == (3, 1)
    assert to_probe(_captioned(*claims), _config(max_probes=9)) == (3, 1, 0, 4)


def test_a_claim_is_asked_about_once_and_the_budget_holds_over_visits() -> None:
    probed = Evidence(tool="probe:ears", tier="listening", value="cannot tell")
    first = _claim().model_copy(update={"evidence": (probed,)})
    claims = (first, _claim("rate", "fast"), _claim("timbre", "husky"))
    assert to_probe(_captioned(*claims), _config(max_probes=2)) == (1,)
    assert to_probe(_captioned(*claims), _config(max_probes=1)) == ()
    assert to_probe(candidate(GOOD_FINE).model_copy(update={"claims": None}), _config()) == ()


def test_a_sentence_that_is_the_whole_caption_is_no_claim_to_ask_about() -> None:
    assert to_probe(_captioned(_claim("other", GOOD_FINE)), _config()) == ()


def test_a_refused_question_leaves_the_claim_open_and_says_so() -> None:
    engine = ListeningEngine(lambda _: EngineRequestError("HTTP 400: logprobs are not supported"))
    opinion = _verify(_verifier(engine), _claim())
    (claim,) = opinion.claims
    assert (claim.result, claim.evidence[0].value) == (
        "unverifiable",
        "refused: HTTP 400: logprobs are not supported",
    )
    assert opinion.trajectory is None


@pytest.mark.parametrize("error", [EngineDeadError("gone"), EngineRetryableError("busy"), NotAskedError("unknown")])
def test_trouble_of_the_engine_is_no_opinion(error: Exception) -> None:
    with pytest.raises(type(error)):
        _verify(_verifier(ListeningEngine(lambda _: error)), _claim(), _claim("rate", "fast"))


def test_an_answer_that_failed_is_asked_for_again() -> None:
    failures = [EngineRetryableError("busy")]
    engine = ListeningEngine(lambda _: failures.pop() if failures else (-0.1, -2.5, -4.0))
    verifier = _verifier(engine)

    async def again() -> Opinion:
        subject = Subject(segment_audio(), _captioned(_claim()))
        with pytest.raises(EngineRetryableError):
            await verifier.verify(subject)
        return await verifier.verify(subject)

    assert asyncio.run(again()).claims[0].result == "supported"


def test_what_was_asked_stands_in_the_trajectory_with_its_keys() -> None:
    engine = ListeningEngine(lambda _: (-0.1, -2.5, -4.0))
    opinion = _verify(_verifier(engine), _claim())
    found = apply_opinion(_captioned(_claim()), opinion)
    again = apply_opinion(found, opinion)
    assert [len(probes_of(one.trajectory)) for one in (found, again)] == [1, 2]
    (trajectory,) = probes_of(found.trajectory)
    (probed,) = trajectory.probes
    assert (trajectory.tool, trajectory.model, trajectory.prompt) == ("probe:ears", "ears", "embedded_probe.v1")
    assert probed.claim == "The speaker is a woman."
    assert {probed.clip.request_key, probed.silence.request_key} == {one.request_key for one in engine.requests}
    assert margin_of(probed) == pytest.approx(2.4)
    assert opinion.num_tokens == 41


def test_what_is_false_drops_the_caption_and_what_is_true_keeps_it() -> None:
    for yes, no, kept in ((-0.1, -2.5, True), (-2.5, -0.1, False)):
        opinion = _verify(_verifier(ListeningEngine(_telling(yes, no))), _claim())
        found = apply_opinion(_captioned(_claim()), opinion)
        treated = treat(found, VerificationConfig().contradicted, lambda shorter: shorter)
        assert treated.verdict.kept == kept


@pytest.mark.parametrize(
    ("span", "place"),
    [(None, None), ((0, 9_000), "beginning"), ((11_000, 20_000), "middle"), ((22_000, 32_000), "end")],
)
def test_the_place_of_a_claim_is_where_its_interval_lies(span: tuple[int, int] | None, place: str | None) -> None:
    interval = None if span is None else SampleSpan(start_samples=span[0], end_samples=span[1])
    assert place_of(_claim().model_copy(update={"interval": interval}), 32_000) == place


@pytest.mark.parametrize(
    ("silence", "said"),
    [(None, "tells no log probabilities of yes and no"), (EngineRequestError("no logprobs"), "refuses to tell")],
)
def test_a_server_without_log_probabilities_is_known_before_the_start(silence: Any, said: str) -> None:
    prompt = load_prompt("probe.v1")
    with pytest.raises(ModelError, match=said):
        asyncio.run(check_log_probabilities(ListeningEngine(lambda _: None, silence), prompt, "endpoint http://x/v1"))


@pytest.mark.parametrize("silence", [(-1.0, -1.0, -9.0), NotAskedError("no earlier run was asked this")])
def test_a_server_that_tells_them_passes_and_an_engine_that_only_remembers_is_not_asked(silence: Any) -> None:
    engine = ListeningEngine(lambda _: None, silence)
    asyncio.run(check_log_probabilities(engine, load_prompt("probe.v1"), "endpoint http://x/v1"))
    assert "The speaker is a woman." in engine.requests[0].prompt
