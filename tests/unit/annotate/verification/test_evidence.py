"""Captions are held against the measurements, statement by statement, and dropped only far outside of what is usual."""

import pytest

from fcaps_pipeline.annotate.verification.bounds import Bound, shipped_bounds
from fcaps_pipeline.annotate.verification.evidence import (
    Statement,
    evidence_score,
    find_contradiction,
    find_self_contradiction,
    read_statements,
    weigh,
)
from fcaps_pipeline.records.audio import Acoustics
from fcaps_pipeline.records.captions import GlobalCaption
from tests.unit.annotate.captioning.building import GOOD_GLOBAL, acoustics

_BOUNDS = {(one.attribute, one.value, one.gender, one.measure): one for one in shipped_bounds().bounds}


def _profile(**changes: str) -> GlobalCaption:
    return GOOD_GLOBAL.model_copy(update=changes)


def _contradiction(text: str, profile: GlobalCaption | None, measured: Acoustics) -> str | None:
    return find_contradiction(weigh(read_statements(text, profile), measured))


def _beyond(bound: Bound, steps: float) -> float:
    """A measurement so many times as far from the usual as the bound."""
    return bound.usual + steps * (bound.bound - bound.usual)


def _fields(bound: Bound) -> tuple[str, ...]:
    """What must be measured for a measure to have a value."""
    return ("articulation_syllables_per_s", "modulation_hz") if bound.measure == "tempo_hz" else (bound.measure,)


def test_a_score_is_one_at_the_usual_nought_at_the_bound_and_negative_beyond() -> None:
    bound = Bound(attribute="rate", value="slow", measure="tempo_hz", usual=3.0, bound=5.0)
    assert [bound.score(value) for value in (2.0, 3.0, 4.0, 5.0, 6.0)] == [1.0, 1.0, 0.5, 0.0, -0.5]


@pytest.mark.parametrize("bound", shipped_bounds().bounds, ids=lambda one: f"{one.attribute}-{one.value}-{one.gender}")
def test_every_shipped_bound_drops_what_lies_beyond_it_and_nothing_else(bound: Bound) -> None:
    texts = {
        ("pauses", "some"): "The voice makes a pause.",
        ("pauses", "none"): "The voice runs on without a pause.",
        ("loudness_course", "rising"): "The voice grows louder.",
        ("loudness_course", "falling"): "The voice grows softer.",
        ("pitch_course", "rising"): "The voice grows higher.",
        ("pitch_course", "falling"): "The voice grows lower.",
        ("rate_course", "rising"): "The speech becomes faster.",
        ("rate_course", "falling"): "The speech becomes slower.",
        ("whisper", "whole"): "The speaker whispers.",
    }
    silent = dict.fromkeys(("gender", "pitch", "rate"), "unknown")
    if bound.attribute in silent:
        named = {"gender": bound.gender or "unknown"} if bound.attribute == "pitch" else {}
        profile = _profile(**{**silent, **named, bound.attribute: bound.value, "caption": "A plain voice."})
        text = profile.caption
    else:
        profile, text = _profile(**silent, caption="A plain voice."), texts[bound.attribute, bound.value]
    nothing = dict.fromkeys(("f0_p5_hz", "f0_median_hz", "f0_p95_hz"))
    # Values that no bound of another measure objects to.
    quiet = acoustics(**nothing) if bound.attribute in {"gender", "pitch"} else acoustics()
    for steps, is_dropped in ((0.9, False), (1.1, True)):
        measured = quiet.model_copy(update=dict.fromkeys(_fields(bound), _beyond(bound, steps)))
        found = [one for one in weigh(read_statements(text, profile), measured) if one.bound == bound]
        assert [one.score < 0 for one in found] == [is_dropped]
        assert (_contradiction(text, profile, measured) is not None) >= is_dropped


def test_pauses_are_not_judged_where_nobody_knows_the_noise() -> None:
    for snr_db, is_judged in ((30.0, True), (5.0, False), (None, False)):
        found = weigh(read_statements("The voice makes a pause.", None), acoustics(snr_db=snr_db))
        assert bool(found) == is_judged


