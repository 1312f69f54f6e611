"""Measures one Segment: pitch, rate, loudness, level range, pauses, noise, clipping.

Enters: mono int16 samples at 16 kHz. Leaves: an Acoustics record, with the tracks it was taken from and the events that
were placed on them. The same samples always give the same numbers. Silence gives a record too, with None where there is
nothing to measure.

Shape suffixes: T samples, N frames, V voiced frames, F frequencies.
"""

import math

import numpy as np
import numpy.typing as npt
import pyloudnorm
from scipy.ndimage import binary_dilation

from fcaps_pipeline.annotate.acoustics.activity import Activity
from fcaps_pipeline.annotate.acoustics.analysis import Analysis, analyse
from fcaps_pipeline.annotate.acoustics.changes import f0_change_semitones, level_change_db, rate_change_ratio
from fcaps_pipeline.annotate.acoustics.events import find_events
from fcaps_pipeline.annotate.acoustics.frames import Frames
from fcaps_pipeline.annotate.acoustics.modulation import modulation_hz
from fcaps_pipeline.records.audio import SAMPLE_RATE_HZ, Acoustics, Measurements

_GATE_BLOCK_S = 0.4
"""Source: ITU-R BS.1770-4, length of a gating block."""
_MIN_SLOPE_FRAMES = 10
_MIN_NOISE_FRAMES = 5
_LEVEL_REACH_FRAMES = 2
"""The 25 ms window of the level of so many frames next to speech reaches into it."""
_FULL_SCALE = 32767


def measure_segment(pcm_T: npt.NDArray[np.int16]) -> Measurements:
    """Measures a Segment of any length above one sample, and finds what happens in it."""
    analysis = analyse(pcm_T)
    tracks = analysis.frames.tracks if analysis.num_frames else None
    return Measurements(measure(analysis), tracks, find_events(analysis))


def measure_acoustics(pcm_T: npt.NDArray[np.int16]) -> Acoustics:
    """The record alone."""
    return measure(analyse(pcm_T))


def measure(analysis: Analysis) -> Acoustics:
    """The record of what was analysed."""
    pcm_T, frames, activity = analysis.pcm_T, analysis.frames, analysis.activity
    if not analysis.num_frames:
        return _without_frames(pcm_T)
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
