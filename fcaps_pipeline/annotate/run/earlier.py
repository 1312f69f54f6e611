"""What an earlier attempt at a unit has that need not be done again: its rows, read once, in their order.

Enters: the commit record of that attempt. Leaves: rows of Segments that were answered, taken over as they are, and
which Recordings are whole. The order of a unit never changes, so one pass over each file is enough.
"""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet

from fcaps_pipeline.shards.layout import RecordingOutcome, RunLayout, Table, UnitCommit
from fcaps_pipeline.shards.outcomes import read_outcomes
from fcaps_pipeline.shards.reader import read_unit_rows
from fcaps_pipeline.shards.schema import Row
from fcaps_pipeline.shards.writer import UnitWriter

_ANSWERED: tuple[Table, ...] = ("data", "rejections")


class EarlierAttempt:
    """One attempt; Recordings and Segments are asked for in the order of the unit."""

    def __init__(self, layout: RunLayout, commit: UnitCommit) -> None:
        """Reads which Segments were answered, and what failed."""
        ids = ["segment_id", "recording_id"]
        failures = list(read_unit_rows(layout, commit, "failures", ids))
        self._failed = {row["recording_id"] for row in failures}
        self._unreadable = {row["recording_id"] for row in failures if row["segment_id"] is None}
        answered = [row for table in _ANSWERED for row in read_unit_rows(layout, commit, table, ids)]
        self._answered = {
            row["segment_id"]: row["recording_id"] for row in answered if row["recording_id"] not in self._unreadable
        }
        self._outcomes = {one.recording_id: one for one in read_outcomes(layout, commit)}
        self._tables = [_Rows(layout, commit, table) for table in (*_ANSWERED, "candidates")]

    def whole(self, recording_id: str) -> RecordingOutcome | None:
        """What became of a Recording of which nothing failed; None of any other."""
        return None if recording_id in self._failed else self._outcomes.get(recording_id)

    def was_unreadable(self, recording_id: str) -> bool:
        """Whether the Recording itself failed: all of it is done again, from the file as it is now."""
        return recording_id in self._unreadable

    def has(self, segment_id: str) -> bool:
        """Whether a Segment was answered and stays as it is."""
        return segment_id in self._answered

    def carry(self, segment_id: str, writer: UnitWriter) -> None:
        """Hands the rows of an answered Segment to a writer."""
        self._carry({segment_id}, writer)

    def carry_recording(self, recording_id: str, writer: UnitWriter) -> None:
        """Hands all rows of a whole Recording to a writer."""
        self._carry({one for one, other in self._answered.items() if other == recording_id}, writer)

    def _carry(self, segment_ids: AbstractSet[str], writer: UnitWriter) -> None:
        for rows in self._tables:
            for row in rows.of(segment_ids):
                writer.carry(rows.table, row)


class _Rows:
    """The rows of one table, each given at most once."""

    def __init__(self, layout: RunLayout, commit: UnitCommit, table: Table) -> None:
        self.table = table
        self._ids = {row["segment_id"] for row in read_unit_rows(layout, commit, table, ["segment_id"])}
        self._rows = read_unit_rows(layout, commit, table)
        self._next = next(self._rows, None)

    def of(self, segment_ids: AbstractSet[str]) -> Iterator[Row]:
        """Rows of these Segments, which stand together; those before them are done again, and passed over."""
        if self._ids.isdisjoint(segment_ids):
            return
        while self._next is not None and self._next["segment_id"] not in segment_ids:
            self._next = next(self._rows, None)
        while self._next is not None and self._next["segment_id"] in segment_ids:
            yield self._next
            self._next = next(self._rows, None)
