"""Turns a voiced phrase into a whisper: the same mouth over noise instead of a larynx.

Enters and leaves: float64 mono samples at 16 kHz, of the same length.
"""

import numpy as np
from scipy import signal

from fcaps_pipeline.synthesis.effects import SAMPLE_RATE_HZ, Samples, tilt

_WINDOW = 512
_HOP = 256
_ENVELOPE_QUEFRENCY_S = 0.0012
"""Half the shortest glottal period (450 Hz): formants survive in the envelope, harmonics do not."""
_BRIGHTER_DB_PER_OCTAVE = 6.0
"""A larynx falls off more steeply than the noise of a narrowed glottis."""


def whisper(audio_T: Samples, rng: np.random.Generator) -> Samples:
    """Keeps the spectral envelope of every 32 ms and replaces what excites it by noise.

    Args:
        audio_T: a phrase, at least 32 ms long.
        rng: draws the noise.
    """
    transform = signal.ShortTimeFFT(signal.windows.hann(_WINDOW, sym=False), _HOP, SAMPLE_RATE_HZ)
    spectrum_FT = transform.stft(audio_T)
    noise_FT = transform.stft(rng.standard_normal(len(audio_T)))
    floor = 1e-6 * np.max(np.abs(spectrum_FT))
    cepstrum_QT = np.fft.irfft(np.log(np.abs(spectrum_FT) + floor), axis=0)
    kept = round(_ENVELOPE_QUEFRENCY_S * SAMPLE_RATE_HZ)
    cepstrum_QT[kept:-kept] = 0.0
    envelope_FT = np.exp(np.fft.rfft(cepstrum_QT, axis=0).real)
    whispered_T = transform.istft(envelope_FT * noise_FT, k1=len(audio_T))
    return tilt(np.asarray(whispered_T, dtype=np.float64), _BRIGHTER_DB_PER_OCTAVE)
