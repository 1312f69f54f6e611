"""Makes a clip sound otherwise each time it comes: speed, room, noise, and stretches of time and frequency left out.

Enters: samples, the section of the job, a random generator. Leaves: samples as they are trained on. All of it is done
to the waveform, so that every tower hears it. What is drawn depends on seed, epoch and row alone.

Shape suffix: T samples.
"""

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import numpy.typing as npt
from scipy import fft, signal

from fcaps_pipeline.audio.surroundings import NOISE_KINDS, Samples, add_noise, limit, reverberate
from fcaps_pipeline.learn.data.augmentation_config import Augmentation, Drawn, Masks, Noise, Room
from fcaps_pipeline.records.audio import SAMPLE_RATE_HZ, seconds_to_samples

_FULL_SCALE = 32768.0


def drawn_speed(settings: Augmentation, rng: np.random.Generator) -> Fraction:
    """How much faster a clip is played; the first draw of each clip."""
    if settings.speed is None or rng.random() >= settings.speed.share:
        return Fraction(1)
    return Fraction(float(rng.choice(settings.speed.factors))).limit_denominator(100)


def played(pcm_T: npt.NDArray[np.int16], speed: Fraction) -> npt.NDArray[np.int16]:
    """The clip at another speed."""
    if speed == 1:
        return pcm_T
    return _as_pcm(signal.resample_poly(pcm_T / _FULL_SCALE, speed.denominator, speed.numerator))


def changed(pcm_T: npt.NDArray[np.int16], settings: Augmentation, rng: np.random.Generator) -> npt.NDArray[np.int16]:
    """The clip in another room, with noise, with parts left out."""
    if settings.room is None and settings.noise is None and settings.masks is None:
        return pcm_T
    steps: list[tuple[Drawn | None, Callable[[Samples], Samples]]] = [
        (settings.room, lambda audio_T: _in_room(audio_T, settings.room or Room(), rng)),
        (settings.noise, lambda audio_T: _in_noise(audio_T, settings.noise or Noise(), rng)),
        (settings.masks, lambda audio_T: _masked(audio_T, settings.masks or Masks(), rng)),
    ]
    audio_T: Samples = pcm_T / _FULL_SCALE
    for section, change in steps:
        if section is not None and rng.random() < section.share:
            audio_T = change(audio_T)
    return _as_pcm(audio_T)


def _in_room(audio_T: Samples, room: Room, rng: np.random.Generator) -> Samples:
    return reverberate(audio_T, rng.uniform(*room.decay_s), rng.uniform(*room.wet), rng)


def _in_noise(audio_T: Samples, noise: Noise, rng: np.random.Generator) -> Samples:
    return add_noise(audio_T, NOISE_KINDS[rng.integers(len(NOISE_KINDS))], rng.uniform(*noise.snr_db), rng)


def _masked(audio_T: Samples, masks: Masks, rng: np.random.Generator) -> Samples:
    spectrum = fft.rfft(audio_T)
    for _ in range(masks.num_bands):
        width = round(rng.uniform(0, masks.band_hz) * len(audio_T) / SAMPLE_RATE_HZ)
        start = int(rng.integers(max(1, len(spectrum) - width)))
        spectrum[start : start + width] = 0
    audio_T = np.asarray(fft.irfft(spectrum, len(audio_T)), np.float64)
    for _ in range(masks.num_times):
        most = min(seconds_to_samples(masks.time_s), len(audio_T) // 5)
        start, length = int(rng.integers(len(audio_T) - most + 1)), int(rng.integers(most + 1))
        audio_T[start : start + length] = 0
    return audio_T


def _as_pcm(audio_T: Samples) -> npt.NDArray[np.int16]:
    whole: npt.NDArray[np.int16] = np.round(limit(audio_T) * (_FULL_SCALE - 1)).astype(np.int16)
    return whole
