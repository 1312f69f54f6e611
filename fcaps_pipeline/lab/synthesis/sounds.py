"""Sounds without a voice: silence, noise, hum, clicks, tones, barks, tunes.

Leaves float64 samples at 16 kHz and the kind of sound; everything is drawn from the generator.
"""

from collections.abc import Callable

import numpy as np
from scipy import signal

from fcaps_pipeline.audio.surroundings import NOISE_KINDS, Samples, limit, noise, reverberate
from fcaps_pipeline.lab.synthesis.effects import tilt
from fcaps_pipeline.records.audio import SAMPLE_RATE_HZ

_SHORTEST_S, _LONGEST_S = 1.2, 8.0


def draw_sound(rng: np.random.Generator) -> tuple[str, Samples]:
    """One sound of 1.2 to 8 s at a random level, with a random amount of noise under it."""
    num_samples = round(rng.uniform(_SHORTEST_S, _LONGEST_S) * SAMPLE_RATE_HZ)
    kinds = tuple(_SOUNDS)
    kind = kinds[int(rng.integers(len(kinds)))]
    audio_T = _SOUNDS[kind](num_samples, rng)
    peak = np.max(np.abs(audio_T))
    if peak > 0:
        audio_T = audio_T / peak * 10 ** (rng.uniform(-45.0, -0.5) / 20)
    if rng.random() < 0.5:
        audio_T = audio_T + 10 ** (rng.uniform(-85.0, -45.0) / 20) * noise("white", num_samples, rng)
    return kind, limit(audio_T)


def _silence(num_samples: int, rng: np.random.Generator) -> Samples:
    return np.zeros(num_samples)


def _steady_noise(num_samples: int, rng: np.random.Generator) -> Samples:
    kind = NOISE_KINDS[int(rng.integers(len(NOISE_KINDS)))]
    return tilt(noise(kind, num_samples, rng), float(rng.uniform(-6.0, 4.0)))


def _swelling_noise(num_samples: int, rng: np.random.Generator) -> Samples:
    """Wind, waves or traffic: band noise whose level wanders at 0.2 to 4 Hz."""
    times = np.arange(num_samples) / SAMPLE_RATE_HZ
    depth = rng.uniform(3.0, 25.0)
    swell_db = depth * np.sin(2 * np.pi * rng.uniform(0.2, 4.0) * times + rng.uniform(0, 6.28))
    low = float(np.exp(rng.uniform(np.log(60.0), np.log(1500.0))))
    sections = signal.butter(2, (low, min(7500.0, low * rng.uniform(2, 12))), "bandpass", fs=16_000, output="sos")
    return np.asarray(signal.sosfilt(sections, noise("white", num_samples, rng)) * 10 ** (swell_db / 20))


