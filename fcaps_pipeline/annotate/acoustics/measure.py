"""Measures one Segment: pitch, rate, loudness, level range, pauses, noise, clipping.

Enters: mono int16 samples at 16 kHz. Leaves: an Acoustics record, with the tracks it was taken from. The same
samples always give the same numbers. Silence gives a record too, with None where there is nothing to measure.

Shape suffixes: T samples, N frames, V voiced frames, F frequencies.
"""

import math

import numpy as np
import numpy.typing as npt
import pyloudnorm
from scipy.ndimage import binary_dilation, uniform_filter1d

from fcaps_pipeline.annotate.acoustics.activity import Activity, find_activity
from fcaps_pipeline.annotate.acoustics.changes import f0_change_semitones, level_change_db, rate_change_ratio
from fcaps_pipeline.annotate.acoustics.frames import FRAME_STEP_S, BoolArray, Frames, make_frames
from fcaps_pipeline.records.audio import SAMPLE_RATE_HZ, Acoustics, Measurements

_GATE_BLOCK_S = 0.4
"""Source: ITU-R BS.1770-4, length of a gating block."""
_MIN_SLOPE_FRAMES = 10
_MIN_NOISE_FRAMES = 5
_LEVEL_REACH_FRAMES = 2
"""The 25 ms window of the level of so many frames next to speech reaches into it."""
_FULL_SCALE = 32767
_MIN_MODULATION_FRAMES = 60
_MODULATION_DEPTH_DB = 30.0
"""Deeper is the noise of the place, not the speech."""
_TREND_FRAMES = 51
"""Half a second: slower movements are those of phrases."""
_MODULATION_POINTS = 2_048
_SYLLABIC_HZ = (2.0, 12.0)
_MIN_MODULATION_DB = 0.5
"""Root mean square. Speech moves by 6 dB; steady noise, and a held tone by its edges, by less than 0.3 dB."""


def measure_segment(pcm_T: npt.NDArray[np.int16]) -> Measurements:
    """Measures a Segment of any length above one sample."""
    frames = make_frames(pcm_T)
    if frames is None:
        return Measurements(_without_frames(pcm_T))
    return Measurements(_with_frames(pcm_T, frames), frames.tracks)


def measure_acoustics(pcm_T: npt.NDArray[np.int16]) -> Acoustics:
    """The record alone."""
    return measure_segment(pcm_T).acoustics


def _with_frames(pcm_T: npt.NDArray[np.int16], frames: Frames) -> Acoustics:
    activity = find_activity(frames)
    duration_s = len(pcm_T) / SAMPLE_RATE_HZ
    low_hz, median_hz, high_hz = _pitch_percentiles(frames)
    return Acoustics(
        f0_median_hz=median_hz,
        f0_p5_hz=low_hz,
        f0_p95_hz=high_hz,
        f0_slope_hz_per_s=_pitch_slope(frames),
        voiced_share=float(frames.is_voiced_N.mean()),
        syllables_per_s=activity.num_syllables / duration_s,
        articulation_syllables_per_s=activity.num_syllables / activity.speech_s if activity.speech_s else 0.0,
        modulation_hz=modulation_hz(frames, activity.is_speech_N),
        loudness_lufs=_loudness(pcm_T),
        level_range_db=_level_range(frames, activity),
        num_pauses=len(activity.pauses_s),
        pauses_total_s=sum(activity.pauses_s),
        pause_longest_s=max(activity.pauses_s, default=0.0),
        dip_longest_s=activity.dip_longest_s,
        level_change_db=level_change_db(frames, activity),
        f0_change_semitones=f0_change_semitones(frames, activity),
        rate_change_ratio=rate_change_ratio(activity),
        snr_db=_snr(frames, activity),
        clipped_share=_clipped_share(pcm_T),
    )


