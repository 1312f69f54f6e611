"""Turns one WorkUnit into one committed Shard. A plain class; `ray_runtime` makes it an actor.

Segments stream through: while the engines caption one window of Segments the worker decodes,
segments and measures the next. Outcomes are written in Segment order, so the Shard does not
depend on which answer came first.
"""

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from fcaps_pipeline.annotate.acoustics.measure import measure_acoustics
from fcaps_pipeline.annotate.run.border import Border
from fcaps_pipeline.annotate.run.watch.progress import Progress
from fcaps_pipeline.annotate.run.watch.tally import tally
from fcaps_pipeline.annotate.segmentation.opening import OpenRecording, open_recording
from fcaps_pipeline.annotate.segmentation.segmenter import Segmenter
from fcaps_pipeline.annotate.segmentation.silero import SileroDetector
from fcaps_pipeline.annotate.verification.decision import decide
from fcaps_pipeline.errors import RecordingError
from fcaps_pipeline.jobs.annotate_job import Job
from fcaps_pipeline.records.annotations import CaptionSet, SegmentOutcome, WorkUnit
from fcaps_pipeline.records.audio import Recording, SegmentAudio
from fcaps_pipeline.shards.layout import RecordingOutcome, RunLayout, UnitCommit
from fcaps_pipeline.shards.writer import UnitWriter
from fcaps_pipeline.storage.files import writing

PendingCaptions = Callable[[], tuple[CaptionSet, ...]]
"""Blocks until the engines have answered."""


class CaptioningPool(Protocol):
    """The engines as a unit worker sees them."""

    def submit(self, segment: SegmentAudio) -> PendingCaptions:
        """Starts captioning a Segment at every granularity of the job."""
        ...

    def forget(self) -> None:
        """Gives up all answers that were not waited for."""
        ...


class UnitWorker:
    """Decodes, segments, measures, has captioned, writes and commits."""

    def __init__(
        self,
        job: Job,
        layout: RunLayout,
        pool: CaptioningPool,
        report: Callable[[Progress], None],
        opening: OpenRecording = open_recording,
    ) -> None:
        self._job = job
        self._layout = layout
        self._pool = pool
        self._report = report
        self._engines = {granularity: one.engine for granularity, one in job.captions.items()}
        self._segmenter = Segmenter(job.segmentation, SileroDetector(job.segmentation), measure_acoustics, opening)
        self._waiting: deque[tuple[SegmentAudio, PendingCaptions]] = deque()
        self._num_segments = 0
        self._isolate = False

    def run(self, unit: WorkUnit, *, isolate: bool = False, deadly: str | None = None) -> UnitCommit:
        """Processes a unit to its commit.

        Args:
            unit: what to process.
            isolate: whether an unexpected error in one Recording becomes its Failure, so that the
                others are not lost with it. For the last of several tries.
            deadly: id of the Recording at which every try so far took its process down; it becomes a
                Failure without being touched again.

        Raises:
            OutputError: the run folder cannot be written.
            EngineDeadError: the engines cannot answer any more.
            AccountingError: Segments were lost or doubled.
        """
        started_s = time.monotonic()
        self._waiting.clear()
        self._pool.forget()
        self._num_segments = 0
        self._isolate = isolate
        with UnitWriter(
            self._layout,
            unit.unit_index,
            row_group_bytes=self._job.shards.row_group_bytes,
            embed_audio=self._job.audio == "embed",
        ) as writer:
            with self._marked(unit) as mark:
                outcomes = tuple(self._process(recording, writer, mark, deadly) for recording in unit.recordings)
            self._drain(writer, down_to=0)
            return writer.commit(outcomes, self._num_segments, time.monotonic() - started_s)

    @contextmanager
    def _marked(self, unit: WorkUnit) -> Iterator[Path]:
        """The file that names the Recording in progress; only a process that dies leaves it behind."""
        mark = self._layout.in_progress(unit.unit_index)
        with writing(mark):
            mark.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield mark
        finally:
            mark.unlink(missing_ok=True)

    def _process(self, recording: Recording, writer: UnitWriter, mark: Path, deadly: str | None) -> RecordingOutcome:
        preparation = self._segmenter.prepare(recording)
        before = self._num_segments
        with Border(holds_unforeseen=self._isolate) as border:
            _begin(recording, mark, deadly)
            for segment in preparation:
                self._waiting.append((segment, self._pool.submit(segment)))
                self._num_segments += 1
                self._drain(writer, down_to=self._job.resources.segments_in_flight)
        failure = border.failure(preparation.recording)
        if failure is not None:
            writer.add_recording_failure(failure)
        found = preparation.report
        self._report(Progress(audio_s=found.duration_s, num_recording_failures=int(failure is not None)))
        return RecordingOutcome(
            recording_id=recording.recording_id,
            source=recording.source,
            outcome="failed" if failure is not None else found.outcome,
            num_segments=self._num_segments - before,
            sha256=preparation.recording.sha256,
            warnings=dict(Counter(one.name for one in preparation.recording.warnings)),
            **found.model_dump(exclude={"recording_id", "outcome", "num_segments"}),
        )

    def _drain(self, writer: UnitWriter, down_to: int) -> None:
        while len(self._waiting) > down_to:
            segment, pending = self._waiting.popleft()
            outcome = self._outcome(segment, pending)
            writer.add(outcome, segment)
            self._report(tally(outcome, self._engines))

    def _outcome(self, segment: SegmentAudio, pending: PendingCaptions) -> SegmentOutcome:
        with Border(holds_unforeseen=self._isolate) as border:
            return decide(segment, pending(), self._job)
        failure = border.failure(segment.recording, segment)
        assert failure is not None
        return failure


def _begin(recording: Recording, mark: Path, deadly: str | None) -> None:
    if recording.recording_id == deadly:
        raise RecordingError("every process that came to it died; look at the file, or give the machine more memory")
    with writing(mark):
        mark.write_text(recording.recording_id, encoding="utf-8")
