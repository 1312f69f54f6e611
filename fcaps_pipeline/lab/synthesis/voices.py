"""The voices of the synthesizers and who of them trains, validates and tests.

A voice belongs to exactly one split, so that a figure on the test split speaks of unseen voices.
"""

from typing import Literal

from fcaps_pipeline.lab.synthesis.truth import Split
from fcaps_pipeline.records.audio import Gender
from fcaps_pipeline.records.base import Record

Synthesizer = Literal["espeak", "flite", "festival", "recorded"]


class Voice(Record):
    """One voice of one synthesizer."""

    synthesizer: Synthesizer
    name: str
    gender: Gender
    split: Split
    weight: float
    """Relative share of clips among the voices of its split and gender."""

    @property
    def voice_id(self) -> str:
        """Name that is unique over synthesizers."""
        return f"{self.synthesizer}:{self.name}"


_ESPEAK: dict[Split, dict[Gender, str]] = {
    "train": {
        "female": "f1 f2 f3 f5 Alicia Andrea aunty belinda linda steph steph2 anika",
        "male": (
            "m1 m2 m4 m5 m6 m8 Alex Andy Denis Diogo Gene Henrique Hugo Jacky Lee Marco Michael Mike adam antonio "
            "benjamin boris caleb ed gustave iven john klatt klatt2 klatt4 max michel norbert paul pedro "
            "sandro travis victor"
        ),
    },
    "validation": {"female": "steph3", "male": "david klatt5"},
    "test": {"female": "f4 Annie", "male": "m3 m7 edward miguel robert klatt3 quincy"},
}
_ESPEAK_LANGUAGES = ("en-us", "gmw/en", "gmw/en-GB-scotland", "gmw/en-029", "gmw/en-GB-x-rp")

_OTHERS: tuple[Voice, ...] = (
    Voice(synthesizer="flite", name="kal16", gender="male", split="train", weight=3),
    Voice(synthesizer="flite", name="awb", gender="male", split="train", weight=6),
    Voice(synthesizer="flite", name="slt", gender="female", split="train", weight=3),
    Voice(synthesizer="flite", name="rms", gender="male", split="test", weight=4),
    Voice(synthesizer="festival", name="ked_diphone", gender="male", split="train", weight=5),
    Voice(synthesizer="festival", name="pc_diphone", gender="male", split="train", weight=6),
    Voice(synthesizer="festival", name="czech_machac", gender="male", split="train", weight=6),
    Voice(synthesizer="festival", name="hy_fi_mv_diphone", gender="male", split="test", weight=2),
    Voice(synthesizer="festival", name="lp_diphone", gender="female", split="train", weight=2.5),
    Voice(synthesizer="festival", name="upc_ca_ona_hts", gender="female", split="train", weight=2.5),
    Voice(synthesizer="festival", name="suo_fi_lj_diphone", gender="female", split="test", weight=2),
    Voice(synthesizer="festival", name="czech_dita", gender="female", split="train", weight=2.5),
)


def all_voices() -> tuple[Voice, ...]:
    """Every voice this package knows, in a fixed order."""
    espeak = [
        Voice(synthesizer="espeak", name=f"{language}+{variant}", gender=gender, split=split, weight=1 / 5)
        for split, genders in _ESPEAK.items()
        for gender, variants in genders.items()
        for variant in variants.split()
        for language in _ESPEAK_LANGUAGES
    ]
    return (*espeak, *_OTHERS)


def voices_of(split: Split, gender: Gender) -> tuple[Voice, ...]:
    """The voices of one split and gender, in a fixed order."""
    return tuple(voice for voice in all_voices() if voice.split == split and voice.gender == gender)
