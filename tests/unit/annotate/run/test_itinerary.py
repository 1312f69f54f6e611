"""Through which engines a Segment of a job passes, by what is known of its captions."""

from typing import Any

import pytest

from fcaps_pipeline.annotate.captioning.errand import Errand, Stage
from fcaps_pipeline.annotate.run.itinerary import JobItinerary
from fcaps_pipeline.annotate.verification.decision import decide
from fcaps_pipeline.annotate.verification.selection import drop
from fcaps_pipeline.jobs.annotate_job import Job, parse_job
from fcaps_pipeline.records.annotations import Candidate, CaptionSet, Claim, Evidence, Failure
from fcaps_pipeline.records.captions import Granularity
from tests.unit.annotate.captioning.building import GOOD_FINE, OTHER_FINE, candidate, segment_audio

_PROBE = {"kind": "probe", "engine": "ears", "prompt": "embedded_probe.v1"}
_ASKED = Evidence(tool="probe:ears", tier="listening", value="+0.20", unit="nats")


def _job(*verifiers: dict[str, Any], **fine: Any) -> Job:
    content = {
        "source": {"kind": "folder", "path": "speech"},
        "engines": {"omni": {"kind": "vllm"}, "ears": {"kind": "vllm"}},
        "captions": {
            "fine": {"engine": "omni", "prompt": "embedded_fine.v1", **fine},
            "global": {"engine": "ears", "prompt": "embedded_global.v1"},
        },
        "verification": {"verifiers": [{"kind": "evidence"}, *verifiers]},
    }
    return parse_job(content, "the test")


def _unread(text: str) -> Candidate:
    """A caption that nobody took apart."""
    return candidate(text).model_copy(update={"claims": None})


def _open(text: str = GOOD_FINE, *, asked: bool = False, **changes: Any) -> Candidate:
    claim = Claim(attribute="emotion", value="sad", result="unverifiable", evidence=(_ASKED,) if asked else ())
    return candidate(text).model_copy(update={"claims": (claim,), **changes})


def _errand(stage: Stage | None, *candidates: Candidate, attempts: int = 1, **changes: Any) -> Errand:
    fine = CaptionSet(granularity=Granularity.FINE, candidates=candidates, attempts=attempts, **changes)
    other = CaptionSet(granularity=Granularity.GLOBAL, candidates=(_unread(OTHER_FINE),), attempts=1)
    return Errand(segment_audio(), stage, (fine, other))


_CAPTIONING = Stage(frozenset({"omni", "ears"}))
_PROBING = Stage(frozenset({"ears"}), "verification.verifiers.1")


def test_all_that_write_captions_come_first_side_by_side() -> None:
    assert JobItinerary(_job(_PROBE)).next_stage(Errand(segment_audio(), None)) == _CAPTIONING


def test_open_claims_go_to_the_verifier_and_nothing_else_does() -> None:
    way = JobItinerary(_job(_PROBE))
    assert way.next_stage(_errand(_CAPTIONING, _open())) == _PROBING
    assert way.next_stage(_errand(_CAPTIONING, _open(asked=True))) is None
    assert way.next_stage(_errand(_CAPTIONING, _unread(GOOD_FINE))) is None
    assert JobItinerary(_job()).next_stage(_errand(_CAPTIONING, _open())) is None


def test_captions_that_would_not_be_kept_are_not_worth_a_question() -> None:
    surplus = _open(f"{GOOD_FINE} {OTHER_FINE}", completion_index=1)
    best = _unread(GOOD_FINE)
    assert JobItinerary(_job(_PROBE)).next_stage(_errand(_CAPTIONING, best, surplus)) is None
    dropped = drop(best, "contradicts_evidence", "pitch")
    assert JobItinerary(_job(_PROBE)).next_stage(_errand(_CAPTIONING, dropped, surplus)) == _PROBING


def test_verifiers_come_in_the_order_of_the_job() -> None:
    second = {**_PROBE, "engine": "omni"}
    way = JobItinerary(_job(_PROBE, second))
    errand = _errand(_PROBING, _open(asked=True))
    assert way.next_stage(errand) == Stage(frozenset({"omni"}), "verification.verifiers.2")
    assert way.next_stage(errand.at(Stage(frozenset({"omni"}), "verification.verifiers.2"))) is None


def test_what_a_verifier_dropped_is_asked_for_again_while_attempts_are_left() -> None:
    way = JobItinerary(_job(_PROBE))
    dropped = drop(_open(asked=True), "contradicts_evidence", "sad")
    assert way.next_stage(_errand(_PROBING, dropped)) == Stage(frozenset({"omni"}))
    assert way.next_stage(_errand(_PROBING, dropped, attempts=3)) is None
    again = _open(OTHER_FINE, attempt=2, request_key="1" * 64)
    assert way.next_stage(_errand(Stage(frozenset({"omni"})), dropped, again, attempts=2)) == _PROBING


@pytest.mark.parametrize("changes", [{"is_unasked": True, "error": "NotAskedError: x"}, {"unverified": "E: x"}])
def test_where_something_could_not_be_asked_the_way_ends(changes: dict[str, Any]) -> None:
    assert JobItinerary(_job(_PROBE)).next_stage(_errand(_CAPTIONING, _open(), **changes)) is None


def test_a_segment_that_no_verifier_survives_is_a_failure_that_keeps_its_captions() -> None:
    job = _job(_PROBE)
    way, errand = JobItinerary(job), _errand(_PROBING, _open())
    outcome = decide(errand.segment, way.refused(errand, "ears", "tried 3 times"), job)
    assert isinstance(outcome, Failure)
    assert (outcome.stage, outcome.error) == ("verify", "EngineDeadError")
    assert outcome.message == "fine: tried 3 times"
    assert [len(one.candidates) for one in outcome.caption_sets] == [1, 1]


def test_a_segment_that_no_captioner_survives_keeps_what_was_answered_before() -> None:
    job = _job(_PROBE)
    dropped = drop(_open(asked=True), "contradicts_evidence", "sad")
    errand = _errand(Stage(frozenset({"omni"})), dropped)
    (refused,) = JobItinerary(job).refused(errand, "omni", "tried 3 times")
    assert (refused.granularity, refused.candidates, refused.attempts) == ("fine", (dropped,), 3)
    assert refused.error == "EngineDeadError: tried 3 times"
    outcome = decide(errand.segment, errand.answered((refused,)).caption_sets, job)
    assert isinstance(outcome, Failure)
    assert outcome.stage == "caption"
