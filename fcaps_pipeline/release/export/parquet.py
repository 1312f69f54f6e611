"""Plain Parquet by reference: `data/<split>-NNNNN.parquet`, all columns but the samples, coded and as zstd.

The audio is where `location` says. The metadata name the features of all columns, as `datasets` and the Hub read them.
"""

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from fcaps_pipeline.release.export.clips import Clip
from fcaps_pipeline.release.export.form import Audio, ExportSettings, ShardRecord
from fcaps_pipeline.shards.schema import Row, plain_schema

_ROWS_PER_GROUP = 1000


class Parquet:
    """See `Form`."""

    audio: Audio = "referred"

    def begin(self, folder: Path, split: str, number: int, settings: ExportSettings) -> "ParquetShard":
        """See `Form`."""
        return ParquetShard(folder / "data" / f"{split}-{number:05d}.parquet")

    def finish(self, out: Path, shards: Sequence[ShardRecord], settings: ExportSettings) -> None:
        """See `Form`: files stand for themselves."""


class ParquetShard:
    """See `ShardWriter`."""

    def __init__(self, path: Path) -> None:
        self._rows = RowsFile(path, columns_without_audio())

    def add(self, clip: Clip) -> None:
        """See `ShardWriter`."""
        self._rows.add(clip.row)

    def close(self) -> None:
        """See `ShardWriter`."""
        self._rows.close()


class RowsFile:
    """A Parquet file of rows, a row group in memory at a time."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        """Begins the file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._schema = schema.with_metadata(_described(schema))
        self._writer = pq.ParquetWriter(path, self._schema, compression="zstd", write_page_index=True)
        self._rows: list[Row] = []

    def add(self, row: Row) -> None:
        """Takes a row; columns that the file does not have are left out."""
        self._rows.append(row)
        if len(self._rows) == _ROWS_PER_GROUP:
            self._flush()

    def close(self) -> None:
        """Ends the file."""
        if self._rows:
            self._flush()
        self._writer.close()

    def _flush(self) -> None:
        self._writer.write_table(pa.Table.from_pylist(self._rows, self._schema))
        self._rows = []


@cache
def columns_without_audio() -> pa.Schema:
    """The columns of `data` but the samples."""
    return pa.schema([field for field in plain_schema("data") if field.name != "audio"])


def _described(schema: pa.Schema) -> dict[str, str]:
    from datasets import Features

    return {"huggingface": json.dumps({"info": {"features": Features.from_arrow_schema(schema).to_dict()}})}
