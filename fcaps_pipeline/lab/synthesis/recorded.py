"""Phrases that real people spoke, as one more synthesizer: pitch and tempo are turned with praat.

Enters: a phrase bank, a folder of FLAC files with `phrases.jsonl`. Leaves: `SpokenPhrase`s. Who makes
the bank measures the syllables, because nobody gives the timing of the phones here.
"""

from functools import cached_property
from pathlib import Path

import numpy as np
import soundfile

from fcaps_pipeline.lab.synthesis.praat import change_voice
from fcaps_pipeline.lab.synthesis.speaking import Knobs, SpokenPhrase
from fcaps_pipeline.records.audio import Gender
from fcaps_pipeline.records.base import Record

BANK_FILE = "phrases.jsonl"
LONG_SYLLABLES = 8.0
_OCTAVES = 0.9
"""How far apart the lowest and the highest pitch of one speaker are made."""


class RecordedPhrase(Record):
    """One stretch of real speech between two pauses."""

    file: str
    """Relative to the bank."""
    speaker: str
    gender: Gender
    num_syllables: float
    """Estimated, so not whole."""
    speech_s: float
    f0_median_hz: float


class PhraseBank:
    """What the recorded speakers said."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        lines = (folder / BANK_FILE).read_text(encoding="utf-8").splitlines()
        phrases = [RecordedPhrase.model_validate_json(line) for line in lines]
        self._phrases = {phrase.file: phrase for phrase in phrases}

    @cached_property
    def speakers(self) -> dict[str, Gender]:
        """Gender of every speaker, in the order of the bank."""
        return {phrase.speaker: phrase.gender for phrase in self._phrases.values()}

    def draw(self, rng: np.random.Generator, speaker: str, *, long: bool) -> str:
        """Name of one phrase of a speaker; a long one where asked and where there is one."""
        own = [phrase for phrase in self._phrases.values() if phrase.speaker == speaker]
        long_enough = [phrase for phrase in own if phrase.num_syllables >= LONG_SYLLABLES] if long else own
        chosen = long_enough or own
        return chosen[int(rng.integers(len(chosen)))].file

    def speak(self, file: str, knobs: Knobs) -> SpokenPhrase:
        """One phrase, as recorded where the knobs say natural, else moved around the speaker's own pitch.

        Raises:
            PhraseError: praat finds nothing voiced in the phrase.
        """
        phrase = self._phrases[file]
        audio_T, rate_hz = soundfile.read(self._folder / file, dtype="float64")
        tempo = 1.0 if knobs.natural else knobs.tempo
        if not knobs.natural:
            f0_hz = self._f0_median_hz(phrase.speaker) * 2 ** (_OCTAVES * (knobs.pitch - 0.5))
            audio_T = change_voice(
                audio_T, rate_hz, f0_hz=f0_hz, range_factor=0.5 + knobs.pitch_range, tempo=knobs.tempo
            )
        return SpokenPhrase(
            audio_T=audio_T, rate_hz=rate_hz, num_syllables=phrase.num_syllables, speech_s=phrase.speech_s / tempo
        )

    def _f0_median_hz(self, speaker: str) -> float:
        return float(np.median([phrase.f0_median_hz for phrase in self._phrases.values() if phrase.speaker == speaker]))
