"""What a place does to finished sound: a room, noise, and a limiter that keeps both within full scale.

Every function takes and returns float64 mono samples; those that draw take a random generator. Synthetic speech is made
with it, and training makes its clips sound otherwise with it.

Shape suffix: T samples.
"""

from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import fft, signal

from fcaps_pipeline.records.audio import SAMPLE_RATE_HZ

Samples = npt.NDArray[np.float64]
NoiseKind = Literal["white", "pink", "brown", "hum"]
NOISE_KINDS: tuple[NoiseKind, ...] = ("white", "pink", "brown", "hum")

LIMITER_KNEE = 0.7


def reverberate(audio_T: Samples, decay_s: float, wet: float, rng: np.random.Generator) -> Samples:
    """Adds a room: exponentially decaying noise after the direct sound.

    Args:
        audio_T: dry samples.
        decay_s: time in which the room loses 60 dB.
        wet: energy of the room relative to the direct sound.
        rng: draws the room.
    """
    return np.asarray(signal.fftconvolve(audio_T, room_response(decay_s, wet, rng))[: len(audio_T)], dtype=np.float64)


def room_response(decay_s: float, wet: float, rng: np.random.Generator) -> Samples:
    """What a room makes of one click: the click, then noise that decays; as in `reverberate`."""
    times = np.arange(round(decay_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    tail = rng.standard_normal(len(times)) * 10 ** (-3 * times / decay_s)
    tail[: round(0.002 * SAMPLE_RATE_HZ)] = 0.0
    tail *= np.sqrt(wet / np.sum(tail**2))
    tail[0] = 1.0
    return np.asarray(tail, dtype=np.float64)


def noise(kind: NoiseKind, num_samples: int, rng: np.random.Generator) -> Samples:
    """Noise of unit RMS."""
    if kind == "hum":
        times = np.arange(num_samples) / SAMPLE_RATE_HZ
        base_hz = rng.uniform(45.0, 65.0)
        partials = [
            np.sin(2 * np.pi * base_hz * k * times + rng.uniform(0, 6.28)) * rng.uniform(0.1, 1) / k
            for k in range(1, 9)
        ]
        samples = np.sum(partials, axis=0) + 0.02 * rng.standard_normal(num_samples)
    else:
        exponent = {"white": 0.0, "pink": 0.5, "brown": 1.0}[kind]
        length = fft.next_fast_len(num_samples, real=True)
        frequencies = np.maximum(fft.rfftfreq(length, 1 / SAMPLE_RATE_HZ), 20.0)
        samples = fft.irfft(fft.rfft(rng.standard_normal(length)) / frequencies**exponent, length)[:num_samples]
    return np.asarray(samples / np.sqrt(np.mean(samples**2)), dtype=np.float64)


def add_noise(audio_T: Samples, kind: NoiseKind, snr_db: float, rng: np.random.Generator) -> Samples:
    """Mixes noise in at a signal-to-noise ratio over the whole clip."""
    level = 10 ** ((_rms_db(audio_T) - snr_db) / 20)
    return audio_T + level * noise(kind, len(audio_T), rng)


def limit(audio_T: Samples) -> Samples:
    """Bends peaks so that nothing exceeds full scale; leaves samples below 0.7 alone."""
    excess = np.abs(audio_T) - LIMITER_KNEE
    room = 1 - LIMITER_KNEE
    bent = np.sign(audio_T) * (LIMITER_KNEE + room * np.tanh(excess / room))
    return np.where(excess > 0, bent, audio_T)


def _rms_db(audio_T: Samples) -> float:
    return float(10 * np.log10(np.mean(audio_T**2) + 1e-12))
