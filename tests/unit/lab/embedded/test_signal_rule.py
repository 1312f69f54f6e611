"""The simple rules hear what they are made to hear, on tones whose properties are known."""

import numpy as np
import numpy.typing as npt
import pytest

from fcaps_pipeline.lab.embedded.signal_rule import read_signal

_RATE_HZ = 16_000


def _voice(f0_hz: float, syllables_per_s: float, length_s: float, level_db: float = -20.0) -> npt.NDArray[np.float64]:
    """A buzz whose level rises and falls with every syllable."""
    times = np.arange(round(length_s * _RATE_HZ)) / _RATE_HZ
    buzz = np.sum([np.sin(2 * np.pi * f0_hz * k * times) / k for k in range(1, 12)], axis=0)
    syllables = 0.52 - 0.48 * np.cos(2 * np.pi * syllables_per_s * times)
    audio = buzz * syllables
    return np.asarray(audio / np.sqrt(np.mean(audio**2)) * 10 ** (level_db / 20))


def _join(*parts: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    return np.concatenate(parts).astype(np.float32)


def _silence(length_s: float) -> npt.NDArray[np.float64]:
    return np.zeros(round(length_s * _RATE_HZ))


def test_a_steady_low_voice() -> None:
    facts = read_signal(_join(_voice(100.0, 3.0, 4.0, -25.0)))
    assert (facts.gender, facts.voice_quality, facts.pitch) == ("male", "modal", "low")
    assert (facts.rate, facts.volume, facts.pauses) == ("slow", "moderate", "none")
    assert (facts.loudness, facts.pitch_course, facts.rate_course) == ("steady", "steady", "steady")


@pytest.mark.parametrize(
    ("first", "second", "fact", "direction"),
    [
        ((200.0, 4.0, -30.0), (200.0, 4.0, -20.0), "loudness", "rising"),
        ((200.0, 4.0, -20.0), (200.0, 4.0, -30.0), "loudness", "falling"),
        ((200.0, 4.0, -20.0), (260.0, 4.0, -20.0), "pitch_course", "rising"),
        ((200.0, 7.0, -20.0), (200.0, 4.0, -20.0), "rate_course", "falling"),
    ],
)
def test_a_change_between_the_halves(
    first: tuple[float, float, float], second: tuple[float, float, float], fact: str, direction: str
) -> None:
    facts = read_signal(_join(*(_voice(f0, rate, 3.0, level) for f0, rate, level in (first, second))))
    assert facts.gender == "female"
    changed = {name: getattr(facts, name) for name in ("loudness", "pitch_course", "rate_course")}
    assert changed == {**dict.fromkeys(changed, "steady"), fact: direction}


def test_pauses_and_their_place() -> None:
    voice = _voice(120.0, 4.0, 1.0)
    assert read_signal(_join(voice, _silence(0.6), voice, voice)).pauses == "middle"
    assert read_signal(_join(voice, _silence(0.6), voice, voice, voice, voice)).pauses == "beginning"
    assert read_signal(_join(voice, _silence(0.6), voice, _silence(0.6), voice)).pauses == "several"


def test_noise_in_the_rhythm_of_speech_is_a_whisper() -> None:
    times = np.arange(3 * _RATE_HZ) / _RATE_HZ
    noise = np.random.default_rng(0).standard_normal(len(times)) * (0.52 - 0.48 * np.cos(2 * np.pi * 4 * times))
    assert read_signal(_join(0.01 * noise)).voice_quality == "whisper"


def test_a_clip_too_short_to_measure_states_nothing() -> None:
    facts = read_signal(_join(_silence(0.02)))
    assert facts.speech
    assert facts.gender is None
