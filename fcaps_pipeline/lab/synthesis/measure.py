"""Measurements that labels rest on: level, loudness, fundamental frequency.

Leaves floats with their unit in the name. All input is mono at 16 kHz.
"""

import numpy as np
import numpy.typing as npt
import parselmouth
import pyloudnorm
from parselmouth.praat import call
from scipy import signal

_RATE_HZ = 16_000
F0_FLOOR_HZ, _F0_CEILING_HZ = 60.0, 450.0
_PULSE_FLOOR_HZ = 30.0
_HNR_STEP_S = 0.08
"""Every frame costs a full cross-correlation; a median needs few."""
_LONGEST_PERIOD_S, _LARGEST_PERIOD_FACTOR = 0.05, 1.8
"""Beyond these, two pulses are not of one voiced part."""
_FRAME_S = 0.01
_SPEECH_FLOOR_DB = 30.0
_MIN_VOICED_FRAMES = 12
_UNVOICED_DB = -150.0
"""Praat writes -200 dB where it hears no voice."""

_METER = pyloudnorm.Meter(_RATE_HZ)
_QUARTER_BAND = signal.firwin(81, 1 / 4, window=("kaiser", 5.0))
"""What `resample_poly` would design anew at every call."""


def rms_db(audio_T: npt.NDArray[np.float64]) -> float:
    """Level over the whole signal in dB relative to full scale."""
    return float(10 * np.log10(np.mean(audio_T**2) + 1e-12))


def loudness_lufs(audio_T: npt.NDArray[np.float64]) -> float:
    """Integrated loudness, ITU-R BS.1770; minus infinity for silence."""
    return float(_METER.integrated_loudness(audio_T))


def speech_level_db(audio_T: npt.NDArray[np.float64]) -> float:
    """Level of the frames within 30 dB of the loudest 10 ms: pauses do not count."""
    frame = round(_FRAME_S * _RATE_HZ)
    frames = audio_T[: len(audio_T) // frame * frame].reshape(-1, frame)
    power = np.mean(frames**2, axis=1) + 1e-12
    heard = power > power.max() * 10 ** (-_SPEECH_FLOOR_DB / 10)
    return float(10 * np.log10(np.mean(power[heard])))


def level_change_db(audio_T: npt.NDArray[np.float64]) -> float:
    """Speech level of the last third against the first third; positive when it grows louder."""
    third = len(audio_T) // 3
    return speech_level_db(audio_T[-third:]) - speech_level_db(audio_T[:third])


def f0_track_hz(audio_T: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """F0 every 10 ms by autocorrelation (praat); 0 where unvoiced."""
    pitch = parselmouth.Sound(audio_T, _RATE_HZ).to_pitch(_FRAME_S, F0_FLOOR_HZ, _F0_CEILING_HZ)
    return np.asarray(pitch.selected_array["frequency"], dtype=np.float64)


def coarse_f0_track_hz(audio_T: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """F0 every 20 ms from the band below 2 kHz; its median is that of `f0_track_hz` at a third of the cost."""
    pitch = parselmouth.Sound(signal.resample_poly(audio_T, 1, 4, window=_QUARTER_BAND), _RATE_HZ / 4).to_pitch_ac(
        time_step=2 * _FRAME_S, pitch_floor=F0_FLOOR_HZ, pitch_ceiling=_F0_CEILING_HZ, max_number_of_candidates=6
    )
    return np.asarray(pitch.selected_array["frequency"], dtype=np.float64)


def median_f0_hz(track: npt.NDArray[np.float64]) -> float | None:
    """Median of the voiced frames, None when fewer than 12 are voiced."""
    voiced = track[track > 0]
    return float(np.median(voiced)) if len(voiced) >= _MIN_VOICED_FRAMES else None


def pitch_change_semitones(track: npt.NDArray[np.float64]) -> float | None:
    """Median F0 of the second half against the first, None when a half is hardly voiced."""
    first, second = median_f0_hz(track[: len(track) // 2]), median_f0_hz(track[len(track) // 2 :])
    if first is None or second is None:
        return None
    return float(12 * np.log2(second / first))


def hnr_db(audio_T: npt.NDArray[np.float64]) -> float | None:
    """Median harmonics-to-noise ratio of the voiced frames (praat, cross-correlation); None where nothing is voiced."""
    harmonicity = parselmouth.Sound(audio_T, _RATE_HZ).to_harmonicity_cc(_HNR_STEP_S, F0_FLOOR_HZ)
    voiced = harmonicity.values[0][harmonicity.values[0] > _UNVOICED_DB]
    return float(np.median(voiced)) if len(voiced) else None


def glottal_pulses_s(audio_T: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Times of the glottal pulses of a voice of 60 Hz or more, in seconds from the first sample (praat)."""
    sound = parselmouth.Sound(audio_T, _RATE_HZ)
    pitch = sound.to_pitch(None, F0_FLOOR_HZ, _F0_CEILING_HZ)
    return _times_s(call([sound, pitch], "To PointProcess (cc)"))


def pulse_rate_and_jitter(audio_T: npt.NDArray[np.float64]) -> tuple[float, float] | None:
    """Glottal pulses per second, down to 30 Hz, and the mean change from one period to the next as a share of a period.

    Returns:
        The reciprocal of the median period in Hz, and praat's local jitter; None where praat finds no pulses.
    """
    sound = parselmouth.Sound(audio_T, _RATE_HZ)
    pulses = call(sound, "To PointProcess (periodic, cc)", _PULSE_FLOOR_HZ, _F0_CEILING_HZ)
    periods_s = np.diff(_times_s(pulses))
    periods_s = periods_s[periods_s < _LONGEST_PERIOD_S]
    jitter = call(pulses, "Get jitter (local)", 0, 0, 0.0001, _LONGEST_PERIOD_S, _LARGEST_PERIOD_FACTOR)
    return None if len(periods_s) == 0 or np.isnan(jitter) else (float(1 / np.median(periods_s)), float(jitter))


def _times_s(pulses: parselmouth.Data) -> npt.NDArray[np.float64]:
    # Praat refuses to make a matrix of no points.
    if call(pulses, "Get number of points") == 0:
        return np.empty(0)
    return np.asarray(call(pulses, "To Matrix").values[0], dtype=np.float64)
