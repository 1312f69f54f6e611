"""Recordings as columns: what the plan stores, and what sources that can be read in columns yield.

Enters: Recordings. Leaves: an Arrow table with a row for each, or back. Fields that few Recordings have, and that hold
records themselves, are JSON text.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import TypeAdapter

from fcaps_pipeline.records.audio import AudioFile, AudioWarning, Cut, FileStamp, Recording

Hashes = npt.NDArray[np.uint64]

_JSON: dict[str, TypeAdapter[Any]] = {
    "cuts": TypeAdapter(tuple[Cut, ...]),
    "files": TypeAdapter(tuple[AudioFile, ...]),
    "warnings": TypeAdapter(tuple[AudioWarning, ...]),
}
"""Fields that are JSON text."""
STAMP = pa.struct([("size_bytes", pa.int64()), ("modified_ns", pa.int64()), ("header_sha256", pa.string())])
_KINDS = {
    "duration_s": pa.float64(),
    "tags": pa.list_(pa.string()),
    "stamp": STAMP,
    "source_rate_hz": pa.int32(),
    "num_channels": pa.int32(),
}
"""Fields that are no text."""
_NEEDED = ("recording_id", "location", "source")

RECORDING_SCHEMA = pa.schema(
    [
        *(
            pa.field(name, _KINDS.get(name, pa.string()), nullable=name not in _NEEDED)
            for name in Recording.model_fields
        ),
        pa.field("num_cuts", pa.int32()),
    ]
)
"""The fields of a Recording, and how many Cuts it has; null where a field is None, or has no tag or warning."""


ID_HASH = "id_hash"
"""Column of tables on their way into a plan: see `id_hashes`."""


def with_hashes(table: pa.Table) -> pa.Table:
    """The table with hashes of its ids."""
    return table.append_column(ID_HASH, pa.array(id_hashes(table["recording_id"])))


def table_of(recordings: Sequence[Recording]) -> pa.Table:
    """A row for each Recording."""
    columns = {name: [_stored(name, getattr(one, name)) for one in recordings] for name in Recording.model_fields}
    columns["num_cuts"] = [None if one.cuts is None else len(one.cuts) for one in recordings]
    return pa.table(columns, schema=RECORDING_SCHEMA)


def recordings_of(table: pa.Table) -> Iterator[Recording]:
    """The Recordings of rows; columns without any value cost nothing."""
    names = [name for name in Recording.model_fields if table[name].null_count < len(table)]
    columns = (map(_reader(name), table[name].to_pylist()) for name in names)
    for values in zip(*columns, strict=True):
        yield Recording(**dict(zip(names, values, strict=True)))


def files_of(stored: str) -> tuple[AudioFile, ...]:
    """The files of a Recording, as their column holds them."""
    files: tuple[AudioFile, ...] = _JSON["files"].validate_json(stored)
    return files


def id_hashes(ids: pa.ChunkedArray | pa.Array) -> Hashes:
    """What tells ids in 8 bytes each, the same on every machine."""
    texts = ids.cast(pa.binary()).to_numpy(zero_copy_only=False)
    return np.frombuffer(b"".join([hashlib.blake2b(text, digest_size=8).digest() for text in texts]), "<u8")


def _stored(name: str, value: Any) -> Any:
    if name in _JSON:
        return None if value is None or (name == "warnings" and not value) else _JSON[name].dump_json(value).decode()
    if name == "stamp":
        return None if value is None else value.model_dump()
    return list(value) or None if name == "tags" else value


def _reader(name: str) -> Callable[[Any], Any]:
    if name in _JSON:
        adapter, empty = _JSON[name], () if name == "warnings" else None
        return lambda text: empty if text is None else adapter.validate_json(text)
    if name == "stamp":
        return lambda value: None if value is None else FileStamp(**value)
    return (lambda tags: tuple(tags or ())) if name == "tags" else _same


def _same(value: Any) -> Any:
    return value
