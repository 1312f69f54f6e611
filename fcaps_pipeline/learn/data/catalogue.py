"""What the rows of finished runs and releases are, in 40 bytes each: all that splits and epochs are made of.

Enters: their folders. Leaves: a `Catalogue` of numpy arrays with one entry per
row. Only light columns are read; audio and captions stay in the shards until a batch needs them.
Speakers, Recordings and audio stand as 64-bit hashes: among 18 million values the chance that any
two collide is 1 in 100,000.

Shape suffixes: N rows of the catalogue, M rows of a selection.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from fcaps_pipeline.errors import CorruptRunError, UsageError
from fcaps_pipeline.learn.data.row_groups import read_row_group
from fcaps_pipeline.records.audio import SAMPLE_RATE_HZ
from fcaps_pipeline.records.base import Record
from fcaps_pipeline.release.dataset import Dataset, index_of, open_dataset
from fcaps_pipeline.release.grouping import NO_KEY, Hashes, hash_text
from fcaps_pipeline.shards.layout import ShardFile
from fcaps_pipeline.shards.reader import open_parquet, reading
from fcaps_pipeline.storage.path import StorePath, Where, store_path

NO_SPEAKER = NO_KEY
"""Stands for a row whose speaker is unknown."""

_COLUMNS = ("start_samples", "end_samples", "speaker", "recording_id", "audio_sha256")
_NEEDED_COLUMNS = frozenset({*_COLUMNS, "segment_id", "audio", "tags", "global_captions", "fine_captions", "events"})

_Int32s = npt.NDArray[np.int32]


class RowNames(Record):
    """What a row is called, for messages."""

    segment_id: str
    speaker: str | None
    recording_id: str
    shard: str
    """Its path or address."""


@dataclass(frozen=True)
class Catalogue:
    """Rows in the order in which they stand in the folders, the shards and the row groups."""

    shards: tuple[StorePath, ...]
    shard_N: _Int32s
    """Position in `shards`."""
    row_group_N: _Int32s
    row_N: _Int32s
    """Position in the row group."""
    num_samples_N: _Int32s
    """Length of the Segment at 16 kHz."""
    speaker_N: Hashes
    """`NO_SPEAKER` where it is unknown."""
    recording_N: Hashes
    audio_N: Hashes
    """Equal for rows with the same samples."""

    def __len__(self) -> int:
        return len(self.shard_N)

    @property
    def duration_s(self) -> float:
        """Length of all Segments together."""
        return int(self.num_samples_N.sum(dtype=np.int64)) / SAMPLE_RATE_HZ

    def take(self, rows_M: npt.NDArray[np.integer]) -> "Catalogue":
        """The chosen rows, which must ascend, as a catalogue of their own."""
        return replace(
            self,
            shard_N=self.shard_N[rows_M],
            row_group_N=self.row_group_N[rows_M],
            row_N=self.row_N[rows_M],
            num_samples_N=self.num_samples_N[rows_M],
            speaker_N=self.speaker_N[rows_M],
            recording_N=self.recording_N[rows_M],
            audio_N=self.audio_N[rows_M],
        )

    def row_group_starts(self) -> npt.NDArray[np.int64]:
        """Where in the catalogue each row group begins, and at the end the number of rows."""
        changes = (np.diff(self.shard_N) != 0) | (np.diff(self.row_group_N) != 0)
        first = [0] if len(self) else []
        return np.concatenate([first, np.flatnonzero(changes) + 1, [len(self)]]).astype(np.int64)

    def names(self, row: int) -> RowNames:
        """Reads what a row is called.

        Raises:
            CorruptRunError: its row group cannot be read.
        """
        shard = self.shards[self.shard_N[row]]
        table = read_row_group(shard, int(self.row_group_N[row]), ["segment_id", "speaker", "recording_id"])
        return RowNames(**table.slice(int(self.row_N[row]), 1).to_pylist()[0], shard=str(shard))


def read_catalogue(datasets: Sequence[Where], splits: Collection[str] | None = None) -> Catalogue:
    """Lists all rows of one or more finished runs and releases.

    Args:
        datasets: their folders.
        splits: of releases, the splits whose rows are listed; None for all.

    Raises:
        UsageError: a folder does not exist, or stands there twice; a release has none of the splits, or a run is asked
            for one.
        CorruptRunError: one is not finished or of another schema version, or a shard is missing or damaged.
    """
    roots = [store_path(where) for where in datasets]
    for position, root in enumerate(roots):
        if root.local is not None and not root.local.is_dir():
            raise UsageError(
                f"folder {root} does not exist; give the --out folder of `fcaps annotate` or of `fcaps release build`"
            )
        if root in roots[:position]:
            raise UsageError(f"folder {root} is given twice; name it once")
    files = [(one, file) for one in map(open_dataset, roots) for file in _files(one, splits)]
    parts = [part for shard, (one, file) in enumerate(files) for part in _shard_parts(one, file, shard)]
    columns = zip(*parts, strict=True) if parts else [[] for _ in range(7)]
    types = [np.int32, np.int32, np.int32, np.int32, np.uint64, np.uint64, np.uint64]
    arrays = [np.concatenate([np.empty(0, kind), *column]) for column, kind in zip(columns, types, strict=True)]
    return Catalogue(tuple(one.root / file.path for one, file in files), *arrays)


def _files(dataset: Dataset, splits: Collection[str] | None) -> list[ShardFile]:
    """Files of rows, in order."""
    parts = list(dataset.parts())
    if splits is not None:
        known = {part.split for part in parts} - {None}
        if not known & set(splits):
            found = (
                f"its splits are {', '.join(sorted(filter(None, known)))}" if known else "it is a run without splits"
            )
            raise UsageError(f"{dataset.root} has no split {' or '.join(splits)}: {found}; correct data.splits")
        parts = [part for part in parts if part.split in splits]
    return [part.files["data"] for part in parts if "data" in part.files]


def _shard_parts(dataset: Dataset, file: ShardFile, shard: int) -> list[tuple[npt.NDArray[np.generic], ...]]:
    """The columns of a catalogue, in their order, for each row group of a shard."""
    path = dataset.root / file.path
    with reading(path), open_parquet(path) as parquet:
        names, num_rows, num_row_groups = parquet.schema_arrow.names, parquet.metadata.num_rows, parquet.num_row_groups
    missing = sorted(_NEEDED_COLUMNS - set(names))
    if missing:
        raise CorruptRunError(
            f"{path} has no column {missing[0]}: it was not written by this version; write it again, or give the "
            "folder that `fcaps annotate` or `fcaps release build` wrote"
        )
    if num_rows != file.num_rows:
        raise CorruptRunError(
            f"{path} has {num_rows} rows, {index_of(dataset.root).name} records {file.num_rows}; restore the file, "
            f"`fcaps verify {dataset.root}` checks all of them"
        )
    return [_row_group_part(path, shard, row_group) for row_group in range(num_row_groups)]


def _row_group_part(path: StorePath, shard: int, row_group: int) -> tuple[npt.NDArray[np.generic], ...]:
    table = read_row_group(path, row_group, _COLUMNS)
    count = table.num_rows
    with reading(path, row_group):
        num_samples = pc.cast(pc.subtract(table["end_samples"], table["start_samples"]), pa.int32())
        hashes = [_hashes(table[name]) for name in ("speaker", "recording_id", "audio_sha256")]
    if num_samples.null_count or pc.any(pc.less_equal(num_samples, 0)).as_py():
        raise CorruptRunError(f"{path}: row group {row_group} has a row without start and end; write the run again")
    return (
        np.full(count, shard, np.int32),
        np.full(count, row_group, np.int32),
        np.arange(count, dtype=np.int32),
        num_samples.to_numpy(),
        *hashes,
    )


def _hashes(column: pa.ChunkedArray) -> Hashes:
    """64 bits of a hash per value, 0 for null; each distinct value is hashed once."""
    encoded = column.combine_chunks().dictionary_encode()
    hashes = [hash_text(value) for value in encoded.dictionary.to_pylist()]
    indices = pc.fill_null(encoded.indices, len(hashes)).to_numpy(zero_copy_only=False)
    hashes_N: Hashes = np.array([*hashes, NO_SPEAKER], np.uint64)[indices]
    return hashes_N
