"""What became different between two datasets, as records: the result of `fcaps release diff`.

Each row of either dataset falls into exactly one class of `CHANGES`, the first that is true of it.
"""

from typing import Literal, get_args

from fcaps_pipeline.records.base import Record

Change = Literal["added", "removed", "moved", "audio", "claims", "verdict", "reworded", "columns", "provenance", "same"]
CHANGES: tuple[Change, ...] = get_args(Change)
MEANINGS: dict[Change, str] = {
    "added": "rows that only B has",
    "removed": "rows that only A has",
    "moved": "in another split",
    "audio": "other samples",
    "claims": "captions state something else of the voice, at one granularity or the other",
    "verdict": "an answer that both have is kept in one alone, or dropped by other rules; the same is stated",
    "reworded": "captions in other words, another number or order, that state the same",
    "columns": "other columns differ",
    "provenance": "only where it comes from differs: version, location, ids of the answers",
    "same": "nothing differs",
}
"""What is true of the rows of a class, and of none of those before it; A is the older dataset."""

NUM_EXAMPLES = 10
"""Rows shown of a class."""
NO_REASON = "no reason"
TAKEN_BACK = "taken back"


class Side(Record):
    """One of the two datasets."""

    where: str
    kind: Literal["run", "release"]
    name: str | None
    """None for a run, as is the version."""
    version: str | None
    num_rows: int


class SplitSizes(Record):
    """Rows of a split in both datasets, A first; zeros where one has it not."""

    split: str | None
    """None for all rows together, which come first."""
    num_rows: tuple[int, int]
    hours: tuple[float, float]
    num_speakers: tuple[int, int]
    """Distinct ones; rows without a speaker count for none."""


class CaptionLengths(Record):
    """Captions of one granularity in both datasets, A first; lengths in characters, None where there is no caption."""

    granularity: Literal["global", "fine"]
    num_captions: tuple[int, int]
    mean: tuple[float | None, float | None]
    median: tuple[float | None, float | None]
    p95: tuple[float | None, float | None]


class Shift(Record):
    """One value of an attribute of the profile, and the share of rows that have it."""

    attribute: str
    value: str | None
    """None where the profile leaves it open."""
    share_a: float
    share_b: float


class Move(Record):
    """Rows that went from one split to another."""

    split_a: str
    split_b: str
    num_rows: int


class Example(Record):
    """A row that changed, with both texts."""

    segment_id: str
    change: Change
    what: tuple[str, ...]
    """What changed in it, for example `gone: pitch low`, names of columns, or the reason on file."""
    captions_a: tuple[str, ...]
    captions_b: tuple[str, ...]


Level = Literal["patch", "minor", "major"]


class Needed(Record):
    """The version that the rule of Croissant asks for."""

    level: Level
    because: str
    """What made it necessary."""
    lowest: str | None
    """The lowest version allowed; None where A has no version."""


class Differences(Record):
    """All that `fcaps release diff A B` finds."""

    a: Side
    b: Side
    counts: dict[Change, int]
    """Every class, in the order of `CHANGES`; together the rows of the union."""
    removed: dict[str, int]
    """Rows of `removed` by the reason on file in B: `taken back`, a reason of `excluded`, `rejected`, `failed`; or
    `no reason`. Most rows first."""
    added: dict[str, int]
    """Rows of `added` by what A has on file about them, `no reason` where they are new to it. Most rows first."""
    moves: tuple[Move, ...]
    columns: dict[str, int]
    """By column, how many rows of `columns` differ in it; most rows first."""
    new_columns: tuple[str, ...]
    """Columns of `data` that only B has, and the table `candidates` if so."""
    lost_columns: tuple[str, ...]
    """The same for A."""
    splits: tuple[SplitSizes, ...]
    captions: tuple[CaptionLengths, ...]
    shifts: tuple[Shift, ...]
    """Largest difference first; a bounded number."""
    examples: tuple[Example, ...]
    """The largest changes of each class; a bounded number."""
    needed: Needed
    notes: tuple[str, ...] = ()
    """What limits this comparison, a line each."""

    @property
    def num_unexplained(self) -> int:
        """Rows that vanished without a reason."""
        return self.removed.get(NO_REASON, 0)
