"""Puts measured acoustics into the classes that captions name: the first half of the cascaded baseline.

`Acoustics` enter, a `Profile` leaves. The borders are those of ParaSpeechCaps where it has any; what
was not measured has no class.
"""

import math
from typing import Literal

from fcaps_pipeline.attributes.borders import PITCH_BORDERS_HZ, RATE_BORDERS_PHONES_PER_S
from fcaps_pipeline.records.audio import Acoustics
from fcaps_pipeline.records.base import Record

Gender = Literal["female", "male", "unknown"]
Pitch = Literal["low", "medium", "high", "unknown"]
Rate = Literal["slow", "measured", "fast", "unknown"]
Volume = Literal["soft", "moderate", "loud", "unknown"]
Course = Literal["rising", "falling", "steady", "unknown"]
Span = Literal["narrow", "ordinary", "wide", "unknown"]
Pauses = Literal["none", "one short", "one long", "several"]

_FEMALE_FROM_HZ = 165.0
"""Median F0 from which a voice counts as female: halfway between common means of men and women."""
_PHONES_PER_SYLLABLE = 2.6
"""English prose by the phonemes of espeak-ng: 1,517 phones over 579 syllables of the captioning prompts."""
_SLOW_PHONES_PER_S, _FAST_PHONES_PER_S = RATE_BORDERS_PHONES_PER_S
_RATE_BORDERS_SYLLABLES_PER_S = (_SLOW_PHONES_PER_S / _PHONES_PER_SYLLABLE, _FAST_PHONES_PER_S / _PHONES_PER_SYLLABLE)
_VOLUME_BORDERS_LUFS = (-30.0, -20.0)
"""As though every gain were the same; a listener goes by effort instead."""
_SPAN_BORDERS_SEMITONES = (5.0, 14.0)
"""From the 5th to the 95th percentile of F0."""
_COURSE_FROM_SEMITONES = 4.0
"""Drift of F0 from start to end; less than this is the ordinary decline of any sentence."""
_LONG_PAUSE_S = 0.8


class Profile(Record):
    """What the baseline can say about one Segment."""

    gender: Gender
    pitch: Pitch
    rate: Rate
    volume: Volume
    melody: Span
    """How far the pitch ranges."""
    course: Course
    """Where the pitch drifts from start to end."""
    pauses: Pauses


def make_profile(acoustics: Acoustics, duration_s: float) -> Profile:
    """Classes of all that was measured.

    Gender cannot be measured. It is guessed from the median F0 alone, female from 165 Hz on, which
    is wrong for deep female and high male voices, and so is the class of pitch that depends on it.

    Args:
        acoustics: of the Segment.
        duration_s: length of the Segment.
    """
    gender = _gender(acoustics.f0_median_hz)
    return Profile(
        gender=gender,
        pitch=_pitch(acoustics.f0_median_hz, gender),
        rate=_rate(acoustics.articulation_syllables_per_s),
        volume=_volume(acoustics.loudness_lufs),
        melody=_melody(acoustics.f0_p5_hz, acoustics.f0_p95_hz),
        course=_course(acoustics.f0_slope_hz_per_s, acoustics.f0_median_hz, duration_s),
        pauses=_pauses(acoustics),
    )


def _gender(f0_hz: float | None) -> Gender:
    if f0_hz is None:
        return "unknown"
    return "female" if f0_hz >= _FEMALE_FROM_HZ else "male"


def _pitch(f0_hz: float | None, gender: Gender) -> Pitch:
    if f0_hz is None or gender == "unknown":
        return "unknown"
    low_hz, high_hz = PITCH_BORDERS_HZ[gender]
    return "low" if f0_hz < low_hz else "high" if f0_hz >= high_hz else "medium"


def _rate(syllables_per_s: float) -> Rate:
    if syllables_per_s == 0:
        return "unknown"
    slow, fast = _RATE_BORDERS_SYLLABLES_PER_S
    return "slow" if syllables_per_s < slow else "fast" if syllables_per_s >= fast else "measured"


def _volume(lufs: float | None) -> Volume:
    if lufs is None:
        return "unknown"
    soft, loud = _VOLUME_BORDERS_LUFS
    return "soft" if lufs < soft else "loud" if lufs >= loud else "moderate"


def _melody(low_hz: float | None, high_hz: float | None) -> Span:
    if low_hz is None or high_hz is None:
        return "unknown"
    semitones = 12 * math.log2(high_hz / low_hz)
    narrow, wide = _SPAN_BORDERS_SEMITONES
    return "narrow" if semitones < narrow else "wide" if semitones >= wide else "ordinary"


def _course(slope_hz_per_s: float | None, f0_hz: float | None, duration_s: float) -> Course:
    """Drift around the median, as the ratio of the end of the fitted line to its start."""
    if slope_hz_per_s is None or f0_hz is None:
        return "unknown"
    half_hz = max(-0.9 * f0_hz, min(0.9 * f0_hz, slope_hz_per_s * duration_s / 2))
    semitones = 12 * math.log2((f0_hz + half_hz) / (f0_hz - half_hz))
    if abs(semitones) < _COURSE_FROM_SEMITONES:
        return "steady"
    return "rising" if semitones > 0 else "falling"


def _pauses(acoustics: Acoustics) -> Pauses:
    if acoustics.num_pauses == 0:
        return "none"
    if acoustics.num_pauses > 1:
        return "several"
    return "one long" if acoustics.pause_longest_s >= _LONG_PAUSE_S else "one short"
