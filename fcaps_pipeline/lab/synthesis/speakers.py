"""A thousand speakers: one voice of a synthesizer, one vocal tract length, one pitch each.

Enters: a seed. Leaves: the speakers of a corpus, always the same for the seed, so that one speaker
returns in many recordings. A voice, and so every speaker made from it, belongs to one split.
"""

from functools import cache
from typing import Literal

import numpy as np

from fcaps_pipeline.errors import DependencyError
from fcaps_pipeline.lab.synthesis import espeak, festival, flite
from fcaps_pipeline.lab.synthesis.classes import GENDER_F0_HZ
from fcaps_pipeline.lab.synthesis.draws import FORMANT_SCALES
from fcaps_pipeline.lab.synthesis.truth import Split
from fcaps_pipeline.lab.synthesis.voices import Voice, all_voices
from fcaps_pipeline.records.audio import Gender
from fcaps_pipeline.records.base import Record

NUM_SPEAKERS = 1000
AgeGroup = Literal["elderly"]


def _read_table(text: str) -> dict[str, tuple[float, float]]:
    rows = [row.split() for row in text.split(", ")]
    return {name: (float(first), float(second)) for name, first, second in rows}


_ESPEAK_F0 = _read_table(
    "f1 180.2 17.2, f2 196.6 16.0, f3 212.4 14.5, f5 206.1 17.3, Alicia 251.5 16.0, Andrea 244.8 18.3,  aunty "
    "172.4 26.9, belinda 229.4 19.7, linda 229.7 19.6, steph 184.7 20.0, steph2 184.6 20.1,  anika 268.7 16.6, m1 "
    "93.5 16.2, m2 101.2 18.2, m4 94.0 15.0, m5 103.0 16.0, m6 101.6 16.7,  m8 86.1 14.6, Alex 104.1 21.8, Andy "
    "96.3 18.4, Denis 99.4 16.6, Diogo 105.6 16.1, Gene 95.8 17.4,  Henrique 110.0 12.8, Hugo 110.1 12.6, Jacky "
    "112.5 15.9, Lee 96.2 18.4, Marco 130.5 16.4,  Michael 106.6 14.0, Mike 90.6 14.9, adam 102.2 16.1, antonio "
    "111.4 15.4, benjamin 102.3 16.1,  boris 101.8 16.1, caleb 102.2 16.0, ed 125.6 15.2, gustave 105.9 15.2, "
    "iven 100.8 14.8,  john 101.4 16.7, klatt 102.2 16.2, klatt2 102.3 15.9, klatt4 102.2 16.2, max 101.7 16.2, "
    "michel 105.6 16.1, norbert 101.4 16.6, paul 85.5 15.8, pedro 102.8 16.5, sandro 99.1 16.0,  travis 102.8 "
    "14.6, victor 95.4 17.2, steph3 184.7 20.1, david 75.4 13.7, klatt5 102.3 16.2,  f4 180.4 17.4, Annie 238.6 "
    "10.8, m3 104.8 15.6, m7 106.7 14.2, edward 102.2 16.1, miguel 111.8 14.8,  robert 97.5 12.9, klatt3 102.1 "
    "16.1, quincy 84.9 14.0, grandma 200.2 13.4, grandpa 104.3 15.9"
)
"""Measured median F0 in Hz at the middle of espeak's pitch knob, and semitones over the whole knob."""
_SEMITONES_OF_RANGE = 4.2
"""How far the median moves over the whole of espeak's range knob; measured."""
_ACCENTS = {
    "en-us": "American",
    "gmw/en": "British",
    "gmw/en-GB-scotland": "Scottish",
    "gmw/en-029": "Caribbean",
    "gmw/en-GB-x-rp": "Received Pronunciation",
}
_ELDERLY: dict[str, tuple[Gender, Split]] = {"grandma": ("female", "train"), "grandpa": ("male", "test")}
_SPREAD_SEMITONES = 4.0
_OTHER_SYNTHESIZERS_SHARE = 0.04
"""Share of speakers by flite and festival, which take ten times as long as espeak-ng."""


