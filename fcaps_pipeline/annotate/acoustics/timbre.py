"""How a voice sounds at every moment, beside pitch and level: what tells a whisper, breath, a creak and laughter apart.

Enters: the tracks of a Segment. Leaves: one row of measurements every 20 ms, each over a quarter of a second around it.

Shape suffixes: T samples, N frames of 10 ms, M moments of 20 ms, B bins of 2.5 ms, F frequencies, Q qualities.
"""

import math
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy import fft
from scipy.ndimage import uniform_filter1d

from fcaps_pipeline.annotate.acoustics.analysis import Analysis
from fcaps_pipeline.annotate.acoustics.frames import FloatArray, IntArray, binned_power
from fcaps_pipeline.records.audio import SAMPLE_RATE_HZ

MOMENT_FRAMES = 2
"""Frames from one moment to the next."""
MOMENT_S = 0.02
_WINDOW_SAMPLES = 400
_NUM_POINTS = 512
_BAND_EDGES_HZ = (0.0, 500.0, 1000.0, 2000.0, 4000.0, 8000.0)
_REACH_MOMENTS = 13
"""A quarter of a second: longer than a syllable, so that consonants do not count as another voice."""
_FLOOR = 1e-3
"""Power of a sample below that of rounding: keeps logarithms finite."""
_HIGHEST_HNR_DB = 30.0
_LOWEST_HNR_DB = -5.0
_PULSE_SMOOTH_BINS = 3
"""7.5 ms: two pulses of a modal voice of 100 Hz and more run together, those of a creak stay apart."""
_PULSE_REACH_BINS = 20
"""50 ms: two pulses of a creak at least."""
_BINS_PER_FRAME = 4
_SWELL_LAGS = tuple(range(15, 26))
"""Frames between bursts of laughter, four to six and a half a second; Source: Bachorowski, Smoski and Owren (2001)."""
_SWELL_REACH_FRAMES = 81
_SWELL_DEPTH_DB = 25.0
QUALITIES = (
    "voiced",
    "hnr_db",
    "octaves",
    *(f"band_{index}_db" for index in range(5)),
    *(f"band_{index}_change_db" for index in range(5)),
    "pulse_depth_db",
    "pulse_depth_change_db",
    "swell",
    "level_db",
    "snr_db",
)
"""What the columns of `measure_timbre` are."""


def measure_timbre(analysis: Analysis) -> FloatArray:
    """Rows of `QUALITIES`, of shape (M, Q); without speech none is of any use, and all are finite."""
    frames = analysis.frames
    moments_M = np.arange(0, len(frames.time_s_N), MOMENT_FRAMES)
    if not len(moments_M):
        return np.zeros((0, len(QUALITIES)))
    is_speech_M = analysis.activity.is_speech_N[moments_M].astype(np.float64)
    is_voiced_M = frames.is_voiced_N[moments_M].astype(np.float64) * is_speech_M
    level_db_M = frames.level_db_N[moments_M]
    bands_db_MF = _bands_db(analysis, moments_M)
    pulse_depth_db_M = _pulse_depth_db(analysis.pcm_T, frames.time_s_N[moments_M])
    floor_db, speech_db = np.percentile(level_db_M, (5, 95))
    # What is heard is the loud part of every quarter of a second: silence between words has no voice.
    weight_M = is_speech_M * 10.0 ** (np.clip(level_db_M - speech_db, -40.0, 0.0) / 20.0)
    band_MF = _around(bands_db_MF, weight_M)
    depth_M = _around(pulse_depth_db_M[:, None], weight_M)[:, 0]
    spoken_M = is_speech_M > 0
    return np.column_stack(
        [
            _around(is_voiced_M[:, None], is_speech_M)[:, 0],
            _around(_hnr_db(frames.strength_N[moments_M])[:, None], is_voiced_M)[:, 0],
            _around(_octaves(frames.f0_hz_N[moments_M])[:, None], is_voiced_M)[:, 0],
            band_MF,
            band_MF - _mean(band_MF, spoken_M),
            depth_M,
            depth_M - _mean(depth_M[:, None], spoken_M)[0],
            _swell(frames.intensity_db_N)[moments_M],
            np.clip(_around(level_db_M[:, None], weight_M)[:, 0] - speech_db, -60.0, 0.0),
            np.full(len(moments_M), min(speech_db - floor_db, 60.0)),
        ]
    )


def _around(values_MQ: FloatArray, weight_M: FloatArray) -> FloatArray:
    """Weighted mean over the quarter of a second around each moment; 0 where nothing has any weight."""
    total_M = uniform_filter1d(weight_M, _REACH_MOMENTS, mode="constant")
    sums_MQ = uniform_filter1d(values_MQ * weight_M[:, None], _REACH_MOMENTS, axis=0, mode="constant")
    has_any_M = total_M > _FLOOR / _REACH_MOMENTS
    return np.asarray(np.where(has_any_M[:, None], sums_MQ / np.where(has_any_M, total_M, 1.0)[:, None], 0.0))


