"""Praat never returned from a phrase whose lowest part was moved to a pitch below 0 Hz."""

import numpy as np
import pytest
from scipy import signal

from fcaps_pipeline.lab.synthesis.praat import change_voice
from fcaps_pipeline.lab.synthesis.speaking import PhraseError


def _buzz(f0_hz: float, duration_s: float) -> np.ndarray:
    times = np.arange(round(duration_s * 16_000)) / 16_000
    return 0.3 * np.asarray(signal.sawtooth(2 * np.pi * f0_hz * times))


def test_a_pitch_that_would_fall_below_zero_is_refused() -> None:
    creaks = np.concatenate([_buzz(268.0, 1.5), _buzz(66.0, 0.4)])
    with pytest.raises(PhraseError, match="no F0 that can be moved to 240 Hz"):
        change_voice(creaks, 16_000, f0_hz=240.0, range_factor=1.4)


def test_the_same_phrase_with_a_smaller_range_is_spoken() -> None:
    creaks = np.concatenate([_buzz(268.0, 1.5), _buzz(66.0, 0.4)])
    assert len(change_voice(creaks, 16_000, f0_hz=240.0, range_factor=1.0)) == pytest.approx(len(creaks), rel=0.01)


def test_silence_is_refused() -> None:
    with pytest.raises(PhraseError):
        change_voice(np.zeros(16_000), 16_000, f0_hz=120.0, range_factor=1.0)
