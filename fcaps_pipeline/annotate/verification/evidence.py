"""Holds a caption against what was measured in its Segment, and against itself.

Only flat contradictions count: the bounds leave a margin for what a pitch tracker, a syllable
counter and two listeners disagree about. Volume is not checked: the gain of a recording is unknown.
"""

import re

from fcaps_pipeline.records.audio import Acoustics
from fcaps_pipeline.records.captions import GlobalCaption

_PITCH_EDGES_HZ = {"male": (115.7, 149.7), "female": (141.6, 184.5)}
"""Median F0 below the first is low, above the second high. Source: ParaSpeechCaps bins, arXiv 2503.04713."""
_PITCH_MARGIN = 0.1
_VOICED_AT_LEAST = 0.15
"""Share of voiced speech below which neither F0 nor the syllable counter, which counts voiced peaks, says anything:
what a pitch tracker finds in a whisper is chance."""
_GENDER_F0_HZ = {"male": (0.0, 280.0), "female": (110.0, float("inf"))}
"""Median F0 outside of this is no adult voice of that gender in ordinary speech."""
_SLOW_AT_MOST_SYLLABLES_PER_S = 6.0
_FAST_AT_LEAST_SYLLABLES_PER_S = 3.0
"""Source: about 4 to 5 syllables per second are usual in English (Goldman-Eisler 1968), one or two away from both."""

_GENDER_WORDS = {
    "female": re.compile(r"\b(?:female|woman|women|girl|she|her|hers)\b", re.IGNORECASE),
    "male": re.compile(r"\b(?:male|man|men|boy|he|his|him)\b", re.IGNORECASE),
}
_PAUSE = re.compile(r"\b(?:pauses?|paused|pausing)\b", re.IGNORECASE)
_MORE_WORDS = r"(?:, [\w-]+){0,6}(?:,? and [\w-]+)?"
_LOW_VOICE = re.compile(rf"(?<![\w-])(?:deep|low(?:[- ]pitched)?){_MORE_WORDS} voice\b", re.IGNORECASE)
_HIGH_VOICE = re.compile(rf"(?<![\w-])(?:high(?:[- ]pitched)?){_MORE_WORDS} voice\b", re.IGNORECASE)


def find_contradiction(text: str, attributes: GlobalCaption | None, acoustics: Acoustics) -> str | None:
    """What the caption claims against the measurements; None when nothing does.

    Args:
        text: the caption.
        attributes: the fields of a global caption; None for a fine one.
        acoustics: measured in the same Segment.
    """
    gender = attributes.gender if attributes else stated_gender(text)
    pause = _pause_contradiction(text, acoustics)
    if pause is not None or acoustics.voiced_share < _VOICED_AT_LEAST:
        return pause
    return (
        _gender_contradiction(gender, acoustics)
        or _pitch_contradiction(stated_pitch(text, attributes), gender, acoustics)
        or (_rate_contradiction(attributes.rate, acoustics) if attributes else None)
    )


def find_self_contradiction(text: str, attributes: GlobalCaption | None) -> str | None:
    """Prose that names another gender than the field, or both at once."""
    named = {gender for gender, pattern in _GENDER_WORDS.items() if pattern.search(text)}
    if len(named) == 2:
        return "the text names both genders"
    if attributes is None or attributes.gender == "unknown" or named <= {attributes.gender}:
        return None
    return f"gender is {attributes.gender}, the text says {named.pop()}"


def stated_gender(text: str) -> str | None:
    """The gender that the text names; None when it names none or both."""
    named = [gender for gender, pattern in _GENDER_WORDS.items() if pattern.search(text)]
    return named[0] if len(named) == 1 else None


def stated_pitch(text: str, attributes: GlobalCaption | None) -> str | None:
    """`low` or `high` where the caption says so of the voice as a whole."""
    if attributes is not None:
        return attributes.pitch
    is_low, is_high = bool(_LOW_VOICE.search(text)), bool(_HIGH_VOICE.search(text))
    return None if is_low == is_high else "low" if is_low else "high"


def _pause_contradiction(text: str, acoustics: Acoustics) -> str | None:
    match = _PAUSE.search(text)
    if match is None or acoustics.num_pauses > 0:
        return None
    return f"{match[0]!r}, but no pause was measured"


def _gender_contradiction(gender: str | None, acoustics: Acoustics) -> str | None:
    bounds = _GENDER_F0_HZ.get(gender or "")
    if bounds is None or acoustics.f0_median_hz is None or bounds[0] <= acoustics.f0_median_hz <= bounds[1]:
        return None
    return f"{gender}, but the median F0 is {acoustics.f0_median_hz:.0f} Hz"


def _pitch_contradiction(pitch: str | None, gender: str | None, acoustics: Acoustics) -> str | None:
    edges = _PITCH_EDGES_HZ.get(gender or "")
    if edges is None or acoustics.f0_median_hz is None:
        return None
    is_wrong = (pitch == "low" and acoustics.f0_median_hz > edges[1] * (1 + _PITCH_MARGIN)) or (
        pitch == "high" and acoustics.f0_median_hz < edges[0] * (1 - _PITCH_MARGIN)
    )
    return f"{pitch} pitch, but the median F0 is {acoustics.f0_median_hz:.0f} Hz ({gender})" if is_wrong else None


def _rate_contradiction(rate: str, acoustics: Acoustics) -> str | None:
    measured = acoustics.articulation_syllables_per_s
    is_wrong = (rate == "slow" and measured > _SLOW_AT_MOST_SYLLABLES_PER_S) or (
        rate == "fast" and 0 < measured < _FAST_AT_LEAST_SYLLABLES_PER_S
    )
    return f"{rate} rate, but {measured:.1f} syllables per second were measured" if is_wrong else None
