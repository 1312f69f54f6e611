"""The small actors between the others: a queue for each engine, and the board on which segmenters tell what they do.

Neither imports audio, models or records: their processes hold nothing but what they pass on. Ray restarts them
empty; segmenters offer again what a new queue does not know, and of a new board only the last sums are missing.
"""

import asyncio
import time
import uuid
from typing import Any

import ray

from fcaps_pipeline.annotate.run.dispatch import Answer, Lot, QueueState, SegmentQueue
from fcaps_pipeline.annotate.run.queue_service import QueueService, ReplicaReport
from fcaps_pipeline.annotate.run.watch.board import ProgressBoard

BOARD = "progress-board"
ANSWERS, FINISH = "answers", "finish"
"""Concurrency groups of a segmenter: calls that never wait, and units that wait for their last answers."""


def queue_name(engine: str) -> str:
    """Name of the actor that has the queue of an engine."""
    return f"queue-{engine}"


class QueueActor:
    """A `QueueService` whose callers are actors."""

    def __init__(self, engine: str, shortest_deadline_s: float, longest_deadline_s: float) -> None:
        self._engine = engine
        queue = SegmentQueue(shortest_deadline_s, longest_deadline_s)
        self._service = QueueService(queue, uuid.uuid4().hex, self._deliver, time.monotonic)
        self._watching: asyncio.Task[None] | None = None

    async def take(self, report: ReplicaReport, wait_s: float) -> tuple[Lot, ...]:
        """See `QueueService`; so for the other calls."""
        return await self._service.take(report, wait_s)

    async def offer(self, lots: tuple[Lot, ...]) -> str:
        """From a segmenter."""
        if self._watching is None:
            self._watching = asyncio.create_task(self._service.watch())
        return await self._service.offer(lots)

    async def withdraw(self, owner: str) -> None:
        """From a segmenter."""
        await self._service.withdraw(owner)

    async def withdraw_desk(self, desk: str) -> None:
        """From the driver, of a segmenter that is gone."""
        await self._service.withdraw_desk(desk)

    async def lost(self, replica: str, cause: str | None) -> bool:
        """From the driver."""
        return await self._service.lost(replica, cause)

    async def state(self) -> tuple[QueueState, dict[str, Any], tuple[str, ...]]:
        """From the driver, once a second."""
        return await self._service.state()

    def _deliver(self, desk: str, owner: str, answers: tuple[Answer, ...]) -> None:
        try:
            ray.get_actor(desk).deliver.options(concurrency_group=ANSWERS).remote(self._engine, owner, answers)
        except ValueError:  # the desk is gone, and its units with it
            return


class Board(ProgressBoard):
    """Also keeps the Recording that each unit is at, for the case that its process dies there."""

    def __init__(self) -> None:
        super().__init__()
        self._begun: dict[int, str] = {}

    def announce(self, unit_index: int, recording_id: str) -> None:
        """From a segmenter: this Recording is begun now."""
        self._begun[unit_index] = recording_id

    def pop_announced(self, unit_index: int) -> str | None:
        """From the driver: where a unit was; None where nothing was told."""
        return self._begun.pop(unit_index, None)
