"""Every Segment ends as exactly one of Annotation, Rejection and Failure."""

import pytest

from fcaps_pipeline.annotate.verification.decision import decide
from fcaps_pipeline.errors import AccountingError
from fcaps_pipeline.records.annotations import Annotation, CaptionSet, Failure, Rejection
from fcaps_pipeline.records.captions import Granularity
from tests.unit.annotate.captioning.building import GOOD_FINE, candidate, segment_audio

_BOTH = (Granularity.FINE, Granularity.GLOBAL)


def _set(
    granularity: Granularity, *reasons: tuple[str, ...], error: str | None = None, reject: str | None = None
) -> CaptionSet:
    return CaptionSet(
        granularity=granularity,
        candidates=tuple(candidate(GOOD_FINE, reasons=each) for each in reasons),
        attempts=2,
        reject_segment=reject,
        error=error,
    )


def test_a_caption_at_every_granularity_is_an_annotation() -> None:
    outcome = decide(segment_audio(), (_set(_BOTH[1], ()), _set(_BOTH[0], (), ("length",))), _BOTH)
    assert isinstance(outcome, Annotation)
    assert [one.granularity for one in outcome.caption_sets] == list(_BOTH)


def test_nothing_acceptable_is_a_rejection_with_the_commonest_rule_first() -> None:
    fine = _set(_BOTH[0], ("length",), ("absence", "newline"), ("absence",))
    outcome = decide(segment_audio(), (fine, _set(_BOTH[1], ())), _BOTH)
    assert isinstance(outcome, Rejection)
    assert outcome.reason == "fine: absence, length, newline"
    assert outcome.caption_sets[0] == fine


def test_two_granularities_can_be_to_blame() -> None:
    outcome = decide(segment_audio(), (_set(_BOTH[0], ("length",)), _set(_BOTH[1], ("invalid_json",))), _BOTH)
    assert isinstance(outcome, Rejection)
    assert outcome.reason == "fine: length; global: invalid_json"


def test_a_condemned_segment_is_rejected_in_spite_of_good_captions_and_errors() -> None:
    sets = (_set(_BOTH[0], (), reject="multiple_speakers"), _set(_BOTH[1], error="EngineRequestError: too long"))
    outcome = decide(segment_audio(), sets, _BOTH)
    assert isinstance(outcome, Rejection)
    assert outcome.reason.startswith("fine: multiple_speakers")


def test_what_could_not_be_asked_is_a_failure() -> None:
    sets = (_set(_BOTH[0], ("length",)), _set(_BOTH[1], error="EngineRequestError: request 1: too long"))
    outcome = decide(segment_audio(), sets, _BOTH)
    assert isinstance(outcome, Failure)
    assert (outcome.stage, outcome.error, outcome.message, outcome.attempts) == (
        "caption",
        "EngineRequestError",
        "global: request 1: too long",
        2,
    )


def test_an_error_after_a_good_caption_does_no_harm() -> None:
    outcome = decide(segment_audio(), (_set(_BOTH[0], (), ("truncation",), error="E: gone"),), (Granularity.FINE,))
    assert isinstance(outcome, Annotation)


def test_a_missing_granularity_is_a_defect() -> None:
    with pytest.raises(AccountingError, match="expected answers for"):
        decide(segment_audio(), (_set(_BOTH[0], ()),), _BOTH)
