"""The files of a plan: one row for each Recording, in the order of the units, with the index of its unit.

Enters: tables of Recordings with their units. Leaves: a Parquet file, hashed while it is written, and units read back
one at a time. Row groups of a file know by their statistics which units they hold, so that a few are found without
reading the others.
"""

import hashlib
import io
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from contextlib import suppress
from types import TracebackType
from typing import Self, cast
from uuid import uuid4

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from fcaps_pipeline.records.annotations import WorkUnit
from fcaps_pipeline.records.audio import AudioFile, Recording
from fcaps_pipeline.records.base import Record
from fcaps_pipeline.shards.id_index import write_id_index
from fcaps_pipeline.shards.layout import RunLayout
from fcaps_pipeline.shards.reader import open_parquet
from fcaps_pipeline.shards.recording_table import ID_HASH, RECORDING_SCHEMA, Hashes, files_of, recordings_of
from fcaps_pipeline.storage.files import HashedFile, writing
from fcaps_pipeline.storage.path import StorePath

_UNIT = "unit_index"
_SCHEMA = pa.schema([pa.field(_UNIT, pa.int32(), nullable=False), *RECORDING_SCHEMA])
_GROUP_ROWS = 32_768
_GROUP_BYTES = 64_000_000
"""In memory; Recordings with thousands of Cuts fill a row group earlier."""
_CODED = ("speaker", "speaker_gender", "language", "license", "corpus", "shard", "tags.list.element")
"""Columns whose values repeat."""


class PlanFile(Record):
    """One file of a plan."""

    path: str
    """Relative to the run folder."""
    num_rows: int
    num_bytes: int
    sha256: str