def _without_frames(pcm_T: npt.NDArray[np.int16]) -> Acoustics:
    return Acoustics(
        f0_median_hz=None,
        f0_p5_hz=None,
        f0_p95_hz=None,
        f0_slope_hz_per_s=None,
        voiced_share=0.0,
        syllables_per_s=0.0,
        articulation_syllables_per_s=0.0,
        loudness_lufs=_loudness(pcm_T),
        level_range_db=0.0,
        num_pauses=0,
        pauses_total_s=0.0,
        pause_longest_s=0.0,
        dip_longest_s=0.0,
        level_change_db=None,
        f0_change_semitones=None,
        rate_change_ratio=None,
        snr_db=None,
        clipped_share=_clipped_share(pcm_T),
    )


def _pitch_percentiles(frames: Frames) -> tuple[float | None, float | None, float | None]:
    """5th, 50th and 95th percentile of F0 over voiced frames, in Hz."""
    f0_hz_V = frames.f0_hz_N[frames.is_voiced_N]
    if not len(f0_hz_V):
        return None, None, None
    low_hz, median_hz, high_hz = np.percentile(f0_hz_V, (5, 50, 95))
    return float(low_hz), float(median_hz), float(high_hz)


def _pitch_slope(frames: Frames) -> float | None:
    """Least-squares slope of F0 over time, in Hz/s; None with less than 0.1 s of voice."""
    f0_hz_V = frames.f0_hz_N[frames.is_voiced_N]
    if len(f0_hz_V) < _MIN_SLOPE_FRAMES:
        return None
    time_s_V = frames.time_s_N[frames.is_voiced_N]
    centred_s_V = time_s_V - time_s_V.mean()
    return float(centred_s_V @ f0_hz_V / (centred_s_V @ centred_s_V))


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


def _loudness(pcm_T: npt.NDArray[np.int16]) -> float | None:
    """Integrated loudness in LUFS; below 0.4 s the whole is one gating block. None below the gate.

    Source: ITU-R BS.1770-4.
    """
    block_s = min(_GATE_BLOCK_S, len(pcm_T) / SAMPLE_RATE_HZ)
    if block_s * SAMPLE_RATE_HZ > len(pcm_T):
        # Rounding made the block longer than the audio, which the meter refuses.
        block_s = math.nextafter(block_s, 0.0)
    meter = pyloudnorm.Meter(SAMPLE_RATE_HZ, block_size=block_s)
    lufs = float(meter.integrated_loudness(pcm_T.astype(np.float64) / 32768.0))
    return lufs if math.isfinite(lufs) else None


def _level_range(frames: Frames, activity: Activity) -> float:
    """95th minus 5th percentile of the level during speech, in dB; 0 without speech."""
    if not activity.is_speech_N.any():
        return 0.0
    low_db, high_db = np.percentile(frames.level_db_N[activity.is_speech_N], (5, 95))
    return float(high_db - low_db)


def _snr(frames: Frames, activity: Activity) -> float | None:
    """Mean power of speech, less that of noise, over the mean power of pauses and edges, in dB.

    Rounding to 16 bits counts as noise, so digital silence gives a finite value. None with less
    than 0.05 s free of speech, or when the rest is no louder than the noise.
    """
    power_N = 10.0 ** (frames.level_db_N / 10.0)
    noise_N = ~binary_dilation(activity.is_speech_N, iterations=_LEVEL_REACH_FRAMES)
    if noise_N.sum() < _MIN_NOISE_FRAMES or not activity.is_speech_N.any():
        return None
    noise = float(power_N[noise_N].mean())
    speech = float(power_N[activity.is_speech_N].mean()) - noise
    return 10.0 * math.log10(speech / noise) if speech > 0 else None


def _clipped_share(pcm_T: npt.NDArray[np.int16]) -> float:
    return float(np.mean((pcm_T >= _FULL_SCALE) | (pcm_T <= -_FULL_SCALE))) if len(pcm_T) else 0.0