class Speaker(Record):
    """What a listener would take for one person."""

    speaker: str
    """Unique: the voice, the formant scale in thousandths and the F0 in Hz."""
    voice: Voice
    formant_scale: float
    """All frequencies are multiplied by it; above 1 for a shorter vocal tract."""
    base_f0_hz: float
    """Median F0 when nothing is raised or lowered."""
    pitch_range: float
    """0 (flat) to 1 (lively)."""

    @property
    def gender(self) -> Gender:
        """Of the voice."""
        return self.voice.gender

    @property
    def accent(self) -> str | None:
        """By the language variant of espeak-ng; None for the others, whose accent nobody checked."""
        return _ACCENTS[self.voice.name.split("+")[0]] if self.voice.synthesizer == "espeak" else None

    @property
    def age_group(self) -> AgeGroup | None:
        """Only where the voice was built to sound of an age; numbers in espeak's voice files change no sound."""
        return "elderly" if self.voice.name.split("+")[-1] in _ELDERLY else None

    @property
    def f0_limits_hz(self) -> tuple[float, float]:
        """Median F0 that the synthesizer reaches and that still passes for the gender."""
        lowest_hz, highest_hz = GENDER_F0_HZ[self.gender]
        if self.voice.synthesizer != "espeak":
            return lowest_hz, highest_hz
        middle_hz, semitones = _ESPEAK_F0[self.voice.name.split("+")[-1]]
        moved = _SEMITONES_OF_RANGE * (self.pitch_range - 0.5)
        reached = [self.formant_scale * middle_hz * 2 ** ((moved + end * semitones) / 12) for end in (-0.47, 0.47)]
        return max(lowest_hz, reached[0]), min(highest_hz, reached[1])

    def pitch_knob(self, f0_hz: float) -> float:
        """Position of the synthesizer's pitch knob for a median F0, before frequencies are scaled."""
        unscaled_hz = f0_hz / self.formant_scale
        if self.voice.synthesizer == "espeak":
            middle_hz, semitones = _ESPEAK_F0[self.voice.name.split("+")[-1]]
            moved = 12 * np.log2(unscaled_hz / middle_hz) - _SEMITONES_OF_RANGE * (self.pitch_range - 0.5)
            return float(0.5 + moved / semitones)
        low, high = _f0_range_hz(self.voice)
        return float(np.log(unscaled_hz / low) / np.log(high / low))


def _f0_range_hz(voice: Voice) -> tuple[float, float]:
    return {"flite": flite.F0_RANGE_HZ, "festival": festival.F0_RANGE_HZ}[voice.synthesizer][voice.name]


@cache
def voices() -> tuple[Voice, ...]:
    """The voices that speakers are made of: all but those of espeak-ng whose pitch cannot be set."""
    known = [v for v in all_voices() if v.synthesizer != "espeak" or v.name.split("+")[-1] in _ESPEAK_F0]
    elderly = [
        Voice(synthesizer="espeak", name=f"{language}+{variant}", gender=gender, split=split, weight=1 / 5)
        for variant, (gender, split) in _ELDERLY.items()
        for language in _ACCENTS
    ]
    return (*known, *elderly)


def draw_speakers(seed: int) -> tuple[Speaker, ...]:
    """The speakers of a seed, half of them women."""
    rng = np.random.default_rng([seed, NUM_SPEAKERS])
    drawn: dict[str, Speaker] = {}
    while len(drawn) < NUM_SPEAKERS:
        speaker = _draw_speaker(rng, "female" if len(drawn) % 2 else "male")
        drawn.setdefault(speaker.speaker, speaker)
    return tuple(drawn.values())


@cache
def _choices(gender: Gender, *, espeak_ng: bool) -> tuple[Voice, ...]:
    return tuple(v for v in voices() if v.gender == gender and (v.synthesizer == "espeak") == espeak_ng)


def _draw_speaker(rng: np.random.Generator, gender: Gender) -> Speaker:
    espeak_ng = bool(rng.random() >= _OTHER_SYNTHESIZERS_SHARE)
    choices = _choices(gender, espeak_ng=espeak_ng)
    voice = choices[int(rng.integers(len(choices)))]
    scale = round(float(rng.uniform(*FORMANT_SCALES[gender])), 3)
    if espeak_ng:
        own_hz = _ESPEAK_F0[voice.name.split("+")[-1]][0]
    else:
        low_hz, high_hz = _f0_range_hz(voice)
        own_hz = (low_hz * high_hz) ** 0.5
    f0_hz = own_hz * scale * 2 ** (rng.uniform(-_SPREAD_SEMITONES, _SPREAD_SEMITONES) / 12)
    lowest_hz, highest_hz = GENDER_F0_HZ[gender]
    f0_hz = round(float(np.clip(f0_hz, lowest_hz * 1.12, highest_hz / 1.12)), 1)
    name = "".join(sign if sign.isalnum() else "-" for sign in voice.voice_id)
    return Speaker(
        speaker=f"{name}-s{round(1000 * scale)}-f{round(f0_hz)}",
        voice=voice,
        formant_scale=scale,
        base_f0_hz=f0_hz,
        pitch_range=round(float(rng.uniform(0.35, 0.75)), 2),
    )


def check_installed(speakers: tuple[Speaker, ...]) -> None:
    """Makes sure that every voice is there.

    Raises:
        DependencyError: naming the voices that are missing and the Debian packages that hold them.
    """
    wanted = {speaker.voice.voice_id: speaker.voice for speaker in speakers}
    by_flite, by_festival = flite.installed_voices(), festival.installed_voices()
    missing: dict[str, str] = {}
    for voice_id, voice in wanted.items():
        if voice.synthesizer == "espeak" and not espeak.has_voice(voice.name):
            missing[voice_id] = "espeak-ng-data"
        elif voice.synthesizer == "flite" and voice.name not in by_flite:
            missing[voice_id] = "flite"
        elif voice.synthesizer == "festival" and voice.name not in by_festival:
            missing[voice_id] = festival.package_of(voice.name)
    if missing:
        raise DependencyError(
            f"{len(missing)} of {len(wanted)} voices are missing ({', '.join(sorted(missing)[:5])}); "
            f"install the Debian packages {' '.join(sorted(set(missing.values())))}"
        )
