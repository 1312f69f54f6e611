"""Tells speech, pauses and edges apart inside a Segment, and finds its syllables.

Enters: Frames. Leaves: an Activity. The voice detector has chosen the Segment; here the level
decides, which is exact to a frame and needs no model.

Shape suffix: N frames, P peaks.
"""

from dataclasses import dataclass

import numpy as np
from scipy.signal import find_peaks

from fcaps_pipeline.annotate.acoustics.frames import FRAME_STEP_S, BoolArray, FloatArray, Frames, IntArray

_MIN_PAUSE_S = 0.2
"""Shorter gaps are closures of plosives. Source: Goldman-Eisler (1968), who takes 0.25 s; 0.2 s is the
lower bound in common use."""
_PAUSE_BELOW_SPEECH_DB = 25.0
_SYLLABLE_BELOW_SPEECH_DB = 25.0
"""Source: de Jong & Wempe (2009), silence threshold of the released script, -25 dB."""
_SYLLABLE_DIP_DB = 2.0
"""Source: de Jong & Wempe (2009), minimum dip between peaks, 2 dB."""
_DIP_BELOW_SPEECH_DB = 15.0
"""What a listener may call a pause goes less deep than a pause does, and is shorter."""
_SPEECH_PERCENTILE = 95.0
_FLOOR_PERCENTILE = 10.0
_THRESHOLD_SHARE = 0.9
"""In noise the threshold lies this share of the way down from speech to the floor: the best of five
values on read speech with pauses of 0.5 s put in (recall above .92 from 6 to 60 dB SNR; precision
.96 at 30 dB, .95 at 20 dB, .53 at 6 dB, where weak consonants drown in the noise)."""


@dataclass(frozen=True)
class Activity:
    """Where a Segment speaks."""

    is_speech_N: BoolArray
    """Frames between the first and the last sound, without pauses."""
    pauses_s: tuple[float, ...]
    """Lengths of the silent stretches between them, in order."""
    dip_longest_s: float
    """The longest stretch between the first and the last sound that lies well below the level of speech."""
    syllables_P: IntArray
    """Frames of the syllable nuclei."""

    @property
    def num_syllables(self) -> int:
        """Syllable nuclei."""
        return len(self.syllables_P)

    @property
    def speech_s(self) -> float:
        """Length of the speech without pauses and without the edges."""
        return float(self.is_speech_N.sum()) * FRAME_STEP_S


def find_activity(frames: Frames) -> Activity:
    """Divides the frames of a Segment."""
    if not len(frames.time_s_N):
        return Activity(np.zeros(0, dtype=np.bool_), (), 0.0, np.zeros(0, dtype=np.int64))
    is_loud_N = frames.is_voiced_N | (frames.level_db_N > _threshold_db(frames.level_db_N))
    loud = np.flatnonzero(is_loud_N)
    is_speech_N = np.zeros(len(is_loud_N), dtype=np.bool_)
    if not len(loud):
        return Activity(is_speech_N, (), 0.0, np.zeros(0, dtype=np.int64))
    is_speech_N[loud[0] : loud[-1] + 1] = True
    pauses_s: list[float] = []
    gap_after = np.flatnonzero(np.diff(loud) > 1)
    for before, after in zip(loud[gap_after], loud[gap_after + 1], strict=True):
        length_s = float(after - before - 1) * FRAME_STEP_S
        if length_s >= _MIN_PAUSE_S:
            is_speech_N[before + 1 : after] = False
            pauses_s.append(length_s)
    inside = slice(int(loud[0]), int(loud[-1]) + 1)
    return Activity(is_speech_N, tuple(pauses_s), _longest_dip_s(frames.level_db_N[inside]), _find_syllables(frames))


def gaps_of(is_speech_N: BoolArray) -> list[tuple[int, int]]:
    """The silent stretches between speech: first frame of each, and the frame after its last."""
    spoken = np.flatnonzero(is_speech_N)
    before = np.flatnonzero(np.diff(spoken) > 1)
    return [(int(spoken[one]) + 1, int(spoken[one + 1])) for one in before]


def _threshold_db(level_db_N: FloatArray) -> float:
    floor_db, speech_db = np.percentile(level_db_N, (_FLOOR_PERCENTILE, _SPEECH_PERCENTILE))
    return float(speech_db - min(_PAUSE_BELOW_SPEECH_DB, _THRESHOLD_SHARE * (speech_db - floor_db)))


def is_heard(level_db_N: FloatArray) -> BoolArray:
    """Frames that lie no further below the level of speech than a dip does."""
    return np.asarray(level_db_N > np.percentile(level_db_N, _SPEECH_PERCENTILE) - _DIP_BELOW_SPEECH_DB)


def _longest_dip_s(level_db_N: FloatArray) -> float:
    heard = np.flatnonzero(is_heard(level_db_N))
    return float(np.diff(heard).max(initial=1) - 1) * FRAME_STEP_S


def _find_syllables(frames: Frames) -> IntArray:
    """Voiced peaks of intensity that stand out from the dips on both sides.

    Source: de Jong & Wempe (2009), Praat script to detect syllable nuclei and measure speech rate
    automatically, Behavior Research Methods 41(2).
    """
    threshold_db = np.percentile(frames.intensity_db_N, 99) - _SYLLABLE_BELOW_SPEECH_DB
    peaks_P, _ = find_peaks(frames.intensity_db_N, height=threshold_db, prominence=_SYLLABLE_DIP_DB)
    return np.asarray(peaks_P[frames.is_voiced_N[peaks_P]], dtype=np.int64)
