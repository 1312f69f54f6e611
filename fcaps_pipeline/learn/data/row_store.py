"""The rows of one source without their sound: written once, then mapped, so that a row costs the reader no memory.

Enters: tables of `ROW_SCHEMA`. Leaves: a folder of arrays with one number per row, all that splits and epochs are made
of, and an Arrow file with texts and where the sound lies, of which single rows are read. Speakers, Recordings, audio
and ids stand as 64-bit hashes: among 18 million values the chance that any two collide is 1 in 100,000.

Shape suffixes: N rows of the store, M chosen rows.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from fcaps_pipeline.learn.data.made_once import mapped_arrays
from fcaps_pipeline.records.captions import Profile
from fcaps_pipeline.release.grouping import NO_KEY, Hashes, hash_text
from fcaps_pipeline.shards.schema import Row, plain_schema

NO_SPEAKER = NO_KEY
"""Stands for a row whose speaker is unknown."""

PROFILE = tuple(Profile.model_fields)
_OF_SHARDS = ("segment_id", "recording_id", "speaker", "tags", "global_captions", "fine_captions", "events", *PROFILE)
ROW_SCHEMA = pa.schema(
    [
        *(pa.field(name, plain_schema("data").field(name).type) for name in _OF_SHARDS),
        pa.field("audio_sha256", pa.string()),
        pa.field("location", pa.string()),
        pa.field("channel", pa.string()),
        pa.field("start_samples", pa.int64()),
        pa.field("end_samples", pa.int64()),
    ]
)
"""`location` is that of the sound, see `audio.location`. Where `channel` is null, it is the FLAC of the row itself;
else the row is what lies in a channel of it from `start_samples` to `end_samples`, at 16 kHz. `audio_sha256` is null
where nobody computed it."""

KEYS = ("segment", "speaker", "recording", "audio")
"""Arrays of hashes."""
_NAMES = {"segment": "segment_id", "speaker": "speaker", "recording": "recording_id", "audio": "audio_sha256"}
_TABLE = "rows.arrow"
_BATCH_ROWS = 2**16

Array = npt.NDArray[Any]


class RowStore:
    """What was written; it travels to other processes as its folder."""

    def __init__(self, folder: Path, arrays: Mapping[str, Array] | None = None) -> None:
        """Opens a folder.

        Args:
            folder: that `write_rows` filled.
            arrays: those in the folder, where they are in memory already.
        """
        self.folder = folder
        self.arrays = mapped_arrays(folder) if arrays is None else dict(arrays)

    def __reduce__(self) -> tuple[object, ...]:
        return RowStore, (self.folder,)

    def __len__(self) -> int:
        return len(self.arrays["num_samples"])

    def contents(self, rows_M: npt.NDArray[np.integer], columns: Sequence[str] | None = None) -> list[Row]:
        """Columns of some rows in any order, all columns without a choice."""
        found: list[Row] = [{}] * len(rows_M)
        batch_M = rows_M // _BATCH_ROWS
        for batch in np.unique(batch_M):
            chosen = np.flatnonzero(batch_M == batch)
            content = self._taken(int(batch), rows_M[chosen], columns).to_pylist()
            for place, row in zip(chosen.tolist(), content, strict=True):
                found[place] = row
        return found

    def tables(self, rows_M: npt.NDArray[np.integer], columns: Sequence[str]) -> Iterator[pa.Table]:
        """Columns of some rows in ascending order, in pieces."""
        batch_M = rows_M // _BATCH_ROWS
        for batch in np.unique(batch_M):
            taken = self._taken(int(batch), rows_M[batch_M == batch], columns)
            yield pa.Table.from_batches([taken])

    def _taken(self, batch: int, rows_M: npt.NDArray[np.integer], columns: Sequence[str] | None) -> pa.RecordBatch:
        stored = self._batches[batch]
        if columns is not None:
            stored = stored.select(list(columns))
        return stored.take(pa.array(rows_M % _BATCH_ROWS))

    @cached_property
    def _batches(self) -> list[pa.RecordBatch]:
        """Mapped: what is not looked at is not in memory."""
        reader = pa.ipc.open_file(pa.memory_map(str(self.folder / _TABLE)))
        return [reader.get_batch(number) for number in range(reader.num_record_batches)]


def write_rows(folder: Path, tables: Iterable[pa.Table]) -> None:
    """Fills a folder with rows, some ten thousand of them in memory at a time.

    Args:
        folder: empty.
        tables: of `ROW_SCHEMA`, in order.
    """
    columns: dict[str, list[Array]] = {name: [] for name in ("num_samples", *KEYS)}
    with pa.OSFile(str(folder / _TABLE), "wb") as file, pa.ipc.new_file(file, ROW_SCHEMA) as writer:
        for batch in _batches(tables):
            writer.write_batch(batch)
            samples = pc.subtract(batch["end_samples"], batch["start_samples"])
            columns["num_samples"].append(samples.to_numpy().astype(np.int32))
            for key in KEYS:
                values = batch[_NAMES[key]]
                columns[key].append(_hashes(_audio_names(batch) if key == "audio" else values))
    for name, pieces in columns.items():
        kind = np.int32 if name == "num_samples" else np.uint64
        np.save(folder / f"{name}.npy", np.concatenate([np.empty(0, kind), *pieces]))
        pieces.clear()


def _batches(tables: Iterable[pa.Table]) -> Iterator[pa.RecordBatch]:
    """The same rows in batches of one size, the last excepted."""
    held, num_held = [ROW_SCHEMA.empty_table()], 0
    for table in tables:
        held.append(table)
        num_held += len(table)
        while num_held >= _BATCH_ROWS:
            whole = pa.concat_tables(held)
            yield _one_batch(whole.slice(0, _BATCH_ROWS))
            held = [whole.slice(_BATCH_ROWS)]
            num_held -= _BATCH_ROWS
    if num_held:
        yield _one_batch(pa.concat_tables(held))


def _one_batch(table: pa.Table) -> pa.RecordBatch:
    return table.combine_chunks().to_batches()[0]


def _audio_names(batch: pa.RecordBatch) -> pa.Array:
    """What tells audio apart: its samples, or else where it lies."""
    sums = batch["audio_sha256"]
    if not sums.null_count:
        return sums
    spans = [pc.cast(batch[name], pa.string()) for name in ("start_samples", "end_samples")]
    places = pc.binary_join_element_wise(batch["location"], pc.fill_null(batch["channel"], ""), *spans, " ")
    return pc.coalesce(sums, places)


def _hashes(column: pa.Array) -> Hashes:
    """64 bits of a hash per value, 0 for null; each distinct value is hashed once."""
    encoded = column.dictionary_encode()
    hashes = [hash_text(value) for value in encoded.dictionary.to_pylist()]
    indices = pc.fill_null(encoded.indices, len(hashes)).to_numpy(zero_copy_only=False)
    hashes_N: Hashes = np.array([*hashes, NO_SPEAKER], np.uint64)[indices]
    return hashes_N
