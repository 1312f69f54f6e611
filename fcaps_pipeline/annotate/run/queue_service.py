"""A `SegmentQueue` as replicas and segmenters meet it: work is waited for, deadlines are watched.

Enters: offers of segmenters, requests of replicas that carry what became of earlier work. Leaves: Lots to
replicas, refusals to desks through a function that is handed in. A task for one event loop; whoever runs it
decides what a call is, a method of an actor or of an object in the same process.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fcaps_pipeline.annotate.run.dispatch import Answer, Conviction, Lot, QueueState, SegmentQueue

_LOOK_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class Stumble:
    """A Segment over which the captioning code itself stumbled."""

    owner: str
    segment_id: str
    cause: str


@dataclass(frozen=True, slots=True)
class ReplicaReport:
    """What a replica says when it asks for work."""

    replica: str
    room: int
    """Segments it can take now."""
    answered: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Owner and ids of what the desks have the answers to since the last report."""
    dropped: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Owner and ids of those whose audio was gone."""
    stumbles: tuple[Stumble, ...] = ()
    idle_s: float = 0.0
    """How long its engine has answered nothing while it had something to answer."""
    statistics: Any = None
    """What the engine says of itself, for whoever watches."""


class QueueService:
    """One queue with those who wait for work from it."""

    def __init__(
        self,
        queue: SegmentQueue,
        epoch: str,
        deliver: Callable[[str, str, tuple[Answer, ...]], None],
        clock: Callable[[], float],
    ) -> None:
        """Starts with nothing.

        Args:
            queue: of one engine, empty.
            epoch: name of this life of the queue; segmenters that meet another offer all they have open again.
            deliver: sends answers to desk and owner, without waiting for them.
            clock: monotonic seconds.
        """
        self._queue = queue
        self._epoch = epoch
        self._deliver = deliver
        self._clock = clock
        self._waiting: dict[str, tuple[ReplicaReport, asyncio.Future[tuple[Lot, ...]]]] = {}
        """Who waits for work, by replica, who waited longest first."""
        self._statistics: dict[str, Any] = {}

    async def take(self, report: ReplicaReport, wait_s: float) -> tuple[Lot, ...]:
        """Notes what a replica did, and gives it work as soon as there is some, for at most `wait_s`."""
        now_s = self._clock()
        self._queue.heard(report.replica, report.idle_s, now_s)
        for owner, segment_ids in report.answered:
            self._queue.answered(report.replica, owner, segment_ids, now_s)
        for owner, segment_ids in report.dropped:
            self._queue.dropped(owner, segment_ids)
        for one in report.stumbles:
            self._queue.stumbled(report.replica, one.owner, one.segment_id, one.cause)
        if report.statistics is not None:
            self._statistics[report.replica] = report.statistics
        self._settle()
        if not report.room:
            return ()
        lots = self._queue.take(report.replica, report.room, now_s)
        return lots or await self._wait(report, wait_s)

    async def offer(self, lots: tuple[Lot, ...]) -> str:
        """Takes Segments to be asked about, and says which life of the queue took them."""
        for lot in lots:
            self._queue.offer(lot)
        self._settle()
        return self._epoch

    async def withdraw(self, owner: str) -> None:
        """Forgets what one try of a unit offered."""
        self._queue.withdraw(owner)

    async def withdraw_desk(self, desk: str) -> None:
        """Forgets what a lost process offered."""
        self._queue.withdraw_desk(desk)

    async def lost(self, replica: str, cause: str | None) -> bool:
        """See `SegmentQueue.lost`."""
        self._statistics.pop(replica, None)
        had_answered = self._queue.lost(replica, cause)
        self._settle()
        return had_answered

    async def state(self) -> tuple[QueueState, dict[str, Any], tuple[str, ...]]:
        """Counts, what engines say of themselves by replica, and the replicas found hanging that are not `lost` yet."""
        return self._queue.state(), dict(self._statistics), self._queue.hung

    async def watch(self) -> None:
        """Looks at the deadlines, for ever."""
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            self._queue.check_deadlines(self._clock())
            self._settle()

    def _settle(self) -> None:
        """Hands work to those who wait, and tells the desks what is asked no more."""
        for replica, (report, future) in list(self._waiting.items()) if self._queue.has_work else ():
            lots = self._queue.take(replica, report.room, self._clock())
            if lots:
                del self._waiting[replica]
                future.set_result(lots)
            if not self._queue.has_work:
                break
        for conviction in self._queue.pop_convictions():
            self._deliver(conviction.desk, conviction.owner, (_refusal(conviction),))

    async def _wait(self, report: ReplicaReport, wait_s: float) -> tuple[Lot, ...]:
        future: asyncio.Future[tuple[Lot, ...]] = asyncio.get_running_loop().create_future()
        self._waiting[report.replica] = report, future
        # A future that is waited for so is never cancelled: what was lent in the last moment arrives.
        await asyncio.wait((future,), timeout=wait_s)
        if future.done():
            return future.result()
        waiting = self._waiting.get(report.replica)
        if waiting is not None and waiting[1] is future:  # it has not asked once more meanwhile
            del self._waiting[report.replica]
        return ()


def _refusal(conviction: Conviction) -> Answer:
    return Answer(conviction.segment_id, (), refusal=conviction.reason)
