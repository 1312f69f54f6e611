"""Writes the Shard of one WorkUnit as a transaction.

Outcomes become rows of the five tables; `commit` publishes the files and writes the commit record last. Until then
the unit does not exist, whatever files lie there: readers go by the commit records.
"""

from collections import Counter
from types import TracebackType
from typing import Self

from fcaps_pipeline import __version__
from fcaps_pipeline.errors import AccountingError, NotAskedError
from fcaps_pipeline.records.annotations import Annotation, Failure, Rejection, SegmentOutcome
from fcaps_pipeline.records.audio import SegmentAudio
from fcaps_pipeline.shards.commits import next_attempt, write_commit
from fcaps_pipeline.shards.layout import TABLES, ClaimCounts, RecordingOutcome, RunLayout, Table, UnitCommit
from fcaps_pipeline.shards.outcomes import outcome_row, outcome_sums
from fcaps_pipeline.shards.rows import annotation_row, candidate_rows, failure_row, rejection_row
from fcaps_pipeline.shards.schema import Row
from fcaps_pipeline.shards.sums import MAX_LISTED
from fcaps_pipeline.shards.table_writer import TableWriter


class UnitWriter:
    """Collects the outcomes of one WorkUnit and commits them together."""

    def __init__(self, layout: RunLayout, unit_index: int, *, row_group_bytes: int, embed_audio: bool = True) -> None:
        """Begins the next attempt at the unit.

        Args:
            layout: of the run.
            unit_index: which unit.
            row_group_bytes: bytes of all columns after which a row group is closed.
            embed_audio: whether rows hold their samples or refer to them.
        """
        self._layout = layout
        self._unit_index = unit_index
        self._embed_audio = embed_audio
        self._attempt, self._parent_sha256 = next_attempt(layout, unit_index)
        self._tables = {
            table: TableWriter(layout, table, unit_index, self._attempt, row_group_bytes=row_group_bytes)
            for table in TABLES
        }
        self._segment_ids: set[str] = set()
        self._rejection_reasons: Counter[str] = Counter()
        self._claims: dict[str, Counter[str]] = {}
        self._failure_messages: list[str] = []
        self._num_recording_failures = 0
        self._num_output_tokens = 0
        self._num_reused = self._num_asked = self._num_unasked = 0
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
        match outcome:
            case Annotation():
                self.add_annotated(annotation_row(outcome, audio, embed=self._embed_audio))
            case Rejection():
                self._count_once(outcome.segment.segment_id)
                self._rejection_reasons[outcome.reason] += 1
                self._tables["rejections"].add(rejection_row(outcome, audio))
            case Failure():
                self._count_once(audio.segment.segment_id)
                self._add_failure(outcome, audio)
        self._count_answers(outcome)
        for row in candidate_rows(outcome):
            self._add_candidate(row)

    def add_annotated(self, row: Row) -> None:
        """Takes a row of `data` that was made elsewhere.

        Raises:
            OutputError: the run folder cannot be written.
            AccountingError: the Segment was taken before.
        """
        self._count_once(row["segment_id"])
        self._annotated_s += row["duration_s"]
        self._tables["data"].add(row)

    def carry(self, table: Table, row: Row) -> None:
        """Takes a row of an earlier attempt as it is.

        Raises:
            OutputError: the run folder cannot be written.
            AccountingError: the Segment was taken before.
        """
        match table:
            case "data":
                self.add_annotated(row)
                return
            case "rejections":
                self._count_once(row["segment_id"])
                self._rejection_reasons[row["reason"]] += 1
            case "candidates":
                self._add_candidate(row)
                return
            case "failures":
                self._count_failure(row)
            case "recordings":
                raise AccountingError(f"unit {self._unit_index}: rows of {table} are written anew, never carried over")
        self._tables[table].add(row)

    def add_recording_failure(self, failure: Failure) -> None:
        """Takes a Failure that concerns a whole Recording."""
        self._num_recording_failures += 1
        self._add_failure(failure, None)

    def commit(self, recordings: tuple[RecordingOutcome, ...], num_segments: int, duration_s: float) -> UnitCommit:
        """Makes the unit exist, unless another writer did so first.

        Args:
            recordings: what became of every Recording of the unit.
            num_segments: Segments that were handed to captioning.
            duration_s: wall-clock time of the unit.

        Returns:
            The record that counts: this one, or that of who was first.

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
        for outcome in recordings:
            self._tables["recordings"].add(outcome_row(outcome))
        num_candidates = self._tables["candidates"].num_rows
        files = tuple(file for file in (table.publish() for table in self._tables.values()) if file is not None)
        record = UnitCommit(
            unit_index=self._unit_index,
            attempt=self._attempt,
            parent_sha256=self._parent_sha256,
            fcaps_version=__version__,
            num_segments=num_segments,
            num_annotations=counts[0],
            num_rejections=counts[1],
            num_segment_failures=counts[2],
            num_recording_failures=self._num_recording_failures,
            num_unasked=self._num_unasked,
            num_candidates=num_candidates,
            num_reused=self._num_reused,
            num_asked=self._num_asked,
            num_output_tokens=self._num_output_tokens,
            annotated_s=self._annotated_s,
            rejection_reasons=dict(self._rejection_reasons),
            claims={name: ClaimCounts(**counts) for name, counts in sorted(self._claims.items())},
            failure_messages=tuple(self._failure_messages),
            **outcome_sums(recordings),
            files=files,
            duration_s=duration_s,
        )
        return write_commit(self._layout, record)

    def _add_candidate(self, row: Row) -> None:
        self._num_output_tokens += row["num_output_tokens"]
        for claim in row.get("claims") or ():
            self._claims.setdefault(claim["attribute"], Counter())[claim["result"]] += 1
        self._tables["candidates"].add(row)

    def _count_answers(self, outcome: SegmentOutcome) -> None:
        completions = [one.completion for found in outcome.caption_sets for one in found.candidates]
        num_reused = sum(one.engine is not None for one in completions)
        self._num_asked += len(completions) - num_reused
        if isinstance(outcome, Failure):
            self._num_unasked += any(one.is_unasked for one in outcome.caption_sets)
        else:
            self._num_reused += num_reused

    def _count_once(self, segment_id: str) -> None:
        if segment_id in self._segment_ids:
            raise AccountingError(
                f"unit {self._unit_index}: Segment {segment_id} came twice; please report this defect"
            )
        self._segment_ids.add(segment_id)

    def _count_failure(self, row: Row) -> None:
        """Counts a row of `failures` that an earlier attempt wrote."""
        if row["segment_id"] is None:
            self._num_recording_failures += 1
        else:
            self._count_once(row["segment_id"])
            self._num_unasked += row["error"] == NotAskedError.__name__
        self._name_failure(row["source"] if row["segment_id"] is None else row["segment_id"], row["message"])

    def _name_failure(self, where: str, message: str) -> None:
        if len(self._failure_messages) < MAX_LISTED:
            self._failure_messages.append(f"{where}: {message}")

    def _add_failure(self, failure: Failure, audio: SegmentAudio | None) -> None:
        where = failure.recording.source if failure.segment is None else failure.segment.segment_id
        self._name_failure(where, failure.message)
        self._tables["failures"].add(failure_row(failure, audio))