def _rumble(num_samples: int, rng: np.random.Generator) -> Samples:
    """Wind in a microphone, engines, handling: very low noise whose level jumps about."""
    sections = signal.butter(2, float(rng.uniform(60.0, 400.0)), "lowpass", fs=16_000, output="sos")
    low = np.asarray(signal.sosfilt(sections, noise("brown", num_samples, rng)))
    step = round(rng.uniform(0.03, 0.2) * SAMPLE_RATE_HZ)
    levels_db = rng.normal(0.0, rng.uniform(2.0, 8.0), num_samples // step + 2)
    course_db = np.interp(np.arange(num_samples) / step, np.arange(len(levels_db)), levels_db)
    return low * 10 ** (course_db / 20)


def _clicks(num_samples: int, rng: np.random.Generator) -> Samples:
    """Knocks and clicks: short decays at random or regular times."""
    hits = np.zeros(num_samples)
    count = int(rng.integers(1, 25))
    at = rng.integers(0, num_samples, count) if rng.random() < 0.5 else np.arange(count) * num_samples // count
    hits[at] = rng.uniform(0.3, 1.0, count)
    length = round(rng.uniform(0.005, 0.15) * SAMPLE_RATE_HZ)
    times = np.arange(length) / SAMPLE_RATE_HZ
    ring = np.exp(-6 * np.arange(length) / length)
    ring = ring * (np.sin(2 * np.pi * rng.uniform(150, 5000) * times) + 0.7 * rng.standard_normal(length))
    return np.asarray(signal.fftconvolve(hits, ring)[:num_samples])


def _tones(num_samples: int, rng: np.random.Generator) -> Samples:
    """Beeps: a sine or square, steady or switched on and off, or gliding like a siren."""
    times = np.arange(num_samples) / SAMPLE_RATE_HZ
    base_hz = float(np.exp(rng.uniform(np.log(80.0), np.log(4000.0))))
    glide = rng.uniform(0.0, 0.5) if rng.random() < 0.3 else 0.0
    phase = 2 * np.pi * base_hz * (times + glide / 3 * np.sin(2 * np.pi * rng.uniform(0.2, 1.5) * times))
    wave = np.sin(phase) if rng.random() < 0.6 else np.sign(np.sin(phase)) * 0.5
    if rng.random() < 0.5:
        wave = wave * (np.sin(2 * np.pi * rng.uniform(0.5, 5.0) * times) > 0)
    return np.asarray(wave)


def _barks(num_samples: int, rng: np.random.Generator) -> Samples:
    """Dog-like bursts: harmonics that fall within 0.1 to 0.35 s through two wide resonances."""
    audio_T = np.zeros(num_samples)
    base_hz = float(np.exp(rng.uniform(np.log(180.0), np.log(900.0))))
    resonances = sorted(rng.uniform(500.0, 3200.0, 2))
    for _ in range(int(rng.integers(1, 10))):
        length = round(rng.uniform(0.1, 0.35) * SAMPLE_RATE_HZ)
        start = int(rng.integers(0, max(1, num_samples - length)))
        progress = np.linspace(0.0, 1.0, length)
        f0_hz = (
            base_hz * rng.uniform(0.9, 1.1) * (1 + rng.uniform(0.1, 0.6) * np.sin(np.pi * progress) - 0.2 * progress)
        )
        phase = 2 * np.pi * np.cumsum(f0_hz) / SAMPLE_RATE_HZ
        burst = signal.sawtooth(phase) + rng.uniform(0.2, 1.5) * rng.standard_normal(length)
        for resonance in resonances:
            sections = signal.butter(1, (resonance * 0.7, resonance * 1.4), "bandpass", fs=16_000, output="sos")
            burst = burst + 2 * signal.sosfilt(sections, burst)
        burst = burst * np.sin(np.pi * np.minimum(1.0, progress * 1.02)) ** rng.uniform(0.3, 1.5)
        audio_T[start : start + length] += burst[: num_samples - start]
    return reverberate(audio_T, float(rng.uniform(0.1, 0.7)), float(rng.uniform(0.02, 0.4)), rng)


def _tune(num_samples: int, rng: np.random.Generator) -> Samples:
    """Music-like: decaying notes of a scale with overtones, one to three at a time."""
    audio_T = np.zeros(num_samples)
    note_s = rng.uniform(0.12, 0.8)
    root_hz = rng.uniform(80.0, 500.0)
    steps = np.array((0, 2, 4, 5, 7, 9, 11, 12))
    partials = rng.uniform(0.0, 1.0, 8) / np.arange(1, 9) ** rng.uniform(0.3, 1.5)
    decay = rng.uniform(0.5, 6.0)
    length = round(note_s * SAMPLE_RATE_HZ)
    for start in range(0, num_samples, length):
        for step in rng.choice(steps, size=int(rng.integers(1, 4)), replace=False):
            times = np.arange(min(length, num_samples - start)) / SAMPLE_RATE_HZ
            f0_hz = root_hz * 2 ** (step / 12)
            wave = np.sum([a * np.sin(2 * np.pi * f0_hz * (k + 1) * times) for k, a in enumerate(partials)], axis=0)
            attack = np.minimum(1.0, times / 0.01)
            audio_T[start : start + len(times)] += wave * np.exp(-decay * times) * attack
    return audio_T


_SOUNDS: dict[str, Callable[[int, np.random.Generator], Samples]] = {
    "silence": _silence,
    "steady noise": _steady_noise,
    "swelling noise": _swelling_noise,
    "rumble": _rumble,
    "clicks": _clicks,
    "tones": _tones,
    "barks": _barks,
    "tune": _tune,
}
