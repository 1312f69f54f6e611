"""Writes one Parquet file of a unit, row group by row group, so that memory stays bounded whatever the unit holds.

Rows go to a file in the scratch folder; `publish` closes and hashes it, and puts it under a name that tells its
content. Nothing reads the file before a commit record names it.
"""

import hashlib
from contextlib import suppress
from functools import cache
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq

from fcaps_pipeline.shards.layout import RunLayout, ShardFile, Table
from fcaps_pipeline.shards.schema import Row, table_schema
from fcaps_pipeline.storage.files import writing

_AUDIO_COLUMN = "audio.bytes"
_MAX_ROWS_PER_GROUP = 1000
_NUMBER_BYTES = 8


class TableWriter:
    """One Parquet file in the making; created with its first row, except `data`, which always exists."""

    def __init__(self, layout: RunLayout, table: Table, unit_index: int, attempt: int, *, row_group_bytes: int) -> None:
        self._layout = layout
        self._table: Table = table
        self._unit_index, self._attempt = unit_index, attempt
        self._temporary = layout.scratch / f"{table}-{unit_index:05d}-{attempt}-{uuid4().hex}.parquet"
        self._row_group_bytes = row_group_bytes
        self._writer: pq.ParquetWriter | None = None
        self._rows: list[Row] = []
        self._rows_bytes = 0
        self.num_rows = 0

    def add(self, row: Row) -> None:
        """Takes one row; a row group is closed when its columns hold enough bytes or rows.

        Raises:
            OutputError: the run folder cannot be written.
        """
        num_bytes = _num_bytes(row)
        is_full = self._rows_bytes + num_bytes > self._row_group_bytes or len(self._rows) >= _MAX_ROWS_PER_GROUP
        if self._rows and is_full:
            self._flush()
        self._rows.append(row)
        self._rows_bytes += num_bytes
        self.num_rows += 1

    def publish(self) -> ShardFile | None:
        """The file in its place; None where there is nothing to say.

        Raises:
            OutputError: the run folder cannot be written.
        """
        if self.num_rows == 0 and self._table != "data":
            return None
        self._flush()
        assert self._writer is not None
        with writing(self._temporary):
            self._writer.close()
            num_bytes = self._temporary.stat().st_size
            with self._temporary.open("rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        self._writer = None
        name = self._layout.shard_name(self._table, self._unit_index, self._attempt, sha256)
        (self._layout.root / name).put_file(self._temporary)
        return ShardFile(table=self._table, path=name, num_rows=self.num_rows, num_bytes=num_bytes, sha256=sha256)

    def discard(self) -> None:
        """Leaves nothing behind of a file that was not published."""
        if self._writer is not None:
            # Closing writes a footer. Where that fails, nobody misses it: the file goes.
            with suppress(OSError):
                self._writer.close()
            self._writer = None
        self._temporary.unlink(missing_ok=True)

    def _flush(self) -> None:
        schema = table_schema(self._table)
        with writing(self._temporary):
            if self._writer is None:
                self._temporary.parent.mkdir(parents=True, exist_ok=True)
                self._writer = pq.ParquetWriter(self._temporary, schema, **writer_options(schema))
            if self._rows:
                self._writer.write_table(pa.Table.from_pylist(self._rows, schema=schema))
        self._rows, self._rows_bytes = [], 0


def _num_bytes(value: object) -> int:
    """What a value takes in memory as Arrow, about."""
    if isinstance(value, bytes | str):
        return len(value)
    if isinstance(value, dict):
        return sum(map(_num_bytes, value.values()))
    if isinstance(value, list):
        return sum(map(_num_bytes, value))
    return 0 if value is None else _NUMBER_BYTES


@cache
def writer_options(schema: pa.Schema) -> dict[str, Any]:
    """Audio is stored plain and uncompressed, since FLAC does not shrink further; all else coded and as zstd."""
    empty = pa.BufferOutputStream()
    pq.write_table(schema.empty_table(), empty)
    parquet_schema = pq.ParquetFile(empty.getvalue()).schema
    columns = [parquet_schema.column(index).path for index in range(len(parquet_schema))]
    return {
        "compression": {name: "none" if name == _AUDIO_COLUMN else "zstd" for name in columns},
        "use_dictionary": [name for name in columns if name != _AUDIO_COLUMN],
        "write_page_index": True,
        "use_content_defined_chunking": True,
    }