def test_a_rate_is_held_against_both_of_its_measures() -> None:
    text = "A woman speaks slowly."
    both = acoustics(articulation_syllables_per_s=7.0, modulation_hz=6.0)
    one = acoustics(articulation_syllables_per_s=5.0, modulation_hz=3.4)
    assert _contradiction(text, None, both) is not None
    assert _contradiction(text, None, one) is None
    assert _contradiction(text, None, acoustics(articulation_syllables_per_s=7.0, modulation_hz=None)) is None


def test_without_a_measurement_nothing_is_judged() -> None:
    nothing = acoustics(f0_p5_hz=None, f0_median_hz=None, f0_p95_hz=None)
    profile = _profile(gender="male", pitch="high", rate="unknown", caption="A plain voice.")
    assert weigh(read_statements(profile.caption, profile), nothing) == ()


@pytest.mark.parametrize("attribute", ["gender", "pitch", "rate"])
def test_a_whisper_is_not_held_against_voiced_peaks(attribute: str) -> None:
    text = "A woman with a high-pitched voice speaks at a slow pace."
    voiced, whispered = acoustics(voiced_share=0.3), acoustics(voiced_share=0.2)
    assert attribute in {one.statement.attribute for one in weigh(read_statements(text, None), voiced)}
    assert attribute not in {one.statement.attribute for one in weigh(read_statements(text, None), whispered)}


@pytest.mark.parametrize(
    ("text", "statements"),
    [
        ("A man speaks slowly.", {("gender", "male"), ("rate", "slow")}),
        ("She begins slowly and then speaks quickly.", {("gender", "female")}),
        ("A woman speaks slowly and becomes faster.", {("gender", "female"), ("rate_course", "rising")}),
        ("Her pitch rises and then falls.", {("gender", "female")}),
        ("A man whispers.", {("gender", "male"), ("whisper", "whole")}),
        ("A man drops to a whisper at the end.", {("gender", "male")}),
        ("He whispers at the end.", {("gender", "male")}),
        ("A loud, warm voice.", set()),
    ],
)
def test_only_what_is_said_of_the_whole_is_a_statement(text: str, statements: set[tuple[str, str]]) -> None:
    found = {(one.attribute, one.value) for one in read_statements(text, None).statements}
    assert found == statements


def test_the_gender_decides_what_a_high_pitch_is() -> None:
    text = "The voice has a high pitch."
    measured = acoustics(f0_p95_hz=185.0)
    statements = read_statements(text, None)
    assert find_contradiction(weigh(statements, measured, speaker_gender="female")) is not None
    assert find_contradiction(weigh(statements, measured, speaker_gender="male")) is None


def test_fields_and_prose_are_statements_once_each() -> None:
    profile = _profile(gender="female", pitch="low", rate="slow", caption="A woman of low pitch speaks slowly.")
    found = read_statements(profile.caption, profile).statements
    assert sorted(found, key=lambda one: one.attribute) == [
        Statement("gender", "female"),
        Statement("pitch", "low"),
        Statement("rate", "slow"),
    ]


def test_the_score_of_a_caption_is_the_mean_over_its_statements() -> None:
    weighed = weigh(read_statements("A woman speaks at a measured pace.", None), acoustics())
    assert len(weighed) == 2
    records = tuple(one.record() for one in weighed)
    assert evidence_score(records) == pytest.approx(sum(one.score for one in weighed) / 2)
    assert evidence_score(()) == 0.0


def test_prose_against_its_own_fields() -> None:
    assert find_self_contradiction("A man speaks.", _profile(gender="female")) == "gender is female, the text says male"
    assert find_self_contradiction("A woman speaks.", _profile(gender="female")) is None
    assert find_self_contradiction("A woman speaks.", _profile(gender="unknown")) is None
    assert find_self_contradiction("A woman speaks, he laughs.", None) == "the text gives the speaker both genders"
    assert find_self_contradiction("She delivers his line to her audience.", None) is None
