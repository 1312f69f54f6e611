"""What every synthesizer gives: a phrase as samples with the timing of its phones.

Enters: a voice, a text and knobs. Leaves: `SpokenPhrase` at the synthesizer's own rate. Each
synthesizer has its module; `speak` chooses between them.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


class PhraseError(ValueError):
    """A phrase came out unusable; another one will do."""


@dataclass(frozen=True)
class Knobs:
    """How a phrase is to be spoken; each synthesizer turns what it has."""

    pitch: float
    """0 (lowest) to 1 (highest) of the voice's range."""
    pitch_range: float
    """0 (flat) to 1 (lively)."""
    tempo: float
    """Speed relative to the voice's own, 1 = unchanged."""
    natural: bool = False
    """Whether a recorded phrase stays as it is, whatever the other knobs say."""
    rate_hz: float | None = None
    """Syllables per second; festival, whose phrases are stretched afterwards, keeps to it whatever the tempo says."""


@dataclass(frozen=True)
class SpokenWord:
    """A word, or words that the synthesizer runs together, at the synthesizer's own time."""

    text: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class SpokenPhrase:
    """One phrase as synthesized."""

    audio_T: npt.NDArray[np.float64]
    rate_hz: int
    num_syllables: float
    """Whole where the synthesizer tells its phones, estimated for a recorded phrase."""
    speech_s: float
    """Time from the first to the last phone, pauses inside left out."""
    words: tuple[SpokenWord, ...] | None = None
    """None where the synthesizer does not tell when it says which word."""


_VOWEL_STARTS = frozenset("aeiouAEIOUV@03&Q")
_CONSONANT_LABELS = frozenset({"en", "el", "em"})


def count_syllables(phones: list[str]) -> int:
    """Vowels among phone labels of any of the synthesizers."""
    return sum(1 for phone in phones if phone[:1] in _VOWEL_STARTS and phone not in _CONSONANT_LABELS)
