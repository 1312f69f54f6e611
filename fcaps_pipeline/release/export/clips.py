"""Rows of a run or a release with their sound, in order, a row group in memory at a time.

Enters: a Dataset. Leaves: Clips, and for each row whose sound is not where it was, what is wrong with it. Rows that
hold their samples are passed on as they are; those that refer to them are read where these lie, and only samples with
the recorded sha256 count.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from fcaps_pipeline.annotate.run.attachment import check_rows
from fcaps_pipeline.audio.flac import encode_flac
from fcaps_pipeline.errors import CorruptRunError
from fcaps_pipeline.records.audio import AudioFile
from fcaps_pipeline.release.dataset import Dataset, Part
from fcaps_pipeline.shards.layout import RunLayout, ShardFile
from fcaps_pipeline.shards.plan import ChannelMaps
from fcaps_pipeline.shards.reader import check_content, open_parquet, reading
from fcaps_pipeline.shards.schema import Row, plain_schema, with_all_columns
from fcaps_pipeline.storage.path import StorePath

_ROWS_AT_ONCE = 64
_WITHOUT_AUDIO = [name for name in plain_schema("data").names if name != "audio"]

FilesOf = Callable[[Row], tuple[AudioFile, ...] | None]


def _one_file(_: Row) -> None:
    """Channels are the rows of the one file at the location."""


@dataclass(frozen=True)
class Clip:
    """One row on its way out."""

    row: Row
    """All columns of `data` but `audio`."""
    flac: bytes
    """Its samples, mono, 16 bit, 16 kHz; empty where the export refers to them."""
    files_of: FilesOf = _one_file
    """Tells `files`."""
    recording_s: float | None = None
    """Length of its Recording; None where nobody told."""

    @property
    def files(self) -> tuple[AudioFile, ...] | None:
        """Where the channels of its Recording lie; None where they are the rows of the file at its location.

        Raises:
            CorruptRunError: the plan is damaged, or gone and needed to find the audio.
        """
        return self.files_of({**self.row, "audio": None})

    @property
    def segment_id(self) -> str:
        """Of the row."""
        segment_id: str = self.row["segment_id"]
        return segment_id


@dataclass(frozen=True)
class LeftOut:
    """A row whose sound cannot be had."""

    segment_id: str
    detail: str


def read_clips(dataset: Dataset, parts: Iterable[Part], skip: int) -> Iterator[Clip | LeftOut]:
    """Rows with their samples.

    Args:
        dataset: that they stand in.
        parts: of the dataset, in order.
        skip: rows that are passed over before the first.

    Raises:
        CorruptRunError: a file is missing or damaged.
        StorageError: the storage of audio that rows refer to fails.
    """
    rows = (row for _, row in _rows(dataset, parts, None, skip))
    files_of = _files_of(dataset)
    for is_embedded, group in groupby(rows, key=lambda row: row["audio"] is not None):
        if is_embedded:
            for row in group:
                flac = row.pop("audio")["bytes"]
                yield Clip(row, flac)
            continue
        for one in check_rows(group, files_of):
            row = dict(one.row)
            del row["audio"]
            if one.pcm_T is None:
                yield LeftOut(row["segment_id"], one.detail)
            else:
                yield Clip(row, encode_flac(one.pcm_T))


def read_references(dataset: Dataset, parts: Iterable[Part], skip: int) -> Iterator[Clip]:
    """Rows with where their samples lie, which are not read.

    Args:
        dataset: that they stand in.
        parts: of the dataset, in order.
        skip: rows that are passed over before the first.

    Raises:
        CorruptRunError: a file is missing or damaged.
    """
    files_of = _files_of(dataset)
    lengths: dict[str, float] = {}
    of_part: Part | None = None
    for part, row in _rows(dataset, parts, _WITHOUT_AUDIO, skip):
        if part is not of_part:
            of_part, lengths = part, _recording_lengths(dataset, part)
        yield Clip(row, b"", files_of, lengths.get(row["recording_id"]))


def _files_of(dataset: Dataset) -> FilesOf:
    """A release has no plan: its channels are the rows of the files that it names."""
    return ChannelMaps(RunLayout(dataset.root)).of if dataset.kind == "run" else _one_file


def _rows(dataset: Dataset, parts: Iterable[Part], columns: list[str] | None, skip: int) -> Iterator[tuple[Part, Row]]:
    for part in parts:
        file = part.files.get("data")
        if file is None:
            raise CorruptRunError(f"{dataset.root}: {part.name} has no file of data; restore the index from a copy")
        if skip >= file.num_rows:
            skip -= file.num_rows
            continue
        if dataset.root.local is not None:
            check_content(dataset.root / file.path, file)
        for row in _file_rows(dataset.root / file.path, file, columns, skip):
            yield part, row
        skip = 0


def _file_rows(path: StorePath, file: ShardFile, columns: list[str] | None, skip: int) -> Iterator[Row]:
    with reading(path):
        parquet = open_parquet(path)
    if parquet.metadata.num_rows != file.num_rows:
        raise CorruptRunError(f"{path} has {parquet.metadata.num_rows} rows, recorded {file.num_rows}")
    for group in range(parquet.num_row_groups):
        num_rows = parquet.metadata.row_group(group).num_rows
        if skip >= num_rows:
            skip -= num_rows
            continue
        with reading(path, group):
            table = with_all_columns("data", parquet.read_row_group(group, columns=columns), columns)
        for start in range(skip, num_rows, _ROWS_AT_ONCE):
            yield from table.slice(start, _ROWS_AT_ONCE).to_pylist()
        skip = 0


def _recording_lengths(dataset: Dataset, part: Part) -> dict[str, float]:
    """Seconds by Recording, which runs keep in a table of their own."""
    file = part.files.get("recordings")
    if file is None:
        return {}
    path = dataset.root / file.path
    with reading(path), open_parquet(path) as parquet:
        table = parquet.read(columns=["recording_id", "duration_s"])
    return dict(zip(table["recording_id"].to_pylist(), table["duration_s"].to_pylist(), strict=True))
