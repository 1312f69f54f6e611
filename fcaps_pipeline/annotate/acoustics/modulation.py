"""The rate of speech without syllables: how fast its level moves.

Enters: the tracks of a Segment and which frames speak. Leaves: a frequency in Hz.

Shape suffixes: N frames, F frequencies.
"""

import math

import numpy as np
from scipy.ndimage import uniform_filter1d

from fcaps_pipeline.annotate.acoustics.frames import FRAME_STEP_S, BoolArray, Frames

_MIN_MODULATION_FRAMES = 60
_MODULATION_DEPTH_DB = 30.0
"""Deeper is the noise of the place, not the speech."""
_TREND_FRAMES = 51
"""Half a second: slower movements are those of phrases."""
_MODULATION_POINTS = 2_048
_SYLLABIC_HZ = (2.0, 12.0)
_MIN_MODULATION_DB = 0.5
"""Root mean square. Speech moves by 6 dB; steady noise, and a held tone by its edges, by less than 0.3 dB."""


def modulation_hz(frames: Frames, is_speech_N: BoolArray) -> float | None:
    """Where from 2 to 12 Hz the power of the level's movements lies, in Hz.

    None with less than 0.6 s of speech, and where the level does not move at these rates, as that of a held tone.

    Source: Morgan and Fosler-Lussier (1998), Combining multiple estimators of speaking rate: the spectral moment of
    the envelope errs otherwise than the counting of peaks.
    """
    level_db_N = frames.intensity_db_N[is_speech_N]
    if len(level_db_N) < _MIN_MODULATION_FRAMES:
        return None
    level_db_N = np.maximum(level_db_N, level_db_N.max() - _MODULATION_DEPTH_DB)
    moves_db_N = level_db_N - uniform_filter1d(level_db_N, _TREND_FRAMES, mode="nearest")
    num_points = max(_MODULATION_POINTS, len(moves_db_N))
    window_N = np.hanning(len(moves_db_N))
    power_F = np.abs(np.fft.rfft(moves_db_N * window_N, num_points)) ** 2
    hz_F = np.fft.rfftfreq(num_points, FRAME_STEP_S)
    is_syllabic_F = (hz_F >= _SYLLABIC_HZ[0]) & (hz_F <= _SYLLABIC_HZ[1])
    total = float(power_F[is_syllabic_F].sum())
    moved_db = math.sqrt(2.0 * total / (num_points * float(window_N @ window_N)))
    return float(power_F[is_syllabic_F] @ hz_F[is_syllabic_F]) / total if moved_db >= _MIN_MODULATION_DB else None
