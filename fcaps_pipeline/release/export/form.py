"""What a form of export has to do, and what it is told: the protocol between `export` and the files of formats.

An export is made shard by shard: neighbouring rows of one split become a few files, which are written below a folder
of their own and put into place when they are whole. Names are relative to the export; each shard has its own.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Protocol

from fcaps_pipeline.records.base import Record
from fcaps_pipeline.release.export.clips import Clip
from fcaps_pipeline.shards.schema import Row

FormatName = Literal["fcaps", "shar", "webdataset", "energon", "audiofolder", "parquet", "labelstudio"]
Audio = Literal["written", "referred", "either"]

WORK = ".unfinished"
"""Folder of an export for what it is made of; gone when the export is whole."""

UNSPLIT = "train"
"""Split that rows of a run are in for tools that know no other data."""


class ExportSettings(Record):
    """What decides the content of an export."""

    format: FormatName
    source: str
    """Name and version of the release, or name of the folder of the run."""
    index_sha256: str
    """Of its index."""
    splits: tuple[str, ...] | None
    """Those that were asked for; None for all."""
    by_reference: bool
    """Whether clips refer to the audio of the source in place of coming with their own."""
    inline_audio: bool
    """Whether tasks of Label Studio hold their audio in themselves."""
    shard_mb: int
    """Size that shards are aimed at, in megabytes."""


class ShardRecord(Record):
    """One shard that is in its place."""

    split: str
    number: int
    """Within the split, from 0."""
    num_rows: int
    num_left_out: int
    """Rows up to its last whose sound could not be had, since the shard before."""
    max_global_captions: int
    """Of any of its rows."""
    max_fine_captions: int


class ShardWriter(Protocol):
    """The files of one shard in the making."""

    def add(self, clip: Clip) -> None:
        """Takes the next row."""
        ...

    def close(self) -> None:
        """Ends the files."""
        ...


class Form(Protocol):
    """One format."""

    audio: Audio
    """Whether clips come with their sound, refer to it, or either."""

    def begin(self, folder: Path, split: str, number: int, settings: ExportSettings) -> ShardWriter:
        """Begins a shard below a folder, which stands for that of the export."""
        ...

    def finish(self, out: Path, shards: Sequence[ShardRecord], settings: ExportSettings) -> None:
        """Writes what concerns the whole export, beside its shards; done again, it does the same."""
        ...


def plain_fields(row: Row) -> Row:
    """What JSON beside a clip tells: all columns of its row but the sound."""
    return {name: value for name, value in row.items() if name != "audio"}
