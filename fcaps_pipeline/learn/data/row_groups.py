"""Reads single row groups of shards, and keeps the last few of them in memory.

Enters: the path of a shard and the number of a row group. Leaves: an Arrow table of the wanted
columns, or rows of it. What cannot be read is one clear error that names file and row group.
"""

from collections import OrderedDict
from collections.abc import Sequence

import pyarrow as pa

from fcaps_pipeline.errors import CorruptRunError
from fcaps_pipeline.shards.reader import open_parquet, reading
from fcaps_pipeline.shards.schema import Row
from fcaps_pipeline.storage.path import Where, store_path


def read_row_group(shard: Where, row_group: int, columns: Sequence[str]) -> pa.Table:
    """Reads one row group; columns that the shard does not have are left out.

    Raises:
        CorruptRunError: the file is missing, damaged or has no such row group.
    """
    path = store_path(shard)
    with reading(path, row_group), open_parquet(path) as parquet:
        if row_group >= parquet.num_row_groups:
            raise CorruptRunError(
                f"{shard} has {parquet.num_row_groups} row groups, row group {row_group} is wanted: the file was "
                "replaced while it was in use; start again"
            )
        return parquet.read_row_group(row_group, columns=list(columns), use_threads=False)


class RowGroupCache:
    """The row groups read last, with the wanted columns only."""

    def __init__(self, shards: Sequence[Where], columns: Sequence[str]) -> None:
        self._shards = [store_path(shard) for shard in shards]
        self._columns = tuple(columns)
        self._tables: OrderedDict[tuple[int, int], pa.Table] = OrderedDict()

    def rows(self, shard: int, row_group: int, rows: Sequence[int], *, keep: int) -> list[Row]:
        """Rows of one row group in the order asked for.

        Args:
            shard: position of the file among the shards.
            row_group: number of the row group in the file.
            rows: numbers of the rows in the row group.
            keep: row groups that may stay in memory, this one included.

        Raises:
            CorruptRunError: the row group cannot be read.
        """
        table = self._table(shard, row_group, keep)
        with reading(self._shards[shard], row_group):
            content: list[Row] = table.take(list(rows)).to_pylist()
        return content

    @property
    def num_row_groups(self) -> int:
        """Row groups in memory."""
        return len(self._tables)

    def _table(self, shard: int, row_group: int, keep: int) -> pa.Table:
        key = (shard, row_group)
        if key in self._tables:
            self._tables.move_to_end(key)
        while len(self._tables) > keep - (key not in self._tables):
            self._tables.popitem(last=False)
        if key not in self._tables:
            self._tables[key] = read_row_group(self._shards[shard], row_group, self._columns)
        return self._tables[key]
