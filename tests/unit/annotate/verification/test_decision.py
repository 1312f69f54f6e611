"""Every Segment ends as exactly one of Annotation, Rejection and Failure, and a row says one thing of its speaker."""

from dataclasses import replace

import pytest

from fcaps_pipeline.annotate.verification.decision import decide
from fcaps_pipeline.errors import AccountingError, JobError
from fcaps_pipeline.jobs.annotate_job import Job, parse_job
from fcaps_pipeline.jobs.verification import VerificationConfig
from fcaps_pipeline.records.annotations import Annotation, Candidate, CaptionSet, Failure, Missing, Rejection
from fcaps_pipeline.records.audio import MULTI_SPEAKER, AudioWarning, Event
from fcaps_pipeline.records.captions import Granularity
from tests.unit.annotate.captioning.building import GOOD_FINE, OTHER_FINE, acoustics, candidate, segment_audio

_FINE, _GLOBAL = Granularity.FINE, Granularity.GLOBAL
_MAN = "A man with a calm voice speaks slowly and evenly from the first word to the last of his phrase."


def _job(*, require: tuple[str, ...] | None = None, keep: int = 2, only_fine: bool = False) -> Job:
    captions = {
        name: {"engine": "e", "prompt": "embedded_fine.v1", "num_candidates": 3, "keep": keep}
        for name in (["fine"] if only_fine else ["fine", "global"])
    }
    content = {
        "source": {"kind": "folder", "path": "/data"},
        "engines": {"e": {"kind": "cascade"}},
        "captions": captions,
        "require": require,
    }
    return parse_job(content, "test")


def _set(granularity: Granularity, *candidates: Candidate, error: str | None = None) -> CaptionSet:
    return CaptionSet(granularity=granularity, candidates=candidates, attempts=2, error=error)


def _dropped(*reasons: str, seed: int = 9) -> Candidate:
    return candidate(GOOD_FINE, reasons=reasons, seed=seed)


_GOOD = candidate(GOOD_FINE)


def test_a_caption_at_every_granularity_is_an_annotation_in_the_order_of_the_job() -> None:
    outcome = decide(segment_audio(), (_set(_GLOBAL, _GOOD), _set(_FINE, _GOOD, _dropped("length"))), _job())
    assert isinstance(outcome, Annotation)
    assert [one.granularity for one in outcome.caption_sets] == [_FINE, _GLOBAL]
    assert not {"fine_captions", "global_captions"} & {one.field for one in outcome.missing}


def test_the_row_has_the_events_of_its_segment() -> None:
    heard = Event(phrase="pauses", start_samples=0, end_samples=400, source="acoustics", confidence=0.9)
    sets = (_set(_GLOBAL, _GOOD), _set(_FINE, _GOOD))
    for events in ((heard,), (), None):
        outcome = decide(replace(segment_audio(), events=events), sets, _job())
        assert isinstance(outcome, Annotation)
        assert outcome.events == events


def test_nothing_acceptable_is_a_rejection_with_the_commonest_rule_first() -> None:
    fine = _set(_FINE, _dropped("length"), _dropped("absence", "newline", seed=1), _dropped("absence", seed=2))
    outcome = decide(segment_audio(), (fine, _set(_GLOBAL, _GOOD)), _job())
    assert isinstance(outcome, Rejection)
    assert outcome.reason == "fine: absence, length, newline"
    assert outcome.caption_sets[0] == fine


def test_two_granularities_can_be_to_blame() -> None:
    sets = (_set(_FINE, _dropped("length")), _set(_GLOBAL, _dropped("invalid_json")))
    outcome = decide(segment_audio(), sets, _job())
    assert isinstance(outcome, Rejection)
    assert outcome.reason == "fine: length; global: invalid_json"


def test_a_granularity_that_is_not_required_may_stay_empty_and_says_why() -> None:
    sets = (_set(_FINE, _GOOD), _set(_GLOBAL, _dropped("absence")))
    outcome = decide(segment_audio(), sets, _job(require=("fine",)))
    assert isinstance(outcome, Annotation)
    assert Missing(field="global_captions", reason="global: absence") in outcome.missing
    unasked = (_set(_FINE, _GOOD), _set(_GLOBAL, error="EngineRequestError: too long"))
    outcome = decide(segment_audio(), unasked, _job(require=("fine",)))
    assert isinstance(outcome, Annotation)
    assert Missing(field="global_captions", reason="global: EngineRequestError: too long") in outcome.missing


def test_what_is_required_must_be_asked() -> None:
    with pytest.raises(JobError, match="require: captions asks for no global captions"):
        _job(require=("global",), only_fine=True)


@pytest.mark.parametrize(
    ("num_hits", "num_good", "is_condemned"), [(1, 0, True), (1, 1, False), (1, 5, False), (2, 4, True)]
)
def test_two_captions_or_most_of_them_condemn_a_segment(num_hits: int, num_good: int, *, is_condemned: bool) -> None:
    hits = [_dropped("multiple_speakers", seed=index) for index in range(num_hits)]
    good = [candidate(GOOD_FINE, seed=10 + index) for index in range(num_good)]
    outcome = decide(segment_audio(), (_set(_FINE, *hits, *good),), _job(only_fine=True))
    assert isinstance(outcome, Rejection) == is_condemned
    if isinstance(outcome, Rejection):
        assert outcome.reason == "multiple_speakers"


def test_a_condemned_segment_is_rejected_in_spite_of_errors() -> None:
    sets = (_set(_FINE, _dropped("multiple_speakers")), _set(_GLOBAL, error="EngineRequestError: too long"))
    assert isinstance(decide(segment_audio(), sets, _job()), Rejection)


