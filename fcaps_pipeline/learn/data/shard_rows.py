"""Rows of runs, releases and Parquet files with the columns of `data`, as stores hold them.

Enters: files. Leaves: tables of `ROW_SCHEMA`. Of sound in the rows only the place of its bytes is read; rows that refer
to their audio say where it lies, and in which channel.
"""

from collections.abc import Collection, Iterator, Sequence
from itertools import repeat
from typing import BinaryIO, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from fcaps_pipeline.annotate.run.unit_soundness import side_by_side
from fcaps_pipeline.audio.location import FilePart, location_in, location_of
from fcaps_pipeline.errors import CorruptRunError, UsageError
from fcaps_pipeline.learn.data.row_store import PROFILE, ROW_SCHEMA
from fcaps_pipeline.learn.data.value_ranges import value_ranges
from fcaps_pipeline.release.dataset import Dataset, index_of
from fcaps_pipeline.shards.reader import open_parquet, reading
from fcaps_pipeline.shards.schema import with_all_columns
from fcaps_pipeline.storage.path import StorePath

_SOUND = "audio.bytes"
_MAY_LACK = frozenset({"events", *PROFILE})
"""Without them a row is usable."""
NEEDED_COLUMNS = frozenset({*ROW_SCHEMA.names, "audio"}) - _MAY_LACK
_MAX_SAMPLES = 2**31 - 1


class RowFile(NamedTuple):
    """A Parquet file of rows."""

    path: StorePath
    num_rows: int | None = None
    """As an index records it; None without one."""
    index_name: str = ""
    """Of the index, for messages."""


def dataset_files(dataset: Dataset, splits: Collection[str] | None) -> list[RowFile]:
    """Files of rows, in order.

    Args:
        dataset: a run or a release.
        splits: of a release, those whose rows are wanted; None for all.

    Raises:
        UsageError: it has none of the splits.
    """
    parts = list(dataset.parts())
    if splits is not None:
        known = {part.split for part in parts} - {None}
        if not known & set(splits):
            found = (
                f"its splits are {', '.join(sorted(filter(None, known)))}" if known else "it is a run without splits"
            )
            raise UsageError(f"{dataset.root} has no split {' or '.join(splits)}: {found}; correct data.splits")
        parts = [part for part in parts if part.split in splits]
    index = index_of(dataset.root).name
    files = [part.files["data"] for part in parts if "data" in part.files]
    return [RowFile(dataset.root / file.path, file.num_rows, index) for file in files]


def are_shards(path: StorePath) -> bool:
    """Whether a Parquet file has the columns of `data`.

    Raises:
        CorruptRunError: it cannot be read.
    """
    with reading(path), open_parquet(path) as parquet:
        return set(parquet.schema_arrow.names) >= NEEDED_COLUMNS


def rows_of_files(files: Sequence[RowFile]) -> Iterator[pa.Table]:
    """Rows of all files, in order.

    Raises:
        CorruptRunError: a file is missing or damaged, lacks a column, or has other rows than its index records.
        UsageError: the sound in its rows is compressed.
    """
    for tables in side_by_side(_rows_of_file, files):
        yield from tables


def _rows_of_file(file: RowFile) -> list[pa.Table]:
    path = file.path
    with reading(path), open_parquet(path) as parquet, path.open() as content:
        missing = sorted(NEEDED_COLUMNS - set(parquet.schema_arrow.names))
        if missing:
            raise CorruptRunError(
                f"{path} has no column {missing[0]}: it was not written by this version; write it again, or give the "
                "folder that `fcaps annotate` or `fcaps release build` wrote"
            )
        if file.num_rows not in {None, parquet.metadata.num_rows}:
            raise CorruptRunError(
                f"{path} has {parquet.metadata.num_rows} rows, {file.index_name} records {file.num_rows}; restore the "
                f"file, `fcaps verify {path.parent.parent}` checks all of them"
            )
        return [_rows_of_group(path, parquet, content, group) for group in range(parquet.num_row_groups)]


def _rows_of_group(path: StorePath, parquet: pq.ParquetFile, content: BinaryIO, group: int) -> pa.Table:
    names = [name for name in ROW_SCHEMA.names if name in parquet.schema_arrow.names]
    with reading(path, group):
        table = parquet.read_row_group(group, columns=names, use_threads=False)
    table = with_all_columns("data", table, ROW_SCHEMA.names).select(ROW_SCHEMA.names)
    lengths = pc.subtract(table["end_samples"], table["start_samples"])
    is_sound = pc.and_(pc.greater(lengths, 0), pc.less_equal(lengths, _MAX_SAMPLES))
    if not pc.all(pc.fill_null(is_sound, fill_value=False)).as_py():
        raise CorruptRunError(f"{path}: row group {group} has a row without start and end; write the run again")
    with reading(path, group):
        ranges = value_ranges(content, parquet.metadata, group, _SOUND, str(path))
    is_embedded = pa.array(ranges.num_bytes_N > 0)
    file = location_of(path if path.local is None else path.local)
    called = (f"{name}.flac" for name in table["segment_id"].to_pylist())
    parts = map(FilePart, repeat(file), called, ranges.offset_N.tolist(), ranges.num_bytes_N.tolist())
    places = [location_in(part) if part.num_bytes else None for part in parts]
    columns = {name: table[name] for name in ROW_SCHEMA.names}
    columns["location"] = pc.if_else(is_embedded, pa.array(places, pa.string()), table["location"])
    columns["channel"] = pc.if_else(is_embedded, pa.scalar(None, pa.string()), pc.cast(table["channel"], pa.string()))
    return pa.table(columns).cast(ROW_SCHEMA)
