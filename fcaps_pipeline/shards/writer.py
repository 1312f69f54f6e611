"""Writes the Shard of one WorkUnit as a transaction.

Rows go to temporary files, row group by row group, so that memory stays bounded whatever the unit
holds. `commit` closes, syncs and renames them and writes the commit record last; until then the
unit does not exist, whatever files lie there: readers go by the commit records.
"""

import hashlib
import os
from collections import Counter
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from fcaps_pipeline.errors import AccountingError
from fcaps_pipeline.records.annotations import Annotation, Failure, Rejection, SegmentOutcome
from fcaps_pipeline.records.audio import SegmentAudio
from fcaps_pipeline.shards.layout import RecordingOutcome, RunLayout, ShardFile, Table, UnitCommit
from fcaps_pipeline.shards.schema import (
    FAILURE_SCHEMA,
    REJECTION_SCHEMA,
    Row,
    annotation_row,
    data_schema,
    failure_row,
    rejection_row,
)
from fcaps_pipeline.storage.files import sync_folder, write_durably, writing

_AUDIO_COLUMN = "audio.bytes"
_MAX_ROWS_PER_GROUP = 1000


class UnitWriter:
    """Collects the outcomes of one WorkUnit and commits them together."""

    def __init__(self, layout: RunLayout, unit_index: int, num_units: int, row_group_bytes: int) -> None:
        self._layout = layout
        self._unit_index = unit_index
        schemas: dict[Table, pa.Schema] = {
            "data": data_schema(),
            "rejections": REJECTION_SCHEMA,
            "failures": FAILURE_SCHEMA,
        }
        self._tables = {
            table: _TableWriter(layout, table, unit_index, num_units, row_group_bytes, schema)
            for table, schema in schemas.items()
        }
        self._segment_ids: set[str] = set()
        self._rejection_reasons: Counter[str] = Counter()
        self._failure_messages: list[str] = []
        self._num_recording_failures = 0
        self._num_output_tokens = 0
        self._annotated_s = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for table in self._tables.values():
            table.discard()

    def add(self, outcome: SegmentOutcome, audio: SegmentAudio) -> None:
        """Takes what became of one Segment.

        Raises:
            OutputError: the run folder cannot be written.
            AccountingError: the Segment was taken before.
        """
        segment_id = outcome.segment.segment_id if outcome.segment is not None else ""
        if segment_id in self._segment_ids:
            raise AccountingError(
                f"unit {self._unit_index}: Segment {segment_id} came twice; please report this defect"
            )
        self._segment_ids.add(segment_id)
        match outcome:
            case Annotation():
                self._annotated_s += outcome.segment.duration_s
                self._tables["data"].add(annotation_row(outcome, audio), 2 * len(audio.pcm_T))
            case Rejection():
                self._rejection_reasons[outcome.reason] += 1
                self._tables["rejections"].add(rejection_row(outcome))
            case Failure():
                self._add_failure(outcome)
        self._num_output_tokens += sum(
            candidate.completion.num_output_tokens
            for caption_set in outcome.caption_sets
            for candidate in caption_set.candidates
        )

    def add_recording_failure(self, failure: Failure) -> None:
        """Takes a Failure that concerns a whole Recording."""
        self._num_recording_failures += 1
        self._add_failure(failure)

    def commit(self, recordings: tuple[RecordingOutcome, ...], num_segments: int, duration_s: float) -> UnitCommit:
        """Makes the unit exist.

        Args:
            recordings: what became of every Recording of the unit.
            num_segments: Segments that were handed to captioning.
            duration_s: wall-clock time of the unit.

        Raises:
            AccountingError: the outcomes are not as many as the Segments.
            OutputError: the run folder cannot be written.
        """
        num_failures = self._tables["failures"].num_rows
        num_segment_failures = num_failures - self._num_recording_failures
        counts = (self._tables["data"].num_rows, self._tables["rejections"].num_rows, num_segment_failures)
        if sum(counts) != num_segments or sum(one.num_segments for one in recordings) != num_segments:
            raise AccountingError(
                f"unit {self._unit_index}: {num_segments} Segments became {counts[0]} Annotations, {counts[1]} "
                f"Rejections and {counts[2]} Failures; this is a defect, please report it with the run folder"
            )
        files = tuple(file for file in (table.publish() for table in self._tables.values()) if file is not None)
        record = UnitCommit(
            unit_index=self._unit_index,
            num_segments=num_segments,
            num_annotations=counts[0],
            num_rejections=counts[1],
            num_segment_failures=counts[2],
            num_recording_failures=self._num_recording_failures,
            num_output_tokens=self._num_output_tokens,
            annotated_s=self._annotated_s,
            rejection_reasons=dict(self._rejection_reasons),
            failure_messages=tuple(self._failure_messages),
            recordings=recordings,
            files=files,
            duration_s=duration_s,
        )
        path = self._layout.commit(self._unit_index)
        with writing(path):
            write_durably(path, record.model_dump_json(indent=1))
        return record

    def _add_failure(self, failure: Failure) -> None:
        where = failure.recording.source if failure.segment is None else failure.segment.segment_id
        self._failure_messages.append(f"{where}: {failure.message}")
        self._tables["failures"].add(failure_row(failure))


