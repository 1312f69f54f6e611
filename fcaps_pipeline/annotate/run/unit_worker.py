"""Turns WorkUnits into committed Shards. A plain class; `ray_workers` makes it an actor.

Segments stream through: while the engines caption, the worker decodes, segments and measures the next. A unit
is done in two calls, so that the worker can begin the next one while the last answers of the former are out:
`segment` offers everything, `finish` waits for what is missing and commits. Outcomes are written in Segment
order, so the Shard does not depend on which answer came first.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass, field

from fcaps_pipeline.annotate.run.border import Prepare, Visit, failure_of
from fcaps_pipeline.annotate.run.desk import Desk, Tray
from fcaps_pipeline.annotate.run.earlier import EarlierAttempt
from fcaps_pipeline.annotate.run.watch.progress import Progress
from fcaps_pipeline.annotate.run.watch.tally import tally
from fcaps_pipeline.annotate.segmentation.report import SegmentationTally
from fcaps_pipeline.annotate.segmentation.segmenter import Preparation
from fcaps_pipeline.annotate.verification.decision import decide
from fcaps_pipeline.audio.remote_bytes import fetch_ahead
from fcaps_pipeline.errors import FcapsError, RecordingError, SourceGoneError, StorageError
from fcaps_pipeline.jobs.annotate_job import Job
from fcaps_pipeline.records.annotations import WorkUnit
from fcaps_pipeline.records.audio import Recording
from fcaps_pipeline.shards.layout import RecordingOutcome, RunLayout, UnitCommit
from fcaps_pipeline.shards.taken_back import WARNING as TAKEN_BACK
from fcaps_pipeline.shards.taken_back import is_taken_back
from fcaps_pipeline.shards.tombstones import read_tombstones
from fcaps_pipeline.shards.writer import UnitWriter


@dataclass(frozen=True)
class UnitTry:
    """A unit as a worker gets it."""

    unit: WorkUnit
    is_careful: bool = False
    """Whether each Recording is told before it is begun, because an earlier process died in this unit."""
    alone: frozenset[str] = frozenset()
    """Recordings begun only when nothing else is in hand."""
    earlier: UnitCommit | None = None
    """Attempt from which everything that did not fail is taken over; None does the whole unit."""
    convicted: dict[str, str] = field(default_factory=dict)
    """Recordings that took down their process every time, with what happened: Failures, not touched again."""


class HandedBackError(FcapsError):
    """The worker was told to stop; the unit is left to the next run."""


@dataclass
class _InHand:
    """A unit between its first Segment and its commit."""

    stack: ExitStack
    writer: UnitWriter
    tray: Tray
    earlier: EarlierAttempt | None
    started_s: float
    step_s: float
    """When it last got on, by the monotonic clock."""
    outcomes: list[RecordingOutcome] = field(default_factory=list)
    num_segments: int = 0


class UnitWorker:
    """Decodes, segments, measures, has captioned, writes and commits."""

    def __init__(
        self,
        job: Job,
        layout: RunLayout,
        desk: Desk,
        prepare: Prepare,
        report: Callable[[Progress], None],
        announce: Callable[[int, str, bool], None],
    ) -> None:
        """Starts with nothing in hand.

        Args:
            job: what is asked.
            layout: where it is written.
            desk: to the engines.
            prepare: starts a pass over a Recording; `Segmenter.prepare`.
            report: takes what happened.
            announce: told unit and Recording before it is begun, and whether to make sure that this is noted.
        """
        self._job = job
        self._layout = layout
        self._desk = desk
        self._prepare = prepare
        self._report = report
        self._announce = announce
        self._engines = {granularity: one.engine for granularity, one in job.captions.items()}
        self._tombstones = read_tombstones(layout.tombstones)
        self._in_hand: dict[int, _InHand] = {}
        self._is_stopping = threading.Event()

    def segment(self, one: UnitTry) -> None:
        """Decodes and segments a unit, and offers all of its Segments.

        Raises:
            StorageError: a Recording cannot be read for the moment.
            SourceGoneError: none of the unit can.
            MemoryShortageError: this process has too little memory.
            OutputError: the run folder cannot be written.
            HandedBackError: `stop` was called.
        """
        index = one.unit.unit_index
        hand = self._open(index, one.earlier)
        fetch_ahead(location for recording in one.unit.recordings for location in recording.locations)
        try:
            for recording in one.unit.recordings:
                hand.outcomes.append(self._process(recording, hand, one))
            hand.tray.flush()
        except StorageError as error:
            self._drop(index)
            if len(one.unit.recordings) > 1 and not any(map(self._opens, one.unit.recordings)):
                raise SourceGoneError(f"unit {index}: none of its recordings can be opened: {error}") from error
            raise
        except BaseException:
            self._drop(index)
            raise

    def finish(self, unit_index: int) -> UnitCommit:
        """Waits for the answers that a segmented unit still lacks, and commits it.

        Raises:
            OutputError: the run folder cannot be written.
            AccountingError: Segments were lost or doubled.
        """
        hand = self._in_hand[unit_index]
        try:
            while hand.tray.num_held:
                hand.step_s = time.monotonic()
                self._write_ready(hand)
                if hand.tray.num_held:
                    hand.tray.wait()
            hand.step_s = time.monotonic()
            taken_s = time.monotonic() - hand.started_s
            return hand.writer.commit(tuple(hand.outcomes), hand.num_segments, taken_s)
        finally:
            self._drop(unit_index)

    def idle_s(self) -> float:
        """How long ago the unit that hangs most got on, in seconds; to wait for engines is to get on."""
        now_s = time.monotonic()
        return max((now_s - hand.step_s for hand in list(self._in_hand.values())), default=0.0)

    def stop(self) -> None:
        """Leaves what is being segmented to the next run; what is only waited for can be finished."""
        self._is_stopping.set()

    def _open(self, unit_index: int, earlier: UnitCommit | None) -> _InHand:
        stack = ExitStack()
        writer = stack.enter_context(
            UnitWriter(
                self._layout,
                unit_index,
                row_group_bytes=self._job.shards.row_group_bytes,
                embed_audio=self._job.audio == "embed",
            )
        )
        tray = stack.enter_context(closing(self._desk.tray(unit_index)))
        attempt = None if earlier is None else EarlierAttempt(self._layout, earlier)
        now_s = time.monotonic()
        self._in_hand[unit_index] = _InHand(stack, writer, tray, attempt, started_s=now_s, step_s=now_s)
        return self._in_hand[unit_index]

    def _drop(self, unit_index: int) -> None:
        self._in_hand.pop(unit_index).stack.close()

    def _process(self, recording: Recording, hand: _InHand, one: UnitTry) -> RecordingOutcome:
        whole = hand.earlier and hand.earlier.whole(recording.recording_id)
        if whole or recording.recording_id in one.alone:
            self._empty_hands(hand)
        if hand.earlier and whole:
            hand.earlier.carry_recording(recording.recording_id, hand.writer)
            hand.num_segments += whole.num_segments
            return whole
        if hand.earlier and hand.earlier.was_unreadable(recording.recording_id):
            recording = recording.model_copy(update={"stamp": None})
        self._announce(one.unit.unit_index, recording.recording_id, one.is_careful)
        reason = one.convicted.get(recording.recording_id)
        prepare = self._prepare if reason is None else _untouched
        visit = Visit(recording, prepare, self._job.resources.storage_patience_s)
        before, num_taken_back = hand.num_segments, 0
        if reason is not None:
            visit.failure = failure_of(
                visit.recording, RecordingError(f"{reason}; look at the file, or give more memory")
            )
        else:
            num_taken_back = self._offer(visit, hand)
        if visit.failure is not None:
            hand.writer.add_recording_failure(visit.failure)
        found = visit.report
        self._report(Progress(audio_s=found.duration_s, num_recording_failures=int(visit.failure is not None)))
        return RecordingOutcome(
            recording_id=recording.recording_id,
            source=recording.source,
            outcome="failed" if visit.failure is not None else found.outcome,
            num_segments=hand.num_segments - before,
            sha256=visit.recording.sha256,
            warnings=Counter(one.name for one in visit.recording.warnings) + Counter({TAKEN_BACK: num_taken_back}),
            **found.model_dump(exclude={"recording_id", "outcome", "num_segments"}),
        )

    def _opens(self, recording: Recording) -> bool:
        try:
            next(iter(Visit(recording, self._prepare, patience_s=0)), None)
        except StorageError:
            return False
        return True

    def _offer(self, visit: Visit, hand: _InHand) -> int:
        """Offers the Segments of a Recording; the number of those that were taken back before and are left out."""
        num_taken_back = 0
        for segment in visit:
            if self._tombstones is not None and is_taken_back(self._tombstones, segment):
                num_taken_back += 1
                continue
            if hand.earlier and hand.earlier.has(segment.segment.segment_id):
                hand.tray.add_known(segment)
            else:
                hand.tray.add(segment)
            hand.num_segments += 1
            self._step(hand)
            self._write_ready(hand)
            while self._desk.is_full():
                hand.tray.wait()
                self._step(hand)
                self._write_ready(hand)
        return num_taken_back

    def _empty_hands(self, hand: _InHand) -> None:
        """Waits until every Segment of this unit is written."""
        while hand.tray.num_held:
            hand.tray.wait()
            self._step(hand)
            self._write_ready(hand)

    def _step(self, hand: _InHand) -> None:
        hand.step_s = time.monotonic()
        if self._is_stopping.is_set():
            raise HandedBackError("told to stop")

    def _write_ready(self, hand: _InHand) -> None:
        for segment, caption_sets in hand.tray.pop_ready():
            if hand.earlier and hand.earlier.has(segment.segment.segment_id):
                hand.earlier.carry(segment.segment.segment_id, hand.writer)
                continue
            outcome = decide(segment, caption_sets, self._job)
            hand.writer.add(outcome, segment)
            self._report(tally(outcome, self._engines))


def _untouched(recording: Recording) -> Preparation:
    return Preparation(recording, iter(()), SegmentationTally())