def _mean(values_MQ: FloatArray, chosen_M: npt.NDArray[np.bool_]) -> FloatArray:
    return np.asarray(values_MQ[chosen_M].mean(axis=0) if chosen_M.any() else np.zeros(values_MQ.shape[1]))


def _hnr_db(strength_M: FloatArray) -> FloatArray:
    """Harmonics over noise, from the height of the autocorrelation. Source: Boersma (1993), equation 4."""
    share_M = np.clip(strength_M, 1e-3, 1.0 - 1e-4)
    return np.asarray(np.clip(10.0 * np.log10(share_M / (1.0 - share_M)), _LOWEST_HNR_DB, _HIGHEST_HNR_DB))


def _octaves(f0_hz_M: FloatArray) -> FloatArray:
    """Against the median of the Segment; 0 where unvoiced."""
    is_voiced_M = f0_hz_M > 0
    if not is_voiced_M.any():
        return np.zeros(len(f0_hz_M))
    median_hz = float(np.median(f0_hz_M[is_voiced_M]))
    return np.asarray(np.log2(np.where(is_voiced_M, f0_hz_M, median_hz) / median_hz))


def _bands_db(analysis: Analysis, moments_M: IntArray) -> FloatArray:
    """Level of five bands against that of the whole, in dB, of shape (M, 5)."""
    half = _WINDOW_SAMPLES // 2
    padded_T = np.pad(analysis.pcm_T, half).astype(np.float32)
    starts_M = np.rint(analysis.frames.time_s_N[moments_M] * SAMPLE_RATE_HZ).astype(np.int64)
    windows = np.lib.stride_tricks.sliding_window_view(padded_T, _WINDOW_SAMPLES)[
        np.minimum(starts_M, len(analysis.pcm_T))
    ]
    spectrum_MF = fft.rfft(windows * _HANN, _NUM_POINTS, axis=1)
    power_MF = (np.square(spectrum_MF.real) + np.square(spectrum_MF.imag)) @ _BANDS
    power_MF = np.asarray(power_MF, dtype=np.float64) + _FLOOR
    return np.asarray(10.0 * np.log10(power_MF / power_MF.sum(axis=1, keepdims=True)))


def _band_matrix() -> npt.NDArray[np.float32]:
    hz_F = np.fft.rfftfreq(_NUM_POINTS, 1.0 / SAMPLE_RATE_HZ)
    edges = [*_BAND_EDGES_HZ[:-1], math.inf]
    columns = [(hz_F >= low) & (hz_F < high) for low, high in pairwise(edges)]
    return np.column_stack(columns).astype(np.float32)


_HANN = np.hanning(_WINDOW_SAMPLES).astype(np.float32)
_BANDS = _band_matrix()


def _pulse_depth_db(pcm_T: npt.NDArray[np.int16], time_s_M: FloatArray) -> FloatArray:
    """How far the level swings within 50 ms, as a standard deviation: glottal pulses that come slowly stand apart."""
    power_B = uniform_filter1d(binned_power(pcm_T.astype(np.float64)), _PULSE_SMOOTH_BINS)
    level_db_B = 10.0 * np.log10(np.maximum(power_B, 0.0) + 1.0)
    mean_B = uniform_filter1d(level_db_B, _PULSE_REACH_BINS)
    square_B = uniform_filter1d(np.square(level_db_B), _PULSE_REACH_BINS)
    depth_B = np.sqrt(np.maximum(square_B - np.square(mean_B), 0.0))
    at_M = np.minimum(np.rint(time_s_M * 100 * _BINS_PER_FRAME).astype(np.int64), len(depth_B) - 1)
    return np.asarray(depth_B[at_M])


def _swell(intensity_db_N: FloatArray) -> FloatArray:
    """How much the level of 0.8 s repeats itself after 0.15 to 0.25 s, from -1 to 1: as laughter does."""
    level_db_N = np.maximum(intensity_db_N, np.percentile(intensity_db_N, 99) - _SWELL_DEPTH_DB)
    moves_N = level_db_N - uniform_filter1d(level_db_N, _SWELL_REACH_FRAMES, mode="nearest")
    power_N = uniform_filter1d(np.square(moves_N), _SWELL_REACH_FRAMES, mode="nearest")
    best_N = np.full(len(moves_N), -1.0)
    for lag in _SWELL_LAGS:
        if lag >= len(moves_N):
            break
        products_N = np.zeros(len(moves_N))
        products_N[lag // 2 : len(moves_N) - (lag - lag // 2)] = moves_N[:-lag] * moves_N[lag:]
        best_N = np.maximum(best_N, uniform_filter1d(products_N, _SWELL_REACH_FRAMES, mode="nearest") / (power_N + 1.0))
    return best_N
