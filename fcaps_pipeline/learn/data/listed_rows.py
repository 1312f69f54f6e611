"""Recordings of a source that has captions, as rows of a store.

Enters: the Recordings that `annotate.sources` lists. Leaves: tables of `ROW_SCHEMA`, a row for each cut, or for each
Recording without cuts. Captions are texts or lists of texts among what the source says besides, under the names of
FCaps or of the columns of `data`. Audio that is not where the source says is left out, counted and bounded.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from fcaps_pipeline.annotate.sources.listing import list_recordings
from fcaps_pipeline.audio.location import FilePart, ParquetRow, RefusedPart, is_url, local_path, location_in, parts_of
from fcaps_pipeline.audio.probe import probe_duration_s
from fcaps_pipeline.errors import RecordingError, SourceError, UsageError
from fcaps_pipeline.jobs.sources import SourceConfig
from fcaps_pipeline.learn.data.row_store import ROW_SCHEMA
from fcaps_pipeline.learn.data.value_ranges import ValueRanges, value_ranges
from fcaps_pipeline.records.audio import Cut, Recording, Segment, seconds_to_samples
from fcaps_pipeline.shards.schema import Row
from fcaps_pipeline.storage.path import store_path

_CAPTIONS = {
    "global_captions": ("global_captions", "short_captions"),
    "fine_captions": ("fine_captions", "long_captions"),
}
_ROWS_AT_ONCE = 4096


@dataclass
class Missing:
    """Recordings whose audio is not there."""

    source: str
    most: int
    """More than that are an error."""
    num: int = 0
    first: str = ""

    def count(self, recording: Recording, reason: str) -> None:
        """Takes one in.

        Raises:
            UsageError: it is one too many.
        """
        self.num += 1
        self.first = self.first or f"{recording.recording_id} {reason}"
        if self.num > self.most:
            raise UsageError(
                f"{self.source}: recording {recording.recording_id} {reason}; say where relative paths start with "
                f"audio_root, bring it back, or let up to N be missing with max_missing of the source (now {self.most})"
            )

    def told(self) -> str:
        """One sentence; empty where none is missing."""
        if not self.num:
            return ""
        return f"{self.num} recordings of {self.source} are missing and were left out; the first: {self.first}"


def described_rows(source: SourceConfig, missing: Missing) -> Iterator[pa.Table]:
    """The rows of a source.

    Args:
        source: what to list.
        missing: counts what is not there.

    Raises:
        SourceError: the source cannot be listed, two Recordings have one id, or captions are no texts.
        UsageError: too much audio is missing.
    """
    places = _Places()
    rows = (row for recording in list_recordings(source) for row in _rows(recording, places, missing))
    while some := list(islice(rows, _ROWS_AT_ONCE)):
        yield pa.Table.from_pylist(some, schema=ROW_SCHEMA)


def _rows(recording: Recording, places: "_Places", missing: Missing) -> Iterator[Row]:
    try:
        location = places.of(recording)
    except RecordingError as error:
        missing.count(recording, str(error))
        return
    for cut in recording.cuts or (_whole(recording, location),):
        told = {**_object(recording.extra), **_object(cut.extra)}
        captions = {name: _texts(told, names, recording) for name, names in _CAPTIONS.items()}
        channel = 0 if cut.channel is None else cut.channel
        span = (cut.start_samples, cut.end_samples)
        yield {
            "segment_id": Segment.make_id(recording.recording_id, channel, *span),
            "recording_id": recording.recording_id,
            "speaker": cut.speaker or recording.speaker,
            "tags": list(recording.tags),
            **captions,
            "events": None,
            "audio_sha256": cut.samples_sha256,
            "location": location,
            "channel": str(channel),
            "start_samples": span[0],
            "end_samples": span[1],
        }


class _Places:
    """Where the bytes of Recordings lie; of rows of Parquet, each row group is looked through once."""

    def __init__(self) -> None:
        self._group: tuple[str, str, int] | None = None
        self._ranges: ValueRanges

    def of(self, recording: Recording) -> str:
        """A location that is read by itself.

        Raises:
            RecordingError: it is not there.
        """
        part = parts_of(recording.location)
        if isinstance(part, RefusedPart):
            raise RecordingError(f"({part.name}) {part.reason}")
        if isinstance(part, ParquetRow):
            return self._in_file(part)
        if not is_url(recording.location) and not local_path(recording.location).exists():
            raise RecordingError(f"is not at {local_path(recording.location)}")
        return recording.location

    def _in_file(self, row: ParquetRow) -> str:
        group = (row.file, row.column, row.row_group)
        if self._group != group:
            self._group, self._ranges = group, _ranges(row)
        offset, num_bytes = int(self._ranges.offset_N[row.row]), int(self._ranges.num_bytes_N[row.row])
        return location_in(FilePart(row.file, f"{row.row_group}-{row.row}", offset, num_bytes))


def _ranges(row: ParquetRow) -> ValueRanges:
    path = store_path(row.file if is_url(row.file) else local_path(row.file))
    with path.open() as content, pq.ParquetFile(content) as parquet:
        leaf = f"{row.column}.bytes" if pa.types.is_struct(parquet.schema_arrow.field(row.column).type) else row.column
        return value_ranges(content, parquet.metadata, row.row_group, leaf, str(path))


def _whole(recording: Recording, location: str) -> Cut:
    """All of a Recording, as long as its source or its header says."""
    duration_s = recording.duration_s or probe_duration_s(location)
    if not duration_s:
        raise SourceError(
            f"{recording.source}: neither the source nor its header says how long it is; give its length in seconds as "
            "`duration`"
        )
    return Cut(start_samples=0, end_samples=max(1, seconds_to_samples(duration_s)))


def _object(text: str | None) -> dict[str, Any]:
    content: dict[str, Any] = {} if text is None else json.loads(text)
    return content


def _texts(told: dict[str, Any], names: tuple[str, ...], recording: Recording) -> list[str]:
    found: Any = next((told[name] for name in names if told.get(name) is not None), [])
    listed = [found] if isinstance(found, str) else found
    if not isinstance(listed, list) or not all(isinstance(text, str) for text in listed):
        raise SourceError(f"{recording.source}: {names[0]} is {type(found).__name__}, expected a list of texts")
    return [text for text in listed if text.strip()]
