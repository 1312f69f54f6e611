"""What becomes of a caption that says something false."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fcaps_pipeline.annotate.verification.bounds import shipped_bounds
from fcaps_pipeline.annotate.verification.facts import Facts
from fcaps_pipeline.annotate.verification.judge import Judge
from fcaps_pipeline.annotate.verification.remedies import (
    after_asking,
    asks_again,
    before_asking,
    drop_unverified,
    is_contradicted,
)
from fcaps_pipeline.jobs.verification import Remedy, VerificationConfig
from fcaps_pipeline.records.annotations import Candidate
from fcaps_pipeline.records.captions import GlobalCaption, Granularity
from tests.unit.annotate.captioning.building import GOOD_FINE, GOOD_GLOBAL, acoustics, candidate, segment_audio

_FALSE = "Her pitch rises and rises from the first word to the last."
_ALL: tuple[Remedy, ...] = ("delete", "ask_again", "drop")
_FALLING = acoustics(f0_change_semitones=-9.0, level_change_db=8.0, rate_change_ratio=1.5)


def _judge(config: VerificationConfig | None = None) -> Judge:
    segment = replace(segment_audio(), acoustics=_FALLING)
    return Judge(Facts.of(segment), config or VerificationConfig(), shipped_bounds())


def _judged(text: str, attributes: GlobalCaption | None = None) -> Candidate:
    granularity = Granularity.FINE if attributes is None else Granularity.GLOBAL
    raw = candidate(text).model_copy(update={"granularity": granularity, "attributes": attributes})
    return _judge().judge(raw)


_GOOD = GOOD_FINE.replace(", and ends softly with a falling tone", "")


def test_a_false_sentence_is_deleted_and_the_rest_judged_again() -> None:
    wrong = _judged(f"{_GOOD} {_FALSE}")
    assert is_contradicted(wrong)
    mended = _judge().treat(wrong, before_asking(_ALL))
    assert (mended.text, mended.verdict.kept, is_contradicted(mended)) == (_GOOD, True, False)
    assert len(mended.repairs) == 1
    assert mended.repairs[0].startswith(f"{_FALSE} (pitch course rising, but f0_change_semitones is -9 semitones")
    assert mended.completion == wrong.completion


def test_what_is_too_short_without_its_false_sentence_is_not_mended() -> None:
    wrong = _judged(f"{_GOOD[:60]}. {_FALSE} {_FALSE.replace('Her', 'The')}")
    treated = _judge().treat(wrong, ("delete", "drop"))
    assert treated.text == wrong.text
    assert treated.verdict.reasons == ("contradicts_evidence",)
    assert "f0_change_semitones" in treated.verdict.details[0]


def test_a_false_field_cannot_be_deleted() -> None:
    profile = GOOD_GLOBAL.model_copy(update={"gender": "male", "caption": f"{GOOD_GLOBAL.caption} {_FALSE}"})
    wrong = _judge().judge(
        candidate(profile.caption).model_copy(update={"granularity": Granularity.GLOBAL, "attributes": profile})
    )
    deep = _judge().treat(wrong, ("delete",))
    assert (deep.text, deep.repairs) == (wrong.text, ())


def test_the_caption_among_the_fields_follows() -> None:
    profile = GOOD_GLOBAL.model_copy(update={"caption": f"{GOOD_GLOBAL.caption} {_FALSE}"})
    mended = _judge().treat(_judged(profile.caption, profile), ("delete",))
    assert mended.attributes is not None
    assert mended.attributes.caption == mended.text == GOOD_GLOBAL.caption


def test_without_drop_it_stays_and_says_so() -> None:
    wrong = _judged(f"{_GOOD[:60]}. {_FALSE}")
    kept = _judge().treat(wrong, ())
    assert kept.verdict == wrong.verdict
    assert is_contradicted(kept)


@pytest.mark.parametrize(
    ("remedies", "before", "after", "is_asked"),
    [
        (_ALL, ("delete",), ("drop",), True),
        (("ask_again", "delete", "drop"), (), ("delete", "drop"), True),
        (("delete", "drop"), ("delete", "drop"), (), False),
        ((), (), (), False),
    ],
)
def test_the_order_of_the_job_is_kept(
    remedies: tuple[Remedy, ...], before: tuple[Remedy, ...], after: tuple[Remedy, ...], *, is_asked: bool
) -> None:
    assert (before_asking(remedies), after_asking(remedies)) == (before, after)
    false_alone = _judged(f"{_GOOD} {_FALSE}")
    assert asks_again(false_alone, remedies) == is_asked
    assert asks_again(_judge().treat(false_alone, ("drop",)), remedies) == is_asked
    too_short = _judged(_FALSE)
    assert asks_again(too_short, remedies)


def test_without_verifiers_claims_are_read_and_nothing_is_held_against_them() -> None:
    judged = _judge(VerificationConfig(verifiers=())).judge(candidate(f"{_GOOD} {_FALSE}"))
    assert judged.claims
    assert {one.result for one in judged.claims} == {"unverifiable"}
    assert judged.verdict.scores == ()


def test_captions_in_other_languages_are_not_taken_apart() -> None:
    german = VerificationConfig(language="de")
    assert _judge(german).judge(candidate(GOOD_FINE)).claims is None
    assert (
        _judge(german).judge(candidate("{").model_copy(update={"granularity": Granularity.GLOBAL}), "bad").claims
        is None
    )


def test_what_is_unverified_is_named() -> None:
    dropped = drop_unverified(_judged(_GOOD))
    assert dropped.verdict.reasons == ("unverified",)
    assert "timbre warm" in dropped.verdict.details[0]


_SENTENCES = st.sampled_from(
    [
        *("Her pitch rises.", "She speaks faster and faster.", "She grows softer towards the end.", "A man speaks."),
        *("She pauses midway.", "Her voice is warm and husky.", "It all comes out in one breath", "", "Slowly!", "He."),
    ]
)


@given(st.lists(_SENTENCES, max_size=8), st.sampled_from([(), ("delete",), ("drop",), ("delete", "drop")]))
def test_whatever_is_said_a_mended_caption_is_true_and_made_of_its_sentences(
    sentences: list[str], remedies: tuple[Remedy, ...]
) -> None:
    short = VerificationConfig(fine_min_characters=1)
    judge = _judge(short)
    judged = judge.judge(candidate(" ".join(sentences)))
    treated = judge.treat(judged, remedies)
    if "drop" in remedies:
        assert not (treated.verdict.kept and is_contradicted(treated))
    if treated.text != judged.text:
        assert treated.verdict.kept
        assert not is_contradicted(treated)
        assert set(treated.text.split()) <= set(judged.text.split())
        assert len(treated.repairs) >= 1
    else:
        assert treated.repairs == ()


@pytest.mark.parametrize("text", ["", " ", ".", "He. " * 4_096, "\x00", "she grows louder; " * 900])
def test_bad_captions_are_judged_too(text: str) -> None:
    assert _judge().treat(_judged(text[:16_384]), ("delete", "drop")).verdict.reasons
