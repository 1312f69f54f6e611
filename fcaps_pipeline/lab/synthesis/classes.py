"""Borders between the words a caption uses, and the margins that keep labels certain.

A measured value within the margin of a border belongs to no class: such a clip is dropped, so that
every label in a corpus would survive a slightly different measurement.
"""

from typing import Literal

from fcaps_pipeline.attributes.borders import PITCH_BORDERS_HZ
from fcaps_pipeline.records.audio import Gender

PitchClass = Literal["low", "medium", "high"]
RateClass = Literal["slow", "measured", "fast"]
VolumeClass = Literal["soft", "moderate", "loud"]
Direction = Literal["rising", "falling", "steady"]
PausePlace = Literal["beginning", "middle", "end"]
VoiceQuality = Literal["modal", "whisper", "breathy", "creaky"]

RATE_BORDERS_HZ = (3.7, 5.5)
"""Syllables per second of speech, pauses left out."""
VOLUME_BORDERS_LUFS = (-30.0, -20.0)
"""Integrated loudness of the whole clip (ITU-R BS.1770)."""

GENDER_F0_HZ: dict[Gender, tuple[float, float]] = {"male": (70.0, 180.0), "female": (124.0, 400.0)}
"""Median F0 at which a voice still passes for its gender; made voices can leave it."""
PITCH_MARGIN = 0.03
RATE_MARGIN = 0.05
VOLUME_MARGIN_LU = 1.0

LOUDNESS_CHANGE_DB = (3.0, 5.0)
"""Last third against first third: steady up to the first, a change from the second."""
PITCH_CHANGE_SEMITONES = (1.7, 3.0)
"""Second half against first half."""
RATE_CHANGE_RATIO = (1.2, 1.45)
"""Second half against first half, or its inverse."""
PAUSE_S = (0.2, 0.4)
"""Silence inside speech: unheard up to the first, a pause from the second."""
BREATHY_HNR_DB, BREATHY_HNR_FALL_DB = 10.0, 3.0
"""Highest harmonics-to-noise ratio of a breathy voice, and how far it falls at least from that of the modal phrase."""
CREAKY_HZ, CREAKY_JITTER = 70.0, 0.04
"""Most glottal pulses per second of a creaky voice, and the least mean change between periods as a share of one."""
PLACE_MARGIN = 0.03
"""Share of the clip's length around one third and two thirds where a pause has no certain place."""


def pitch_class(f0_hz: float, gender: Gender) -> PitchClass | None:
    """Word for the median F0 in Hz, relative to other voices of the gender; None near a border."""
    low, high = PITCH_BORDERS_HZ[gender]
    if f0_hz < low * (1 - PITCH_MARGIN):
        return "low"
    if f0_hz > high * (1 + PITCH_MARGIN):
        return "high"
    return "medium" if low * (1 + PITCH_MARGIN) < f0_hz < high * (1 - PITCH_MARGIN) else None


def rate_class(syllables_per_s: float) -> RateClass | None:
    """Word for an articulation rate; None near a border."""
    slow, fast = RATE_BORDERS_HZ
    if syllables_per_s < slow * (1 - RATE_MARGIN):
        return "slow"
    if syllables_per_s > fast * (1 + RATE_MARGIN):
        return "fast"
    inside = slow * (1 + RATE_MARGIN) < syllables_per_s < fast * (1 - RATE_MARGIN)
    return "measured" if inside else None


def volume_class(loudness_lufs: float) -> VolumeClass | None:
    """Word for an integrated loudness; None near a border."""
    soft, loud = VOLUME_BORDERS_LUFS
    if loudness_lufs < soft - VOLUME_MARGIN_LU:
        return "soft"
    if loudness_lufs > loud + VOLUME_MARGIN_LU:
        return "loud"
    inside = soft + VOLUME_MARGIN_LU < loudness_lufs < loud - VOLUME_MARGIN_LU
    return "moderate" if inside else None


def direction(change: float, limits: tuple[float, float]) -> Direction | None:
    """Word for a signed change; None where it lies between steady and clear.

    Args:
        change: positive for rising; same unit as the limits.
        limits: largest steady and smallest clear magnitude.
    """
    steady, clear = limits
    if abs(change) <= steady:
        return "steady"
    if abs(change) < clear:
        return None
    return "rising" if change > 0 else "falling"


def pause_place(centre: float) -> PausePlace | None:
    """Word for a position in [0, 1] of the clip; None near the borders, one third and two thirds."""
    if min(abs(centre - 1 / 3), abs(centre - 2 / 3)) < PLACE_MARGIN:
        return None
    if centre < 1 / 3:
        return "beginning"
    return "middle" if centre < 2 / 3 else "end"
