"""What is to be taken back, and whether there is such a thing."""

from collections.abc import Iterator
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from fcaps_pipeline.records.base import Record
from fcaps_pipeline.shards.layout import OUTCOME_TABLES, RunLayout
from fcaps_pipeline.shards.plan import load_tables
from fcaps_pipeline.shards.reader import read_commits, read_unit_columns
from fcaps_pipeline.shards.recording_table import recordings_of
from fcaps_pipeline.shards.tombstones import COLUMN_OF, Tombstone, Tombstones

What = Literal["speaker", "recording", "segment", "source", "license"]


class Request(Record):
    """What somebody asks to be taken back."""

    what: What
    values: tuple[str, ...]
    reason: str

    def tombstone(self, tombstones: Tombstones, value: str) -> Tombstone:
        """The entry of a value of the request."""
        return Tombstone(what=self.what, digest=tombstones.digest(self.what, value), reason=self.reason)


def unmatched(layout: RunLayout, request: Request) -> set[str]:
    """Values that neither the plan of a run nor its tables know; nothing more is read once all are met."""
    left = set(request.values)
    for column in _columns(layout, request):
        found = pc.unique(column.filter(pc.is_in(column, value_set=pa.array(left, pa.string())))).to_pylist()
        left -= set(found)
        if not left:
            break
    return left


def _columns(layout: RunLayout, request: Request) -> Iterator[pa.ChunkedArray]:
    """Where a value of the kind may stand."""
    name = COLUMN_OF[request.what]
    for table in load_tables(layout):
        if name in table.column_names:
            yield table[name]
        if request.what == "speaker":
            declared = recordings_of(table.filter(table["cuts"].is_valid()))
            yield pa.chunked_array([[cut.speaker for one in declared for cut in one.cuts or ()]], pa.string())
    for commit in read_commits(layout):
        for table in OUTCOME_TABLES:
            yield read_unit_columns(layout, commit, table, [name])[name]
