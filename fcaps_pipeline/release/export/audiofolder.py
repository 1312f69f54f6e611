"""A folder that `datasets` reads as `audiofolder`: `<split>/NNNNN/<segment_id>.flac` and `metadata.parquet` beside.

Metadata are Parquet and not JSONL, from whose first rows `datasets` would guess the type of every column: one that is
empty there, such as the captions of a granularity, would break the rows that follow. Folders hold ten thousand clips
at most, as many as the Hub takes.
"""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from fcaps_pipeline.release.export.clips import Clip
from fcaps_pipeline.release.export.files import write_clip
from fcaps_pipeline.release.export.form import Audio, ExportSettings, ShardRecord
from fcaps_pipeline.release.export.parquet import RowsFile, columns_without_audio

_METADATA = "metadata.parquet"


class Audiofolder:
    """See `Form`."""

    audio: Audio = "written"

    def begin(self, folder: Path, split: str, number: int, settings: ExportSettings) -> "AudiofolderShard":
        """See `Form`."""
        return AudiofolderShard(folder / split / f"{number:05d}")

    def finish(self, out: Path, shards: Sequence[ShardRecord], settings: ExportSettings) -> None:
        """See `Form`: folders stand for themselves."""


class AudiofolderShard:
    """See `ShardWriter`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        schema = pa.schema([pa.field("file_name", pa.string(), nullable=False), *columns_without_audio()])
        self._metadata = RowsFile(folder / _METADATA, schema)

    def add(self, clip: Clip) -> None:
        """See `ShardWriter`."""
        name = f"{clip.segment_id}.flac"
        write_clip(self._folder, name, clip.flac)
        self._metadata.add({"file_name": name, **clip.row})

    def close(self) -> None:
        """See `ShardWriter`."""
        self._metadata.close()
