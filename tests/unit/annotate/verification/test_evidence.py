"""Captions are dropped where they flatly contradict the measurements, and only there."""

import pytest

from fcaps_pipeline.annotate.verification.evidence import find_contradiction, find_self_contradiction
from fcaps_pipeline.records.captions import GlobalCaption
from tests.unit.annotate.captioning.building import GOOD_GLOBAL, acoustics


def _profile(**changes: str) -> GlobalCaption:
    return GOOD_GLOBAL.model_copy(update=changes)


def test_a_pause_nobody_measured() -> None:
    text = "She pauses briefly."
    assert find_contradiction(text, None, acoustics(num_pauses=0)) == "'pauses', but no pause was measured"
    assert find_contradiction(text, None, acoustics(num_pauses=1)) is None


@pytest.mark.parametrize(
    ("gender", "pitch", "f0_hz", "is_wrong"),
    [
        ("male", "low", 165.0, True),
        ("male", "low", 160.0, False),
        ("male", "high", 104.0, True),
        ("male", "high", 105.0, False),
        ("female", "low", 204.0, True),
        ("female", "low", 200.0, False),
        ("female", "high", 127.0, True),
        ("female", "high", 130.0, False),
        ("female", "medium", 300.0, False),
        ("unknown", "low", 300.0, False),
        ("male", "unknown", 281.0, True),
        ("female", "unknown", 109.0, True),
    ],
)
def test_pitch_against_the_median_f0(gender: str, pitch: str, f0_hz: float, *, is_wrong: bool) -> None:
    profile = _profile(gender=gender, pitch=pitch, caption="A calm voice.")
    assert (find_contradiction(profile.caption, profile, acoustics(f0_median_hz=f0_hz)) is not None) == is_wrong
    assert find_contradiction(profile.caption, profile, acoustics(f0_median_hz=None)) is None


@pytest.mark.parametrize(
    ("text", "f0_hz", "is_wrong"),
    [
        ("A man with a deep, resonant voice.", 190.0, True),
        ("A man with a low and warm voice.", 190.0, True),
        ("A man with a deep, resonant voice.", 120.0, False),
        ("A woman with a high-pitched voice.", 120.0, True),
        ("A woman with a medium-high pitched voice.", 120.0, False),
        ("A woman gives a sharp, high-pitched gasp; her voice settles.", 120.0, False),
        ("A speaker with a deep voice.", 250.0, False),
    ],
)
def test_pitch_in_prose_counts_where_it_describes_the_voice(text: str, f0_hz: float, *, is_wrong: bool) -> None:
    assert (find_contradiction(text, None, acoustics(f0_median_hz=f0_hz)) is not None) == is_wrong


@pytest.mark.parametrize(
    ("rate", "syllables_per_s", "is_wrong"),
    [("slow", 6.1, True), ("slow", 5.9, False), ("fast", 2.9, True), ("fast", 3.1, False), ("fast", 0.0, False)],
)
def test_rate_against_the_articulation_rate(rate: str, syllables_per_s: float, *, is_wrong: bool) -> None:
    profile = _profile(rate=rate)
    measured = acoustics(articulation_syllables_per_s=syllables_per_s)
    assert (find_contradiction(profile.caption, profile, measured) is not None) == is_wrong


@pytest.mark.parametrize(
    ("changes", "measured"),
    [
        ({"gender": "male"}, {"f0_median_hz": 345.0}),
        ({"gender": "female", "pitch": "low"}, {"f0_median_hz": 420.0}),
        ({"rate": "fast"}, {"articulation_syllables_per_s": 2.0}),
    ],
)
def test_a_whisper_is_not_held_against_voiced_peaks(changes: dict[str, str], measured: dict[str, float]) -> None:
    profile = _profile(caption="A calm whisper.", **changes)
    assert find_contradiction(profile.caption, profile, acoustics(voiced_share=0.2, **measured)) is not None
    assert find_contradiction(profile.caption, profile, acoustics(voiced_share=0.1, **measured)) is None


def test_prose_against_its_own_fields() -> None:
    assert find_self_contradiction("A man speaks.", _profile(gender="female")) == "gender is female, the text says male"
    assert find_self_contradiction("A woman speaks.", _profile(gender="female")) is None
    assert find_self_contradiction("A woman speaks.", _profile(gender="unknown")) is None
    assert find_self_contradiction("A woman speaks, he laughs.", None) == "the text names both genders"
