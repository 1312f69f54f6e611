"""Who may speak in a corpus, what they say, and the way to make them say it.

Enters: a split and, where there is one, a bank of recorded phrases. Leaves: a drawn voice, a drawn
text, a spoken phrase. Whoever gives a bank answers for its speakers belonging to the split.
"""

from pathlib import Path

import numpy as np

from fcaps_pipeline.lab.synthesis import espeak, festival, flite
from fcaps_pipeline.lab.synthesis.recorded import PhraseBank
from fcaps_pipeline.lab.synthesis.speaking import Knobs, SpokenPhrase
from fcaps_pipeline.lab.synthesis.texts import draw_phrase
from fcaps_pipeline.lab.synthesis.truth import Split
from fcaps_pipeline.lab.synthesis.voices import Voice, voices_of
from fcaps_pipeline.records.audio import Gender

RECORDED_SHARE = 0.45
"""Of clips whose voice is a recorded one, in training."""
_SHORT_SHARE = 0.5
SYNTHESIZERS = {"espeak": espeak.speak, "flite": flite.speak, "festival": festival.speak}


class Cast:
    """The voices of the synthesizers and, where there is a bank, of recorded speakers."""

    def __init__(self, bank_folder: Path | None = None, recorded_share: float = RECORDED_SHARE) -> None:
        self._bank = None if bank_folder is None else PhraseBank(bank_folder)
        self._recorded_share = recorded_share

    def draw_voice(self, rng: np.random.Generator, split: Split, gender: Gender) -> Voice:
        """A voice of the split and gender."""
        recorded = self._recorded(split, gender)
        if recorded and rng.random() < self._recorded_share:
            return recorded[int(rng.integers(len(recorded)))]
        voices = voices_of(split, gender)
        weights = np.array([voice.weight for voice in voices])
        return voices[int(rng.choice(len(voices), p=weights / weights.sum()))]

    def draw_text(self, rng: np.random.Generator, voice: Voice, split: Split, *, long: bool) -> str:
        """What a voice says next: a sentence, or the name of a recorded phrase."""
        if self._bank is not None and voice.synthesizer == "recorded":
            return self._bank.draw(rng, voice.name, long=long)
        return draw_phrase(rng, split, short_share=0.0 if long else _SHORT_SHARE)

    def speak(self, voice: Voice, text: str, knobs: Knobs) -> SpokenPhrase:
        """Speaks one phrase.

        Raises:
            DependencyError: a synthesizer or voice is missing.
            PhraseError: the phrase came out unusable.
        """
        if self._bank is not None and voice.synthesizer == "recorded":
            return self._bank.speak(text, knobs)
        return SYNTHESIZERS[voice.synthesizer](voice.name, text, knobs)

    def _recorded(self, split: Split, gender: Gender) -> tuple[Voice, ...]:
        if self._bank is None:
            return ()
        return tuple(
            Voice(synthesizer="recorded", name=speaker, gender=gender, split=split, weight=1.0)
            for speaker, own in self._bank.speakers.items()
            if own == gender
        )
