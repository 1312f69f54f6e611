"""Claims are held against measurements, each where it is about, and called false only far outside of what is usual."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fcaps_pipeline.annotate.verification.bounds import VALUES, Attribute, Bound, shipped_bounds
from fcaps_pipeline.annotate.verification.evidence import evidence_score, weigh_claims
from fcaps_pipeline.annotate.verification.facts import Facts
from fcaps_pipeline.annotate.verification.findings import Weighed
from fcaps_pipeline.annotate.verification.self_contradiction import find_self_contradiction
from fcaps_pipeline.attributes.reading import read_caption
from fcaps_pipeline.records.annotations import Claim
from fcaps_pipeline.records.audio import Acoustics, Event, Gender
from fcaps_pipeline.records.captions import GlobalCaption
from tests.unit.annotate.captioning.building import GOOD_GLOBAL, acoustics, claims_of

_NEVER_CLAIMED = {("whisper", "none"), *((f"{name}_course", "steady") for name in ("loudness", "pitch", "rate"))}
"""What bears out or speaks against its opposites alone."""
_WHOLE = [
    one for one in shipped_bounds().bounds if one.scope == "whole" and (one.attribute, one.value) not in _NEVER_CLAIMED
]
_CLAIMED = {("whisper", "whole"): ("voice_quality", "whisper"), ("pauses", "some"): ("pauses", "one")}
_NUM_SAMPLES = 64_000


def _profile(**changes: str) -> GlobalCaption:
    return GOOD_GLOBAL.model_copy(update=changes)


def _weigh(text: str, measured: Acoustics, **known: object) -> tuple[Weighed, ...]:
    facts = replace(Facts(measured, _NUM_SAMPLES), **known)  # type: ignore[arg-type]
    return weigh_claims(claims_of(text, num_samples=_NUM_SAMPLES), text, facts, shipped_bounds())


def _results(text: str, measured: Acoustics, **known: object) -> dict[tuple[str, str], str]:
    return {(one.claim.attribute, one.claim.value): one.claim.result for one in _weigh(text, measured, **known)}


def _alone(attribute: str, value: str, measured: Acoustics, gender: Gender | None = None) -> Weighed:
    """One claim of which the text says nothing else."""
    named, said = _CLAIMED.get((attribute, value), (attribute, value))
    claims = [Claim(attribute=named, value=said, result="unverifiable")]
    if gender and attribute != "gender":
        claims.append(Claim(attribute="gender", value=gender, result="unverifiable"))
    return weigh_claims(claims, "", Facts(measured, _NUM_SAMPLES), shipped_bounds())[0]


def _beyond(bound: Bound, steps: float) -> float:
    """A measurement so many times as far from the usual as the bound."""
    return bound.usual + steps * (bound.bound - bound.usual)


def _fields(bound: Bound) -> tuple[str, ...]:
    """What must be measured for a measure to have a value."""
    return ("articulation_syllables_per_s", "modulation_hz") if bound.measure == "tempo_hz" else (bound.measure,)


def test_a_score_is_one_at_the_usual_nought_at_the_bound_and_negative_beyond() -> None:
    bound = Bound(attribute="rate", value="slow", measure="tempo_hz", usual=3.0, bound=5.0)
    assert [bound.score(value) for value in (2.0, 3.0, 4.0, 5.0, 6.0)] == [1.0, 1.0, 0.5, 0.0, -0.5]


@pytest.mark.parametrize("bound", _WHOLE, ids=lambda one: f"{one.attribute}-{one.value}-{one.gender}-{one.measure}")
def test_every_shipped_bound_speaks_against_what_lies_beyond_it_and_nothing_else(bound: Bound) -> None:
    nothing = acoustics(**dict.fromkeys(("f0_p5_hz", "f0_median_hz", "f0_p95_hz")), modulation_hz=None)
    for steps, is_false in ((0.9, False), (1.1, True)):
        measured = nothing.model_copy(update=dict.fromkeys(_fields(bound), _beyond(bound, steps)))
        found = _alone(bound.attribute, bound.value, measured, bound.gender)
        assert (found.claim.result == "contradicted") == is_false
        if is_false:
            (evidence,) = found.claim.evidence
            assert (evidence.tool, evidence.tier, evidence.confidence) == (bound.measure, "analytic", 0.98)


@given(st.sampled_from(sorted(VALUES)), st.data())
def test_a_claim_is_borne_out_only_where_every_other_value_is_false(attribute: Attribute, data: st.DataObject) -> None:
    numbers = st.floats(0, 1_000)
    changes = {
        name: data.draw(numbers)
        for name in ("f0_p5_hz", "f0_median_hz", "f0_p95_hz", "modulation_hz", "dip_longest_s", "pause_longest_s")
    } | {
        "level_change_db": data.draw(st.floats(-30, 30)),
        "f0_change_semitones": data.draw(st.floats(-20, 20)),
        "rate_change_ratio": data.draw(st.floats(0.1, 4)),
        "voiced_share": data.draw(st.floats(0, 1)),
    }
    measured = acoustics(**changes)
    claimed = [value for value in VALUES[attribute] if (attribute, value) not in _NEVER_CLAIMED]
    results = [_alone(attribute, value, measured, "female").claim.result for value in claimed]
    assert results.count("supported") <= 1
    if "supported" in results:
        assert set(results) <= {"supported", "contradicted"}


def test_pauses_are_not_judged_where_nobody_knows_the_noise() -> None:
    for snr_db, reason in ((30.0, None), (5.0, "5.0 dB above the noise"), (None, "no part of it is free of speech")):
        (found,) = _weigh("The voice makes a pause.", acoustics(snr_db=snr_db))
        assert (found.score is None) == (reason is not None)
        assert reason is None or reason in found.claim.evidence[0].value


def test_a_rate_is_held_against_both_of_its_measures() -> None:
    text = "A woman speaks slowly."
    both = acoustics(articulation_syllables_per_s=7.0, modulation_hz=6.0)
    one = acoustics(articulation_syllables_per_s=5.0, modulation_hz=3.4)
    unmeasured = acoustics(articulation_syllables_per_s=7.0, modulation_hz=None)
    found = [_results(text, measured)["rate", "slow"] for measured in (both, one, unmeasured)]
    assert found == ["contradicted", "unverifiable", "unverifiable"]


@pytest.mark.parametrize("attribute", ["gender", "pitch", "rate"])
def test_a_whisper_is_not_held_against_voiced_peaks(attribute: str) -> None:
    text = "A woman with a high-pitched voice speaks at a slow pace."
    for voiced_share, is_judged in ((0.3, True), (0.2, False)):
        found = _weigh(text, acoustics(voiced_share=voiced_share))
        (claim,) = [one for one in found if one.claim.attribute == attribute]
        assert (claim.score is not None) == is_judged
        assert is_judged or "20% of it is voiced" in claim.claim.evidence[0].value


@pytest.mark.parametrize(
    ("text", "attribute", "value", "why"),
    [
        ("She begins slowly and then speaks quickly.", "rate", "fast", "which part is meant"),
        ("A woman speaks slowly and becomes faster.", "rate", "slow", "which part is meant"),
        ("Her pitch rises and her pitch falls.", "pitch_course", "rising", "to rise and to fall"),
        ("She grows louder early on.", "loudness_course", "rising", "before the end"),
        ("A man drops to a whisper.", "voice_quality", "whisper", "which part is meant"),
        ("He whispers in a low pitch.", "voice_quality", "whisper", "a pitch is told, too"),
        ("A loud voice.", "volume", "loud", "gain"),
        ("A warm voice.", "timbre", "warm", "nothing measures timbre warm"),
        ("The vowels are drawn out at leisure.", "other", "The vowels are drawn out at leisure.", "not understood"),
    ],
)
def test_what_cannot_be_checked_says_why(text: str, attribute: str, value: str, why: str) -> None:
    (found,) = [
        one.claim for one in _weigh(text, acoustics()) if (one.claim.attribute, one.claim.value) == (attribute, value)
    ]
    assert found.result == "unverifiable"
    assert why in found.evidence[0].value


def test_the_gender_decides_what_a_high_pitch_is() -> None:
    text = "The voice has a high pitch."
    measured = acoustics(f0_p95_hz=185.0)
    assert _results(text, measured, speaker_gender="female")["pitch", "high"] == "contradicted"
    assert _results(text, measured, speaker_gender="male")["pitch", "high"] != "contradicted"


def test_the_source_knows_who_speaks() -> None:
    deep = acoustics(f0_p5_hz=70.0, f0_median_hz=90.0, f0_p95_hz=130.0)
    assert _results("A man speaks.", deep)["gender", "male"] == "supported"
    assert _results("A man speaks.", deep, speaker_gender="female")["gender", "male"] == "contradicted"
    assert _results("A woman speaks.", deep, speaker_gender="female")["gender", "female"] == "supported"


def test_human_tags_speak_where_measurements_do_not() -> None:
    text = "An angry man speaks in a loud voice."
    found = _results(text, acoustics(), tags=("an angry tone", "soft voice"))
    assert (found["emotion", "angry"], found["volume", "loud"]) == ("supported", "contradicted")
    assert _results(text, acoustics(), tags=("Irish accent",))["volume", "loud"] == "unverifiable"


def test_a_transcript_may_note_a_laugh() -> None:
    text = "She laughs at the end."
    assert _results(text, acoustics(), transcript="well [laughter] yes")["sound", "laugh"] == "supported"
    assert _results(text, acoustics(), transcript="they laugh a lot")["sound", "laugh"] == "unverifiable"


def test_events_count_where_they_were_placed() -> None:
    louder = Event(phrase="grows louder", start_samples=0, end_samples=16_000, source="acoustics", confidence=0.9)
    early, late = "She grows louder early on.", "She laughs and pauses late on."
    assert _results(early, acoustics(), events=(louder,))["loudness_course", "rising"] == "supported"
    softer = louder.model_copy(update={"phrase": "grows softer"})
    assert _results(early, acoustics(), events=(softer,))["loudness_course", "rising"] == "contradicted"
    pause = louder.model_copy(update={"phrase": "pauses"})
    assert _results(late, acoustics(), events=(pause,))["pauses", "one"] == "unverifiable"
    there = pause.model_copy(update={"start_samples": 60_000, "end_samples": 63_000})
    assert _results(late, acoustics(), events=(there,))["pauses", "one"] == "supported"


def test_tools_of_one_tier_that_disagree_leave_a_claim_open() -> None:
    falling = acoustics(level_change_db=-12.0)
    event = Event(phrase="grows louder", start_samples=50_000, end_samples=60_000, source="acoustics", confidence=0.9)
    text = "She grows louder towards the end."
    assert _results(text, falling)["loudness_course", "rising"] == "contradicted"
    (claim,) = [one.claim for one in _weigh(text, falling, events=(event,)) if one.claim.attribute == "loudness_course"]
    assert (claim.result, len(claim.evidence)) == ("unverifiable", 2)


def test_what_is_found_nowhere_is_not_there_either() -> None:
    text = "She pauses in the middle."
    assert _results(text, acoustics(dip_longest_s=0.03))["pauses", "one"] == "contradicted"
    assert _results(text, acoustics(dip_longest_s=1.2, pause_longest_s=1.1))["pauses", "one"] == "unverifiable"


def test_several_pauses_take_more_than_one() -> None:
    text = "She pauses several times."
    long = {"dip_longest_s": 1.3, "pause_longest_s": 1.2}
    assert _results(text, acoustics(**long, num_pauses=1))["pauses", "several"] == "unverifiable"
    assert _results(text, acoustics(**long, num_pauses=2))["pauses", "several"] == "supported"


def test_a_segment_too_short_for_a_frame_is_a_reason() -> None:
    pcm_T = np.zeros(600, np.int16)
    none = dict.fromkeys(("f0_p5_hz", "f0_median_hz", "f0_p95_hz", "modulation_hz", "snr_db"))
    text = "A man whispers at first, in a low pitch and slowly, and pauses."
    found = _weigh(text, acoustics(**none, voiced_share=0.0), pcm_T=pcm_T, num_samples=600)
    assert {one.claim.result for one in found} == {"unverifiable"}
    assert all(one.claim.evidence for one in found)


def test_the_score_of_a_caption_is_the_mean_over_its_claims() -> None:
    weighed = _weigh("A woman speaks at a measured pace.", acoustics())
    scores = [one.score for one in weighed if one.score is not None]
    assert len(scores) == 2
    assert evidence_score(scores) == pytest.approx(sum(one.score for one in scores) / 2)
    assert evidence_score(()) == 0.0


def test_prose_against_its_own_fields() -> None:
    def found(text: str, profile: GlobalCaption | None) -> str | None:
        return find_self_contradiction(read_caption(text), profile)

    assert found("A man speaks.", _profile(gender="female")) == "gender is female, the text says male"
    assert found("A woman speaks.", _profile(gender="female")) is None
    assert found("A woman speaks.", _profile(gender="unknown")) is None
    assert found("A woman speaks, he laughs.", None) == "the text gives the speaker both genders"
    assert found("She delivers his line to her audience.", None) is None
