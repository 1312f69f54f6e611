"""How far a measurement may lie from what a statement says before the statement is false.

Enters: `bounds.json` beside this module, or a file of the job, made by `fcaps bench rules --calibrate`. Leaves:
`Bound`s with provenance.
A bound is the measurement that two true statements in a hundred lie beyond, moved out to where the voices of human
captions lie: it drops what is far outside alone.
"""

from functools import cache, cached_property
from importlib import resources
from typing import Literal, Self

from pydantic import FiniteFloat, ValidationError, model_validator

from fcaps_pipeline.errors import UsageError
from fcaps_pipeline.jobs.bounds_file import read_bounds_file
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
"""Fields of `Acoustics`, and what follows from them; those of a part are in `PartMeasures`."""
Scope = Literal["whole", "part"]
"""Whether a thing is said of the whole Segment, or of its beginning, middle or end."""

VALUES: dict[Attribute, tuple[str, ...]] = {
    "gender": ("female", "male"),
    "pitch": ("low", "medium", "high"),
    "rate": ("slow", "measured", "fast"),
    "pauses": ("none", "some"),
    "loudness_course": ("rising", "steady", "falling"),
    "pitch_course": ("rising", "steady", "falling"),
    "rate_course": ("rising", "steady", "falling"),
    "whisper": ("whole", "none"),
}
"""What may be true of an attribute: a measurement bears a value out where it speaks against every other one."""
UNITS: dict[Measure, str | None] = {
    "f0_p5_hz": "Hz",
    "f0_median_hz": "Hz",
    "f0_p95_hz": "Hz",
    "tempo_hz": "Hz",
    "dip_longest_s": "s",
    "pause_longest_s": "s",
    "level_change_db": "dB",
    "f0_change_semitones": "semitones",
    "rate_change_ratio": None,
    "voiced_share": None,
}


class Bound(Record):
    """One measurement that bears on one statement."""

    attribute: Attribute
    value: str
    """What is stated, in the words of `attributes.stated`; `some` or `none` of pauses, `whole` or `none` of a whisper,
    `steady` of what does not change."""
    gender: Gender | None = None
    """For statements about pitch, which mean another F0 in a woman than in a man; None where neither is known."""
    scope: Scope = "whole"
    measure: Measure
    usual: FiniteFloat
    """Median over true statements."""
    bound: FiniteFloat
    """Beyond it, seen from `usual`, the statement counts as false."""

    @model_validator(mode="after")
    def _check_side(self) -> Self:
        if self.usual == self.bound:
            raise ValueError(f"usual and bound are both {self.bound}; a bound lies to one side of the usual")
        return self

    def score(self, measured: float) -> float:
        """1 where the measurement is usual or better, 0 at the bound, negative beyond it."""
        return min(1.0, (measured - self.bound) / (self.usual - self.bound))

    @property
    def expected(self) -> str:
        """For people: what is measured where the statement is true."""
        stated = f"{self.value} {self.gender}" if self.gender and self.attribute == "pitch" else self.value
        return f"{stated}: {'at least' if self.bound < self.usual else 'at most'} {self.bound:.4g}"


class BoundTable(Record):
    """Content of `bounds.json`."""

    provenance: str
    """What was measured, so that the file can be made again."""
    tail: float = 0.02
    """Share of true statements that lie beyond a bound."""
    bounds: tuple[Bound, ...]

    def find(self, attribute: str, value: str, gender: Gender | None, scope: Scope) -> tuple[Bound, ...]:
        """Those of one statement."""
        return self._by_statement.get((attribute, value, gender, scope), ())

    @cached_property
    def _by_statement(self) -> dict[tuple[str, str, Gender | None, Scope], tuple[Bound, ...]]:
        found: dict[tuple[str, str, Gender | None, Scope], tuple[Bound, ...]] = {}
        for one in self.bounds:
            key = (one.attribute, one.value, one.gender, one.scope)
            found[key] = (*found.get(key, ()), one)
        return found


@cache
def shipped_bounds() -> BoundTable:
    """The bounds that ship with the package."""
    content = resources.files(__package__).joinpath(BOUNDS_FILE).read_bytes()
    return BoundTable.model_validate_json(content)


def load_bounds(location: str | None) -> BoundTable:
    """The bounds of a job: read where the command runs, and sent as content to whoever judges.

    Args:
        location: path as the job has it; None for the shipped ones.

    Raises:
        UsageError: the file is missing, or no table of bounds.
    """
    if location is None:
        return shipped_bounds()
    try:
        return BoundTable.model_validate_json(read_bounds_file(location))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise UsageError(
            f"verification.bounds: {location} is no table of bounds ({where}: {first['msg']}); write one with "
            "`fcaps bench rules --calibrate FILE`"
        ) from None
