"""What a check of a release found: a number, its bound, and the first places where it is beyond it."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Protocol

import pyarrow as pa

from fcaps_pipeline.records.base import Record
from fcaps_pipeline.release.layout import ReleaseShard

_LISTED = 5


class Finding(Record):
    """The result of one check."""

    check: str
    found: float
    bound: float
    """The greatest number that is well."""
    is_hard: bool
    """Whether a release that is beyond the bound must not go out; else it is only told."""
    examples: tuple[str, ...] = ()
    """The first places where something is wrong."""

    @property
    def is_ok(self) -> bool:
        """Whether it is within its bound."""
        return self.found <= self.bound

    @property
    def refuses(self) -> bool:
        """Whether the release must not go out because of it."""
        return self.is_hard and not self.is_ok


class RowCheck(Protocol):
    """Looks at the rows of `data` once, in order."""

    columns: tuple[str, ...]
    """What it reads; columns that the release was made without are null."""

    def add(self, shard: ReleaseShard, table: pa.Table) -> None:
        """Takes a stretch of rows of a file."""

    def findings(self) -> Iterator[Finding]:
        """What came out, after all rows."""


class Faults:
    """Counts what is wrong and remembers the first places."""

    def __init__(self) -> None:
        self.count = 0
        self._examples: list[str] = []

    def add(self, examples: Iterable[str], count: int | None = None) -> None:
        """Takes faults, each with its place.

        Args:
            examples: the places.
            count: how many there are; None for as many as places, of which all are looked at then.
        """
        shown = list(islice(examples, _LISTED)) if count is not None else list(examples)
        self.count += len(shown) if count is None else count
        self._examples += shown[: _LISTED - len(self._examples)]

    def finding(self, check: str, *, is_hard: bool) -> Finding:
        """Of a check that wants none."""
        return Finding(check=check, found=self.count, bound=0, is_hard=is_hard, examples=tuple(self._examples))
