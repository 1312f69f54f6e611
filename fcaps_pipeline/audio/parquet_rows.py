"""Sound that stands in rows of a Parquet file, as Hugging Face datasets keep it.

Enters: a ParquetRow. Leaves: its bytes. The column of a row group is read once and kept until two others were asked
for: neighbouring rows are asked for together. What a row group holds of it is bounded, whatever its file promises.
"""

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import PurePath
from threading import Lock
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from fcaps_pipeline.audio.byte_source import ByteSource, MemoryBytes, open_file
from fcaps_pipeline.audio.location import ParquetRow, shown_name
from fcaps_pipeline.audio.view import FileView
from fcaps_pipeline.errors import RecordingError

BATCH_ROWS = 16
"""Read at once of a column of sound."""
DAMAGE = (pa.ArrowException, OSError, UnicodeDecodeError)
"""What Arrow raises over a damaged file, and whatever its view raised."""
_MAX_COLUMN_BYTES = 2_000_000_000
"""Of one row group, in memory; writers of audio make them a tenth as large."""
_KEPT = 2
"""Two, so that threads at the border of two row groups do not read both again and again."""

_Key = tuple[str, str, int, int, int | None]


def read_row(row: ParquetRow) -> ByteSource:
    """The bytes in a row.

    Raises:
        MissingFileError: there is no such file.
        StorageError: the storage fails.
        RecordingError: the file or the row group is damaged, has no such row, or holds no sound there.
    """
    source = open_file(row.file)
    where = f"row {row.row} of row group {row.row_group} in {source.name}"
    with closing(source):
        column = _columns.get(row, source)
    if row.row >= len(column):
        raise RecordingError(f"{where}: the row group ends with row {len(column) - 1}; list the source anew")
    content, path = _sound(column[row.row])
    if not content:
        raise RecordingError(f"{where} holds no bytes in column {row.column}; take it out of the source")
    shown = f"{where} ({shown_name(path)})" if path else where
    return MemoryBytes(content, shown, PurePath(path).suffix.lower(), source.modified_ns)


def sound_columns(schema: pa.Schema) -> list[str]:
    """Columns that hold sound as `datasets` writes it: structs of bytes and path."""
    return [field.name for field in schema if pa.types.is_struct(field.type) and _has_bytes(field.type)]


def can_hold_sound(kind: pa.DataType) -> bool:
    """Whether values of a type are sound: bytes, or a struct that has them."""
    return _is_binary(kind) or (pa.types.is_struct(kind) and _has_bytes(kind))


class OpenParquet(NamedTuple):
    """A Parquet file and the view that it is read through."""

    file: pq.ParquetFile
    view: FileView


@contextmanager
def opened_parquet(source: ByteSource) -> Iterator[OpenParquet]:
    """A Parquet file that is read through a ByteSource; what Arrow says of damage is told in one line.

    Args:
        source: closed by the caller.

    Raises:
        StorageError: the storage fails.
        RecordingError: it is no Parquet file, or a damaged one.
    """
    view = FileView(source)
    try:
        yield OpenParquet(pq.ParquetFile(pa.PythonFile(view, mode="r")), view)
    except DAMAGE as error:
        if view.error is not None:
            raise view.error from error
        cause = " ".join(str(error).split())
        raise RecordingError(f"{source.name} cannot be read as Parquet ({cause}); write or copy it again") from error


class _Columns:
    """The columns of row groups that were asked for last; threads wait for each other."""

    def __init__(self) -> None:
        self._kept: OrderedDict[_Key, pa.ChunkedArray] = OrderedDict()
        self._lock = Lock()

    def get(self, row: ParquetRow, source: ByteSource) -> pa.ChunkedArray:
        key = (row.file, row.column, row.row_group, source.num_bytes, source.modified_ns)
        with self._lock:
            if key not in self._kept:
                while len(self._kept) >= _KEPT:
                    self._kept.popitem(last=False)
                self._kept[key] = _read_column(row, source)
            self._kept.move_to_end(key)
            return self._kept[key]


_columns = _Columns()


def _read_column(row: ParquetRow, source: ByteSource) -> pa.ChunkedArray:
    with opened_parquet(source) as opened:
        parquet = opened.file
        schema = parquet.schema_arrow
        if row.column not in schema.names or not can_hold_sound(schema.field(row.column).type):
            raise RecordingError(f"{source.name} has no column {row.column!r} of sound; correct the source")
        if row.row_group >= parquet.num_row_groups:
            raise RecordingError(f"{source.name} has no row group {row.row_group}; list the source anew")
        chunks, num_bytes = [], 0
        for batch in parquet.iter_batches(BATCH_ROWS, [row.row_group], [row.column], use_threads=False):
            num_bytes += batch.nbytes
            if num_bytes > _MAX_COLUMN_BYTES:
                raise RecordingError(
                    f"{source.name}: row group {row.row_group} holds more than {_MAX_COLUMN_BYTES:,} bytes of sound; "
                    "write it with smaller row groups"
                )
            chunks.append(batch.column(0))
        return pa.chunked_array(chunks, schema.field(row.column).type)


def _sound(value: Any) -> tuple[memoryview | None, str]:
    """Bytes and path of one value."""
    is_struct = pa.types.is_struct(value.type)
    content = value["bytes"] if is_struct and value.is_valid else value
    path = value["path"].as_py() if is_struct and value.is_valid and "path" in value.type.names else None
    is_there = not pa.types.is_struct(content.type) and content.is_valid
    return (memoryview(content.as_buffer()) if is_there else None), path or ""


def _has_bytes(kind: pa.DataType) -> bool:
    names = [kind.field(place).name for place in range(kind.num_fields)]
    return "bytes" in names and _is_binary(kind.field(names.index("bytes")).type)


def _is_binary(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))
