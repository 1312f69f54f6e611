"""Turns one WorkUnit into one committed Shard. A plain class; `ray_runtime` makes it an actor.

Segments stream through: while the engines caption one window of Segments the worker decodes,
segments and measures the next. Outcomes are written in Segment order, so the Shard does not
depend on which answer came first.
"""

import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

from fcaps_pipeline.acoustics.measure import measure_acoustics
from fcaps_pipeline.captioning.decision import decide
from fcaps_pipeline.config import Job
from fcaps_pipeline.errors import RecordingError
from fcaps_pipeline.pipeline.progress import Progress
from fcaps_pipeline.records.annotations import CaptionSet, Failure, Rejection, WorkUnit
from fcaps_pipeline.records.audio import Recording, SegmentAudio
from fcaps_pipeline.segmentation.segmenter import Segmenter
from fcaps_pipeline.segmentation.silero import SileroDetector
from fcaps_pipeline.shards.layout import RecordingOutcome, RunLayout, UnitCommit
from fcaps_pipeline.shards.writer import UnitWriter

PendingCaptions = Callable[[], tuple[CaptionSet, ...]]
"""Blocks until the engines have answered."""


class CaptioningPool(Protocol):
    """The engines as a unit worker sees them."""

    def submit(self, segment: SegmentAudio) -> PendingCaptions:
        """Starts captioning a Segment at every granularity of the job."""
        ...


class UnitWorker:
    """Decodes, segments, measures, has captioned, writes and commits."""

    def __init__(
        self, job: Job, layout: RunLayout, num_units: int, pool: CaptioningPool, report: Callable[[Progress], None]
    ) -> None:
        self._job = job
        self._layout = layout
        self._num_units = num_units
        self._pool = pool
        self._report = report
        self._segmenter = Segmenter(job.segmentation, SileroDetector(job.segmentation), measure_acoustics)
        self._waiting: deque[tuple[SegmentAudio, PendingCaptions]] = deque()
        self._num_segments = 0

    def run(self, unit: WorkUnit) -> UnitCommit:
        """Processes a unit to its commit.

        Raises:
            OutputError: the run folder cannot be written.
            EngineDeadError: the engines cannot answer any more.
            AccountingError: Segments were lost or doubled.
        """
        started_s = time.monotonic()
        self._waiting.clear()
        self._num_segments = 0
        row_group_bytes = self._job.shards.row_group_bytes
        with UnitWriter(self._layout, unit.unit_index, self._num_units, row_group_bytes) as writer:
            outcomes = tuple(self._process(recording, writer) for recording in unit.recordings)
            self._drain(writer, down_to=0)
            return writer.commit(outcomes, self._num_segments, time.monotonic() - started_s)

    def _process(self, recording: Recording, writer: UnitWriter) -> RecordingOutcome:
        preparation = self._segmenter.prepare(recording)
        failed = False
        try:
            for segment in preparation:
                self._waiting.append((segment, self._pool.submit(segment)))
                self._num_segments += 1
                self._drain(writer, down_to=self._job.resources.segments_in_flight)
        except RecordingError as error:
            failed = True
            writer.add_recording_failure(
                Failure(
                    recording=recording, segment=None, stage="decode", error=type(error).__name__, message=str(error)
                )
            )
        found = preparation.report
        self._report(Progress(audio_s=found.duration_s, num_failures=int(failed)))
        return RecordingOutcome(
            recording_id=recording.recording_id,
            source=recording.source,
            outcome="failed" if failed else found.outcome,
            **found.model_dump(exclude={"recording_id", "outcome"}),
        )

    def _drain(self, writer: UnitWriter, down_to: int) -> None:
        while len(self._waiting) > down_to:
            segment, pending = self._waiting.popleft()
            caption_sets = pending()
            outcome = decide(segment, caption_sets, tuple(self._job.captions))
            writer.add(outcome, segment)
            self._report(
                Progress(
                    num_segments=1,
                    num_rejections=int(isinstance(outcome, Rejection)),
                    num_failures=int(isinstance(outcome, Failure)),
                    num_output_tokens=sum(
                        one.completion.num_output_tokens for found in caption_sets for one in found.candidates
                    ),
                )
            )
