"""How far a measurement may lie from what a statement says before the statement is false.

Enters: `bounds.json` beside this module, made by `fcaps bench rules --calibrate`. Leaves: `Bound`s with provenance.
A bound is the measurement that two true statements in a hundred lie beyond, moved out to where the voices of human
captions lie: it drops what is far outside alone.
"""

from functools import cache
from importlib import resources
from typing import Literal

from fcaps_pipeline.records.audio import Gender
from fcaps_pipeline.records.base import Record

BOUNDS_FILE = "bounds.json"

Attribute = Literal["gender", "pitch", "rate", "pauses", "loudness_course", "pitch_course", "rate_course", "whisper"]
Measure = Literal[
    "f0_p5_hz",
    "f0_median_hz",
    "f0_p95_hz",
    "tempo_hz",
    "dip_longest_s",
    "pause_longest_s",
    "level_change_db",
    "f0_change_semitones",
    "rate_change_ratio",
    "voiced_share",
]
"""Fields of `Acoustics`, and what follows from them."""


class Bound(Record):
    """One measurement that bears on one statement."""

    attribute: Attribute
    value: str
    """What is stated, in the words of `attributes.stated`; `some` or `none` of pauses, `whole` of a whisper."""
    gender: Gender | None = None
    """For statements about pitch, which mean another F0 in a woman than in a man; None where neither is known."""
    measure: Measure
    usual: float
    """Median over true statements."""
    bound: float
    """Beyond it, seen from `usual`, the statement counts as false."""

    def score(self, measured: float) -> float:
        """1 where the measurement is usual or better, 0 at the bound, negative beyond it."""
        return min(1.0, (measured - self.bound) / (self.usual - self.bound))

    def explain(self, measured: float) -> str:
        """For people, the measurement against the bound."""
        side = "at least" if self.bound < self.usual else "at most"
        stated = f"{self.gender} " if self.gender and self.attribute == "pitch" else ""
        return (
            f"{self.attribute.replace('_', ' ')} {self.value}, but {self.measure} is {measured:.4g}; "
            f"{stated}voices it is said of have {side} {self.bound:.4g}"
        )


class BoundTable(Record):
    """Content of `bounds.json`."""

    provenance: str
    """What was measured, so that the file can be made again."""
    bounds: tuple[Bound, ...]


@cache
def shipped_bounds() -> BoundTable:
    """The bounds that ship with the package."""
    content = resources.files(__package__).joinpath(BOUNDS_FILE).read_bytes()
    return BoundTable.model_validate_json(content)