def test_what_captions_condemn_is_open_until_all_were_asked_for() -> None:
    unasked = CaptionSet(granularity=_GLOBAL, candidates=(), attempts=1, error="NotAskedError: new", is_unasked=True)
    outcome = decide(segment_audio(), (_set(_FINE, _dropped("multiple_speakers")), unasked), _job())
    assert isinstance(outcome, Failure)
    assert outcome.error == "NotAskedError"


def test_what_could_not_be_asked_is_a_failure() -> None:
    sets = (_set(_FINE, _dropped("length")), _set(_GLOBAL, error="EngineRequestError: request 1: too long"))
    outcome = decide(segment_audio(), sets, _job())
    assert isinstance(outcome, Failure)
    assert (outcome.stage, outcome.error, outcome.message, outcome.attempts) == (
        "caption",
        "EngineRequestError",
        "global: request 1: too long",
        2,
    )


def test_an_error_after_a_good_caption_does_no_harm() -> None:
    sets = (_set(_FINE, _GOOD, _dropped("truncation"), error="E: gone"),)
    assert isinstance(decide(segment_audio(), sets, _job(only_fine=True)), Annotation)


def test_a_missing_granularity_is_a_defect() -> None:
    with pytest.raises(AccountingError, match="expected answers for"):
        decide(segment_audio(), (_set(_FINE, _GOOD),), _job())


def test_no_row_calls_its_speaker_a_man_and_a_woman() -> None:
    fine = _set(_FINE, candidate(GOOD_FINE, seed=1), candidate(_MAN, seed=2), candidate(OTHER_FINE, seed=3))
    outcome = decide(segment_audio(), (fine,), _job(only_fine=True, keep=3))
    assert isinstance(outcome, Annotation)
    assert {one.completion.seed for one in outcome.caption_sets[0].kept} == {1, 3}
    (dropped,) = [one for one in outcome.caption_sets[0].candidates if not one.verdict.kept]
    assert dropped.verdict.reasons == ("inconsistent",)
    assert dropped.verdict.details == ("gender male, most captions of the Segment say female",)


def test_of_as_many_captions_the_measurements_decide() -> None:
    fine = _set(_FINE, candidate(GOOD_FINE, seed=1, scores=(0.1,)), candidate(_MAN, seed=2, scores=(0.9,)))
    outcome = decide(segment_audio(), (fine,), _job(only_fine=True, keep=3))
    assert isinstance(outcome, Annotation)
    assert [one.completion.seed for one in outcome.caption_sets[0].kept] == [2]


def test_what_the_others_say_is_evidence_that_bears_nothing_out() -> None:
    fine = _set(_FINE, candidate(GOOD_FINE, seed=1), candidate(OTHER_FINE, seed=2), candidate(_MAN, seed=3))
    outcome = decide(segment_audio(), (fine,), _job(only_fine=True, keep=3))
    assert isinstance(outcome, Annotation)
    found = {
        one.completion.seed: next(claim for claim in one.claims or () if claim.attribute == "gender")
        for one in outcome.caption_sets[0].candidates
    }
    assert {seed: claim.result for seed, claim in found.items()} == {
        1: "unverifiable",
        2: "unverifiable",
        3: "contradicted",
    }
    assert found[1].evidence[-1].value == "1 of 2 say female, 1 of 2 say male"
    assert {one.tier for claim in found.values() for one in claim.evidence} == {"listening"}


def test_a_job_may_drop_what_could_not_be_checked() -> None:
    settled = candidate(GOOD_FINE, seed=1)
    settled = settled.model_copy(
        update={"claims": tuple(one.model_copy(update={"result": "supported"}) for one in settled.claims or ())}
    )
    fine = _set(_FINE, settled, candidate(OTHER_FINE, seed=2))
    job = _job(only_fine=True, keep=3)
    strict = job.model_copy(update={"verification": job.verification.model_copy(update={"unverifiable": "drop"})})
    for asked, seeds in ((job, {1, 2}), (strict, {1})):
        outcome = decide(segment_audio(), (fine,), asked)
        assert isinstance(outcome, Annotation)
        assert {one.completion.seed for one in outcome.caption_sets[0].kept} == seeds
    assert outcome.caption_sets[0].candidates[-1].verdict.reasons == ("unverified",)


def test_clipped_sound_is_rejected_by_name_whatever_was_answered() -> None:
    audio = segment_audio()
    clipped = replace(audio, acoustics=acoustics(clipped_share=0.03))
    outcome = decide(clipped, (_set(_FINE), _set(_GLOBAL)), _job())
    assert isinstance(outcome, Rejection)
    assert outcome.reason == "clipped"
    lightly = replace(audio, acoustics=acoustics(clipped_share=0.01))
    assert isinstance(decide(lightly, (_set(_FINE, _GOOD), _set(_GLOBAL, _GOOD)), _job()), Annotation)


def test_several_speakers_are_rejected_unasked_or_kept_by_the_job() -> None:
    audio = segment_audio()
    warning = AudioWarning(name=MULTI_SPEAKER, detail="2 speakers", start_samples=0, end_samples=9)
    mixed = replace(audio, recording=audio.recording.model_copy(update={"warnings": (warning,)}))
    outcome = decide(mixed, (_set(_FINE), _set(_GLOBAL)), _job())
    assert isinstance(outcome, Rejection)
    assert outcome.reason == "multi_speaker"
    keeping = _job().model_copy(update={"verification": VerificationConfig(multi_speaker="keep")})
    kept = decide(mixed, (_set(_FINE, _GOOD), _set(_GLOBAL, _GOOD)), keeping)
    assert isinstance(kept, Annotation)
    assert kept.recording.warnings == (warning,)