class _TableWriter:
    """One Parquet file in the making; created with its first row, except `data`, which always exists."""

    def __init__(
        self, layout: RunLayout, table: Table, unit_index: int, num_units: int, row_group_bytes: int, schema: pa.Schema
    ) -> None:
        self._layout = layout
        self._table: Table = table
        self._final = layout.shard(table, unit_index, num_units)
        self._temporary = layout.temporary / f"{table}-{unit_index:05d}-{os.getpid()}.parquet"
        self._row_group_bytes = row_group_bytes
        self._schema = schema
        self._writer: pq.ParquetWriter | None = None
        self._rows: list[Row] = []
        self._rows_bytes = 0
        self.num_rows = 0

    def add(self, row: Row, num_bytes: int = 0) -> None:
        if self._rows and (
            self._rows_bytes + num_bytes > self._row_group_bytes or len(self._rows) >= _MAX_ROWS_PER_GROUP
        ):
            self._flush()
        self._rows.append(row)
        self._rows_bytes += num_bytes
        self.num_rows += 1

    def publish(self) -> ShardFile | None:
        if self.num_rows == 0 and self._table != "data":
            # A try that was killed before its commit record may have published one.
            with writing(self._final):
                self._final.unlink(missing_ok=True)
            return None
        self._flush()
        assert self._writer is not None
        with writing(self._temporary):
            self._writer.close()
            digest = _sync_and_hash(self._temporary)
            self._final.parent.mkdir(parents=True, exist_ok=True)
            self._temporary.replace(self._final)
            sync_folder(self._final.parent)
            num_bytes = self._final.stat().st_size
        self._writer = None
        return ShardFile(
            table=self._table,
            path=self._final.relative_to(self._layout.root).as_posix(),
            num_rows=self.num_rows,
            num_bytes=num_bytes,
            sha256=digest,
        )

    def discard(self) -> None:
        if self._writer is not None:
            # Closing writes a footer. Where that fails, nobody misses it: the file goes.
            with suppress(OSError):
                self._writer.close()
            self._writer = None
        self._temporary.unlink(missing_ok=True)

    def _flush(self) -> None:
        with writing(self._temporary):
            if self._writer is None:
                self._temporary.parent.mkdir(parents=True, exist_ok=True)
                self._writer = pq.ParquetWriter(self._temporary, self._schema, **_writer_options(self._schema))
            if self._rows:
                self._writer.write_table(pa.Table.from_pylist(self._rows, schema=self._schema))
        self._rows, self._rows_bytes = [], 0


def _sync_and_hash(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        os.fsync(file.fileno())
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


@cache
def _writer_options(schema: pa.Schema) -> dict[str, Any]:
    """Audio is stored plain and uncompressed, since FLAC does not shrink further; all else as zstd."""
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
