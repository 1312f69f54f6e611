"""Pitch and level of a Segment on one common time grid.

Enters: int16 samples at 16 kHz. Leaves: Frames, one value of each track every 10 ms.

Shape suffixes: T samples, N frames, B bins of 2.5 ms.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import parselmouth
from scipy.ndimage import convolve1d

from fcaps_pipeline.records.audio import SAMPLE_RATE_HZ, Tracks

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]

FRAME_STEP_S = 0.01
_PITCH_FLOOR_HZ = 60.0
_PITCH_CEILING_HZ = 500.0
_FIRST_PASS_STEP_S = 0.02
_BIN_SAMPLES = 40
"""Power is summed over 2.5 ms before any smoothing."""
_LEVEL_BINS = 10
"""25 ms: short enough for the edges of pauses."""
_INTENSITY_BINS = 26
"""65 ms, a period of 15 Hz: smooths out the glottal pulses and leaves the syllables."""
_QUANTIZATION_POWER = 1.0 / 12.0
"""Power of rounding to integers: the noise floor of 16-bit audio, and a floor for logarithms."""
_FULL_SCALE_DB = 20.0 * math.log10(32768.0)


@dataclass(frozen=True)
class Frames:
    """Tracks of one Segment with N frames, 10 ms apart."""

    time_s_N: FloatArray
    f0_hz_N: FloatArray
    """0 where the frame is unvoiced."""
    strength_N: FloatArray
    """Autocorrelation at the pitch period, 0 to 1: the share of the power that is voice and not noise; 0 where the
    frame is unvoiced, and where the track did not travel."""
    level_db_N: FloatArray
    """Level over 25 ms, in dB relative to full scale."""
    intensity_db_N: FloatArray
    """The same, smoothed over 64 ms."""

    @property
    def is_voiced_N(self) -> BoolArray:
        """Frames with a pitch."""
        return self.f0_hz_N > 0

    @property
    def tracks(self) -> Tracks:
        """As they travel."""
        values = (self.f0_hz_N, self.level_db_N, self.intensity_db_N)
        return Tracks(float(self.time_s_N[0]), *(value.astype(np.float32) for value in values))


def frames_of(tracks: Tracks) -> Frames:
    """The frames that tracks came from, but for their rounding."""
    values = (tracks.f0_hz_N, tracks.level_db_N, tracks.intensity_db_N)
    time_s_N: FloatArray = tracks.first_s + FRAME_STEP_S * np.arange(len(tracks.f0_hz_N), dtype=np.float64)
    f0_hz_N, level_db_N, intensity_db_N = (value.astype(np.float64) for value in values)
    return Frames(time_s_N, f0_hz_N, np.zeros(len(time_s_N)), level_db_N, intensity_db_N)


def make_frames(pcm_T: npt.NDArray[np.int16]) -> Frames | None:
    """The tracks of a Segment; None when it is too short for a pitch frame (50 ms)."""
    # Praat's window holds three periods of the lowest pitch.
    if len(pcm_T) <= 3 / _PITCH_FLOOR_HZ * SAMPLE_RATE_HZ:
        return None
    samples_T = pcm_T.astype(np.float64)
    time_s_N, f0_hz_N, strength_N = _pitch(parselmouth.Sound(samples_T / 32768.0, SAMPLE_RATE_HZ))
    power_B = binned_power(samples_T - samples_T.mean())
    bin_N = np.minimum(np.rint(time_s_N * SAMPLE_RATE_HZ / _BIN_SAMPLES - 0.5).astype(np.int64), len(power_B) - 1)
    return Frames(
        time_s_N=time_s_N,
        f0_hz_N=f0_hz_N,
        strength_N=np.where(f0_hz_N > 0, np.clip(strength_N, 0.0, 1.0), 0.0),
        level_db_N=_smoothed_db(power_B, np.ones(_LEVEL_BINS))[bin_N],
        intensity_db_N=_smoothed_db(power_B, np.asarray(np.hanning(_INTENSITY_BINS + 2), dtype=np.float64))[bin_N],
    )


def no_frames() -> Frames:
    """The tracks of what is too short for any."""
    return Frames(*(np.zeros(0) for _ in range(5)))


def _pitch(sound: parselmouth.Sound) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Times, F0 and its strength, with a range fitted to the voice: a fixed range invites octave errors.

    Source: Boersma (1993), Accurate short-term analysis of the fundamental frequency, for the
    method; Hirst (2011), The analysis by synthesis of speech melody, for a second pass from
    0.75 Q25 up to 1.5 Q75 (neutral speech) or 2.5 Q75 (expressive speech), of which 2.0 is the mean.
    """
    floor_hz, ceiling_hz = _PITCH_FLOOR_HZ, _PITCH_CEILING_HZ
    first = sound.to_pitch_ac(time_step=_FIRST_PASS_STEP_S, pitch_floor=floor_hz, pitch_ceiling=ceiling_hz)
    f0_hz = first.selected_array["frequency"]
    if (f0_hz > 0).any():
        low_hz, high_hz = np.percentile(f0_hz[f0_hz > 0], (25, 75))
        floor_hz, ceiling_hz = max(floor_hz, 0.75 * low_hz), min(ceiling_hz, 2.0 * high_hz)
    pitch = sound.to_pitch_ac(time_step=FRAME_STEP_S, pitch_floor=floor_hz, pitch_ceiling=ceiling_hz)
    f0_hz_N, strength_N = (np.asarray(pitch.selected_array[name], np.float64) for name in ("frequency", "strength"))
    return np.asarray(pitch.xs(), dtype=np.float64), f0_hz_N, strength_N


def binned_power(samples_T: FloatArray) -> FloatArray:
    """Mean power of every 2.5 ms."""
    num_bins = -(-len(samples_T) // _BIN_SAMPLES)
    padded_T = np.pad(samples_T, (0, num_bins * _BIN_SAMPLES - len(samples_T)))
    power_B: FloatArray = np.square(padded_T).reshape(num_bins, _BIN_SAMPLES).mean(axis=1)
    return power_B


def _smoothed_db(power_B: FloatArray, window: FloatArray) -> FloatArray:
    """Weighted mean power around each bin, in dB relative to full scale."""
    smooth_B = convolve1d(power_B, window / window.sum(), mode="constant")
    return np.asarray(10.0 * np.log10(smooth_B + _QUANTIZATION_POWER) - _FULL_SCALE_DB)
