"""A desk with the queues and replicas of its engines, all in one process: what tests of them share."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from fcaps_pipeline.annotate.captioning.errand import Errand, Stage
from fcaps_pipeline.annotate.run.desk import Desk
from fcaps_pipeline.annotate.run.dispatch import Answer, Lot, SegmentQueue
from fcaps_pipeline.annotate.run.queue_service import QueueService, ReplicaReport
from fcaps_pipeline.annotate.run.replica import Replica
from fcaps_pipeline.errors import EngineDeadError
from fcaps_pipeline.records.annotations import CaptionSet
from fcaps_pipeline.records.audio import SegmentAudio
from fcaps_pipeline.records.captions import Granularity

MakeAudio = Callable[..., SegmentAudio]
DEADLINE_S = 60.0


@dataclass
class House:
    """An event loop with a queue and its replicas, beside the thread of the test."""

    loop: asyncio.AbstractEventLoop
    desk: Desk | None = None
    services: dict[str, QueueService] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    ended: list[BaseException | None] = field(default_factory=list)

    def call(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(DEADLINE_S)

    def num_waiting(self, engine: str) -> int:
        """Segments in a queue."""
        return int(self.call(self.services[engine].state())[0].num_queued)

    def open_queue(self, engine: str, epoch: str = "first") -> None:
        def deliver(desk: str, owner: str, answers: tuple[Answer, ...]) -> None:
            assert self.desk is not None
            assert desk == self.desk.name
            self.desk.deliver(engine, owner, answers)

        async def make() -> QueueService:
            return QueueService(SegmentQueue(5.0, 30.0), epoch, deliver, time.monotonic)

        self.services[engine] = self.call(make())

    def start(self, engine: str, name: str, room: int, do: Callable[[Errand], Awaitable[Any]]) -> None:
        async def serve() -> None:
            replica = Replica(name, do, room, _Links(self, engine))
            try:
                await replica.serve()
            except EngineDeadError as error:
                self.ended.append(error)
                await self.services[engine].lost(name, "its process died")

        self.asked.append((engine, name))
        asyncio.run_coroutine_threadsafe(serve(), self.loop)


@dataclass
class _Links:
    house: House
    engine: str

    async def take(self, report: ReplicaReport, wait_s: float) -> tuple[Lot, ...] | None:
        return await self.house.services[self.engine].take(report, wait_s)

    async def fetch(self, block: Any) -> list[Errand] | None:
        return list(block)

    async def deliver(self, desk: str, owner: str, answers: tuple[Answer, ...]) -> None:
        assert self.house.desk is not None
        assert desk == self.house.desk.name
        await asyncio.to_thread(self.house.desk.deliver, self.engine, owner, answers)


@dataclass
class QueueOfHouse:
    house: House
    engine: str

    def offer(self, lots: tuple[Lot, ...]) -> str | None:
        return str(self.house.call(self.house.services[self.engine].offer(lots)))

    def withdraw(self, owner: str) -> None:
        self.house.call(self.house.services[self.engine].withdraw(owner))


@contextmanager
def running_loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield loop

    async def cancel_all() -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    asyncio.run_coroutine_threadsafe(cancel_all(), loop).result(DEADLINE_S)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@dataclass(frozen=True)
class Way:
    """Engines that write captions, each at one granularity, then stages that check those of some Segments."""

    granularities: dict[str, Granularity]
    checks: tuple[str, ...] = ()
    """Engines, in their order."""
    needs_check: Callable[[Errand], bool] = lambda _: True

    def next_stage(self, errand: Errand) -> Stage | None:
        if errand.stage is None:
            return Stage(frozenset(self.granularities))
        place = 0 if errand.stage.verifier is None else int(errand.stage.verifier) + 1
        if place == len(self.checks) or not self.needs_check(errand):
            return None
        return Stage(frozenset({self.checks[place]}), str(place))

    def refused(self, errand: Errand, engine: str, reason: str) -> tuple[CaptionSet, ...]:
        if errand.stage is not None and errand.stage.verifier is not None:
            return tuple(one.model_copy(update={"unverified": reason}) for one in errand.caption_sets)
        granularity = self.granularities[engine]
        return (CaptionSet(granularity=granularity, candidates=(), attempts=3, error=reason),)


def open_desk(house: House, max_open: int, way: Way | None = None, **granularities: Granularity) -> Desk:
    way = way or Way(granularities)
    queues = {name: QueueOfHouse(house, name) for name in {**way.granularities, **dict.fromkeys(way.checks)}}
    for name in queues:
        house.open_queue(name)
    house.desk = Desk("desk", queues, way, max_open, publish=list)
    return house.desk


def sets_of(granularity: Granularity) -> tuple[CaptionSet, ...]:
    return (CaptionSet(granularity=granularity, candidates=(), attempts=1),)


def pass_through(desk: Desk, segments: Sequence[SegmentAudio]) -> list[tuple[str, tuple[CaptionSet, ...]]]:
    """What a unit worker does with its tray."""
    tray = desk.tray(0)
    found = []
    deadline_s = time.monotonic() + DEADLINE_S
    for segment in segments:
        tray.add(segment)
        while desk.is_full() and time.monotonic() < deadline_s:
            tray.wait()
            found += [(one.segment.segment_id, sets) for one, sets in tray.pop_ready()]
    while tray.num_held and time.monotonic() < deadline_s:
        tray.wait()
        found += [(one.segment.segment_id, sets) for one, sets in tray.pop_ready()]
    tray.close()
    return found
