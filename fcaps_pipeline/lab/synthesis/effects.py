"""Changes to finished samples: formant scale, microphone, telephone.

Every function takes and returns float64 mono samples.
"""

from fractions import Fraction

import numpy as np
from scipy import fft, signal

from fcaps_pipeline.audio.surroundings import Samples
from fcaps_pipeline.records.audio import SAMPLE_RATE_HZ


def to_16_khz(audio_T: Samples, rate_hz: int, formant_scale: float) -> Samples:
    """Resamples to 16 kHz and scales all frequencies, so that time shrinks by the same factor.

    Args:
        audio_T: samples at `rate_hz`.
        rate_hz: their rate.
        formant_scale: 1.1 makes a ten per cent shorter vocal tract.
    """
    ratio = Fraction(SAMPLE_RATE_HZ / (rate_hz * formant_scale)).limit_denominator(300)
    return np.asarray(signal.resample_poly(audio_T, ratio.numerator, ratio.denominator), dtype=np.float64)


def trim(audio_T: Samples, *, floor_db: float = 42.0, keep_s: float = 0.02) -> Samples:
    """Cuts what is quieter than the loudest 10 ms by `floor_db` off both ends."""
    start, end = heard_range(audio_T, floor_db=floor_db, keep_s=keep_s)
    return audio_T[start:end]


def heard_range(audio_T: Samples, *, floor_db: float = 42.0, keep_s: float = 0.02) -> tuple[int, int]:
    """First sample that `trim` keeps, and the first after the last one; the latter may lie past the end."""
    frame = SAMPLE_RATE_HZ // 100
    frames = audio_T[: len(audio_T) // frame * frame].reshape(-1, frame)
    levels = 10 * np.log10(np.mean(frames**2, axis=1) + 1e-12)
    heard = np.flatnonzero(levels > levels.max() - floor_db)
    keep = round(keep_s * SAMPLE_RATE_HZ)
    return max(0, int(heard[0]) * frame - keep), (int(heard[-1]) + 1) * frame + keep


def tilt(audio_T: Samples, db_per_octave: float) -> Samples:
    """Bends the spectrum around 1 kHz, as microphones and rooms do."""
    length = fft.next_fast_len(len(audio_T), real=True)
    octaves = np.log2(np.maximum(fft.rfftfreq(length, 1 / SAMPLE_RATE_HZ), 50.0) / 1000.0)
    bent = fft.irfft(fft.rfft(audio_T, length) * 10 ** (db_per_octave * octaves / 20), length)
    return np.asarray(bent[: len(audio_T)], dtype=np.float64)


def telephone(audio_T: Samples) -> Samples:
    """Keeps 300 to 3400 Hz."""
    sections = signal.butter(4, (300, 3400), "bandpass", fs=SAMPLE_RATE_HZ, output="sos")
    return np.asarray(signal.sosfilt(sections, audio_T), dtype=np.float64)
