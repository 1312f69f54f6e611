"""Reads single row groups of shards, keeps the last few of them in memory, and reads the next few ahead.

Enters: the path of a shard and the number of a row group. Leaves: an Arrow table of the wanted
columns, or rows of it. What cannot be read is one clear error that names file and row group.
"""

from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property

import pyarrow as pa

from fcaps_pipeline.errors import CorruptRunError
from fcaps_pipeline.shards.reader import open_parquet, reading
from fcaps_pipeline.shards.schema import Row
from fcaps_pipeline.storage.path import Where, store_path

_THREADS = 2

Place = tuple[int, int]
"""Position of a file among the shards, and number of a row group in it."""


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
    """The row groups read last and those expected next, with the wanted columns only."""

    def __init__(self, shards: Sequence[Where], columns: Sequence[str]) -> None:
        self._shards = [store_path(shard) for shard in shards]
        self._columns = tuple(columns)
        self._tables: OrderedDict[Place, pa.Table] = OrderedDict()
        self._coming: dict[Place, Future[pa.Table]] = {}

    def expect(self, places: Sequence[Place]) -> None:
        """Says what will be asked for, in place of what was said before; what is not in memory is read meanwhile.

        What cannot be read is an error for who asks for it.

        Args:
            places: in the order in which they are needed.
        """
        for place in self._coming.keys() - set(places):
            self._coming.pop(place).cancel()
        for place in places:
            if place not in self._tables and place not in self._coming:
                self._coming[place] = self._threads.submit(self._read, place)

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
        table = self._table((shard, row_group), keep)
        with reading(self._shards[shard], row_group):
            content: list[Row] = table.take(list(rows)).to_pylist()
        return content

    @property
    def num_row_groups(self) -> int:
        """Row groups in memory, without those that nobody asked for yet."""
        return len(self._tables)

    def _table(self, place: Place, keep: int) -> pa.Table:
        if place in self._tables:
            self._tables.move_to_end(place)
        while len(self._tables) > keep - (place not in self._tables):
            self._tables.popitem(last=False)
        if place not in self._tables:
            coming = self._coming.pop(place, None)
            self._tables[place] = self._read(place) if coming is None else coming.result()
        return self._tables[place]

    def _read(self, place: Place) -> pa.Table:
        shard, row_group = place
        return read_row_group(self._shards[shard], row_group, self._columns)

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        """Started in the process that reads."""
        return ThreadPoolExecutor(_THREADS, thread_name_prefix="row-groups")