class PlanFileWriter:
    """A file of a plan in the making: it counts when the plan names it."""

    def __init__(self, layout: RunLayout, number: int, *, replaces: bool = False) -> None:
        """Begins a file, in place of one that a killed process left.

        Args:
            layout: of the run.
            number: of the file, counted from 1.
            replaces: whether a file of this number counts, and goes on to count until the plan names this one.
        """
        self._layout, self._number, self._replaces = layout, number, replaces
        self._path = layout.scratch / f"plan-{number:05d}-{uuid4().hex}.parquet"
        self._waiting: list[pa.Table] = []
        self._num_waiting = 0
        self._hashes: list[Hashes] = []
        self._units: list[npt.NDArray[np.int32]] = []
        self.num_rows = 0

    def __enter__(self) -> Self:
        with writing(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = HashedFile(self._path)
            self._writer = pq.ParquetWriter(
                self._file, _SCHEMA, compression="zstd", compression_level=1, use_dictionary=list(_CODED)
            )
        return self

    def write(self, units: npt.NDArray[np.int32], table: pa.Table) -> None:
        """Takes Recordings, with hashes of their ids, and the unit of each.

        Raises:
            OutputError: the file cannot be written.
        """
        self._hashes.append(table[ID_HASH].to_numpy())
        self._units.append(units)
        self._waiting.append(table.drop_columns(ID_HASH).add_column(0, _SCHEMA.field(_UNIT), pa.array(units)))
        self._num_waiting += len(table)
        self.num_rows += len(table)
        while self._num_waiting >= _GROUP_ROWS or (
            self._num_waiting and sum(one.nbytes for one in self._waiting) > _GROUP_BYTES
        ):
            self._flush()

    def finish(self) -> PlanFile:
        """The whole file, durable, and the index of its ids.

        Raises:
            OutputError: the file cannot be written.
        """
        with writing(self._path):
            while self._num_waiting:
                self._flush()
            self._writer.close()
            num_bytes, sha256 = self._file.finish()
        if self.num_rows or self._replaces:
            hashes = np.concatenate([*self._hashes, np.empty(0, np.uint64)])
            units = np.concatenate([*self._units, np.empty(0, np.int32)])
            self._hashes, self._units = [], []
            write_id_index(self._layout, self._number, hashes, units)
        path = self._layout.plan_file(self._number, sha256 if self._replaces else None)
        path.put_file(self._path)
        return PlanFile(
            path=f"{path.parent.name}/{path.name}", num_rows=self.num_rows, num_bytes=num_bytes, sha256=sha256
        )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._file.closed:
            # Closing writes a footer. Where that fails, nobody misses it: no plan names the file.
            with suppress(OSError):
                self._writer.close()
            self._file.close()
        self._path.unlink(missing_ok=True)

    def _flush(self) -> None:
        table = pa.concat_tables(self._waiting)
        with writing(self._path):
            self._writer.write_table(table.slice(0, _GROUP_ROWS).cast(_SCHEMA), row_group_size=_GROUP_ROWS)
        rest = table.slice(_GROUP_ROWS)
        self._waiting, self._num_waiting = [rest] if len(rest) else [], len(rest)


def read_units(path: StorePath, without: AbstractSet[int], only: AbstractSet[int] | None) -> Iterator[WorkUnit]:
    """Units of a file in order, leaving out those whose index is in `without`, or is not in `only`."""
    unit_index, recordings = -1, list[Recording]()
    with open_parquet(path) as file:
        for group in range(file.num_row_groups):
            wanted = [one for one in _units_in(file, group) if one not in without and (only is None or one in only)]
            table = file.read_row_group(group) if wanted else _SCHEMA.empty_table()
            rows_of = table[_UNIT].to_numpy()
            for one in wanted:
                if one != unit_index:
                    yield from _unit(unit_index, recordings)
                    unit_index, recordings = one, []
                start, end = np.searchsorted(rows_of, [one, one + 1])
                recordings += recordings_of(table.slice(start, end - start))
    yield from _unit(unit_index, recordings)


def units_of(path: StorePath) -> set[int]:
    """Units that a file holds Recordings of."""
    found = set[int]()
    with open_parquet(path) as file:
        for batch in file.iter_batches(columns=[_UNIT]):
            found.update(np.unique(batch[_UNIT].to_numpy()).tolist())
    return found


def read_tables(path: StorePath) -> Iterator[pa.Table]:
    """Recordings of a file in order, a row group at a time."""
    with open_parquet(path) as file:
        for group in range(file.num_row_groups):
            yield file.read_row_group(group)


def lengths_by_unit(path: StorePath, num_units: int) -> npt.NDArray[np.float64]:
    """Audio of each unit that the rows of a file tell, in seconds; 0 for units of other files."""
    lengths_s = np.zeros(num_units)
    with open_parquet(path) as file:
        for batch in file.iter_batches(columns=[_UNIT, "duration_s"]):
            known_s = np.nan_to_num(batch["duration_s"].to_numpy(zero_copy_only=False))
            lengths_s += np.bincount(batch[_UNIT].to_numpy(), known_s, num_units)
    return lengths_s


def channel_maps(path: StorePath) -> Iterator[tuple[str, tuple[AudioFile, ...]]]:
    """Ids and files of the Recordings whose channels are not simply the rows of one file."""
    with open_parquet(path) as file:
        for batch in file.iter_batches(columns=["recording_id", "files"]):
            for row in batch.filter(batch["files"].is_valid()).to_pylist():
                yield row["recording_id"], files_of(row["files"])


def is_as_written(root: StorePath, file: PlanFile) -> bool:
    """Whether a file is still what was recorded."""
    with (root / file.path).open() as opened:
        return hashlib.file_digest(cast("io.BufferedReader", opened), "sha256").hexdigest() == file.sha256


def _units_in(file: pq.ParquetFile, group: int) -> range:
    bounds = file.metadata.row_group(group).column(0).statistics
    return range(bounds.min, bounds.max + 1)


def _unit(unit_index: int, recordings: list[Recording]) -> Iterator[WorkUnit]:
    if recordings:
        yield WorkUnit(unit_index=unit_index, recordings=tuple(recordings))
