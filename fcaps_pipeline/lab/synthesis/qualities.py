"""Turns a modal phrase into a whispered, a breathy or a creaky one: the same mouth over another larynx.

Enters and leaves: float64 mono samples at 16 kHz, of the same length. Whether the outcome is heard as
what it is meant to be is measured afterwards (`measure`, `stretch`).
"""

import itertools

import numpy as np
import numpy.typing as npt
from scipy import signal

from fcaps_pipeline.audio.surroundings import Samples
from fcaps_pipeline.lab.synthesis.effects import tilt
from fcaps_pipeline.lab.synthesis.measure import F0_FLOOR_HZ, glottal_pulses_s, speech_level_db
from fcaps_pipeline.records.audio import SAMPLE_RATE_HZ

_WINDOW = 512
_HOP = 256
_HANN = signal.windows.hann(_WINDOW, sym=False)
_ENVELOPE_QUEFRENCY_S = 0.0012
"""Half the shortest glottal period (450 Hz): formants survive in the envelope, harmonics do not."""
_BRIGHTER_DB_PER_OCTAVE = 6.0
"""A larynx falls off more steeply than the noise of a narrowed glottis."""
_BREATHY_VOICE_DB_PER_OCTAVE = -4.0
"""A glottis that does not close gives the voice weaker overtones (Klatt and Klatt 1990)."""
_BREATH_DB = (-4.0, 0.0)
"""Level of the breath against the voice."""
_CREAK_HZ = (42.0, 62.0)
"""Pulses per second of a creak; Source: Keating, Garellek and Kreiman 2015, below 70 Hz."""
_CREAK_PERIODS = (0.7, 1.4)
"""Of the mean period; a creak is irregular."""
_PULSE_DB = (-2.0, 4.0)


def whisper(audio_T: Samples, rng: np.random.Generator) -> Samples:
    """Keeps the spectral envelope of every 32 ms and replaces what excites it by noise.

    Args:
        audio_T: a phrase, at least 32 ms long.
        rng: draws the noise.
    """
    num_frames = len(audio_T) // _HOP + 2
    padded_T = np.pad(audio_T, (_HOP, num_frames * _HOP + _WINDOW - _HOP - len(audio_T)))
    noise_T = rng.standard_normal(len(padded_T))
    spectrum_NF, noise_NF = (np.fft.rfft(_frames(samples_T) * _HANN, axis=1) for samples_T in (padded_T, noise_T))
    magnitude_NF = np.abs(spectrum_NF)
    cepstrum_NQ = np.fft.irfft(np.log(magnitude_NF + 1e-6 * np.max(magnitude_NF)), axis=1)
    kept = round(_ENVELOPE_QUEFRENCY_S * SAMPLE_RATE_HZ)
    cepstrum_NQ[:, kept:-kept] = 0.0
    envelope_NF = np.exp(np.fft.rfft(cepstrum_NQ, axis=1).real)
    whispered_NW = np.fft.irfft(envelope_NF * noise_NF, axis=1)
    # Hann windows half a window apart add to one, so the frames only need to be added.
    whispered_T = (whispered_NW[1:, :_HOP] + whispered_NW[:-1, _HOP:]).reshape(-1)[: len(audio_T)]
    return tilt(whispered_T, _BRIGHTER_DB_PER_OCTAVE)


def _frames(audio_T: Samples) -> Samples:
    return np.lib.stride_tricks.sliding_window_view(audio_T, _WINDOW)[::_HOP]


def breathe(audio_T: Samples, rng: np.random.Generator) -> Samples:
    """Dulls the voice and lets breath through beside it: the whisper of the same phrase.

    Args:
        audio_T: a phrase, at least 32 ms long.
        rng: draws the breath.
    """
    voice_T, breath_T = tilt(audio_T, _BREATHY_VOICE_DB_PER_OCTAVE), whisper(audio_T, rng)
    voice_db = speech_level_db(voice_T)
    breath_db = voice_db + rng.uniform(*_BREATH_DB)
    return voice_T + breath_T * 10 ** ((breath_db - speech_level_db(breath_T)) / 20)


def creak(audio_T: Samples, rng: np.random.Generator) -> Samples:
    """Leaves out most glottal pulses, so that those that stay come slowly and irregularly, each ringing for itself.

    Args:
        audio_T: a phrase.
        rng: draws the times between pulses and their levels.
    """
    creaky_T = audio_T.copy()
    mean_period = SAMPLE_RATE_HZ / rng.uniform(*_CREAK_HZ)
    due = 0.0
    for at, start, window in _pulse_windows(audio_T):
        pulse = audio_T[start : start + len(window)] * window
        creaky_T[start : start + len(window)] -= pulse
        if at >= due:
            creaky_T[start : start + len(window)] += pulse * 10 ** (rng.uniform(*_PULSE_DB) / 20)
            due = at + mean_period * rng.uniform(*_CREAK_PERIODS)
    return creaky_T


def _pulse_windows(audio_T: Samples) -> list[tuple[int, int, npt.NDArray[np.float64]]]:
    """Of every glottal pulse its sample, and a window from the pulse before to the next with its first sample.

    Within a voiced part the windows add to 1.
    """
    at = [round(time_s * SAMPLE_RATE_HZ) for time_s in glottal_pulses_s(audio_T)]
    longest = SAMPLE_RATE_HZ / F0_FLOOR_HZ
    periods = [later - earlier if later - earlier <= longest else None for earlier, later in itertools.pairwise(at)]
    windows = []
    for sample, before, after in zip(at, [None, *periods], [*periods, None], strict=False):
        left, right = before or after, after or before
        if left is None or right is None:
            continue  # a pulse far from all others carries no voice
        rising = np.sin(np.linspace(0.0, np.pi / 2, left, endpoint=False)) ** 2
        falling = np.cos(np.linspace(0.0, np.pi / 2, right, endpoint=False)) ** 2
        first, last = max(0, sample - left), min(len(audio_T), sample + right)
        whole = np.concatenate([rising, falling])
        windows.append((sample, first, whole[first - (sample - left) : last - (sample - left)]))
    return windows
