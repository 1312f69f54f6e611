"""One unit worker as an actor: it segments one unit while it finishes others, and answers come in beside both."""

import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, ObjectStoreFullError, OutOfDiskError, RayActorError

from fcaps_pipeline.annotate.run.border import Prepare
from fcaps_pipeline.annotate.run.desk import Desk
from fcaps_pipeline.annotate.run.dispatch import Answer, Lot
from fcaps_pipeline.annotate.run.earlier_segments import KnownSegments
from fcaps_pipeline.annotate.run.itinerary import JobItinerary
from fcaps_pipeline.annotate.run.ray_runtime.queues import BOARD, queue_name
from fcaps_pipeline.annotate.run.reuse import Reuse
from fcaps_pipeline.annotate.run.unit_worker import UnitTry, UnitWorker
from fcaps_pipeline.annotate.run.watch.board import Reporter
from fcaps_pipeline.annotate.segmentation.detector import LateDetector, VoiceDetector
from fcaps_pipeline.annotate.segmentation.segmenter import Preparation, Segmenter
from fcaps_pipeline.annotate.segmentation.speakers import SpeakerDetector
from fcaps_pipeline.errors import MemoryShortageError
from fcaps_pipeline.jobs.annotate_job import Job
from fcaps_pipeline.records.audio import Recording
from fcaps_pipeline.shards.layout import RunLayout, UnitCommit

_CALL_S = 60.0
_ANNOUNCE_EVERY_S = 0.05
"""Recordings shorter than this to process are not all told; where a process died, every one is."""


class SegmentingActor:
    """One `UnitWorker`, connected to queues and board by their names."""

    def __init__(
        self, name: str, job: Job, layout: RunLayout, reuse: Reuse | None, environment: Mapping[str, str]
    ) -> None:
        """Connects.

        Args:
            name: of this actor among the desks.
            job: what is asked.
            layout: where it is written.
            reuse: earlier answers; None where there are none.
            environment: variables of the driver, which travel as an argument because Ray logs a runtime_env.
        """
        os.environ.update(environment)
        self._board = ray.get_actor(BOARD)
        self._reporter = Reporter(self._board.add.remote)
        self._announced_s = 0.0
        queues = {engine: _QueueLink(engine) for engine in job.engines}
        self._desk = Desk(name, queues, JobItinerary(job), job.resources.segments_in_flight, _publish)
        prepare = self.prepare_with(job)
        if reuse is not None:
            from fcaps_pipeline.annotate.acoustics.measure import measure_segment

            prepare = KnownSegments(reuse.segments_here(), prepare, measure_segment).prepare
        self._worker = UnitWorker(job, layout, self._desk, prepare, self._reporter.report, self._announce)

    def prepare_with(self, job: Job) -> Prepare:
        """How Recordings are segmented. Its libraries take seconds to load, and the driver needs none of them."""
        from fcaps_pipeline.annotate.acoustics.measure import measure_segment

        detector = LateDetector(lambda: _voice_detector(job))
        # Loaded before a Recording is begun: that one cannot be loaded is not its fault.
        segmenter = cache(
            lambda: Segmenter(job.segmentation, detector, measure_segment, speakers=_speaker_detector(job))
        )

        def prepare(recording: Recording) -> Preparation:
            if recording.cuts is None:
                detector.load()
            return segmenter().prepare(recording)

        return prepare

    def hello(self) -> str:
        """Answers as soon as there is a process, with the node it runs on."""
        return str(ray.get_runtime_context().get_node_id())

    def segment(self, one: UnitTry) -> None:
        """See `UnitWorker.segment`."""
        self._worker.segment(one)

    def finish(self, unit_index: int) -> UnitCommit:
        """See `UnitWorker.finish`."""
        try:
            return self._worker.finish(unit_index)
        finally:
            self._reporter.flush()

    def deliver(self, engine: str, owner: str, answers: Sequence[Answer]) -> None:
        """Takes answers from a replica or its queue."""
        self._desk.deliver(engine, owner, answers)

    def idle_s(self) -> float:
        """See `UnitWorker.idle_s`."""
        return self._worker.idle_s()

    def stop(self) -> None:
        """See `UnitWorker.stop`."""
        self._worker.stop()

    def _announce(self, unit_index: int, recording_id: str, is_careful: bool) -> None:  # noqa: FBT001 - a callback
        now_s = time.monotonic()
        if is_careful:
            with suppress(RayActorError, GetTimeoutError):
                ray.get(self._board.announce.remote(unit_index, recording_id), timeout=_CALL_S)
        elif now_s - self._announced_s > _ANNOUNCE_EVERY_S:
            self._board.announce.remote(unit_index, recording_id)
            self._announced_s = now_s


class _QueueLink:
    """See `QueueLink`."""

    def __init__(self, engine: str) -> None:
        self._queue = ray.get_actor(queue_name(engine))

    def offer(self, lots: tuple[Lot, ...]) -> str | None:
        try:
            return str(ray.get(self._queue.offer.remote(lots), timeout=_CALL_S))
        except (RayActorError, GetTimeoutError):
            return None

    def withdraw(self, owner: str) -> None:
        self._queue.withdraw.remote(owner)


def _voice_detector(job: Job) -> VoiceDetector:
    from fcaps_pipeline.annotate.segmentation.detectors import load_voice_detector

    return load_voice_detector(job.segmentation)


def _speaker_detector(job: Job) -> SpeakerDetector | None:
    from fcaps_pipeline.annotate.segmentation.detectors import load_speaker_detector

    return load_speaker_detector(job.segmentation)


def _publish(segments: Sequence[Any]) -> Any:
    try:
        return ray.put(list(segments))
    except (ObjectStoreFullError, OutOfDiskError) as error:
        raise MemoryShortageError(
            f"Ray's object store has no room for {len(segments)} Segments: {' '.join(str(error).split())}; lower "
            "resources.segments_in_flight, or give Ray more shared memory or disk"
        ) from error
