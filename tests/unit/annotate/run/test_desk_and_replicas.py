"""Desk, queue and replicas together in one process: answers come in any order, rows leave in theirs."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from fcaps_pipeline.annotate.captioning.errand import Errand, Stage
from fcaps_pipeline.annotate.run.dispatch import Answer, Lot, SegmentQueue
from fcaps_pipeline.annotate.run.queue_service import QueueService, ReplicaReport
from fcaps_pipeline.annotate.run.replica import Replica
from fcaps_pipeline.errors import EngineDeadError
from fcaps_pipeline.records.annotations import CaptionSet
from fcaps_pipeline.records.audio import SegmentAudio
from fcaps_pipeline.records.captions import Granularity
from tests.unit.annotate.run.desk_house import DEADLINE_S, House, MakeAudio, open_desk, pass_through, sets_of


def test_two_engines_answer_in_any_order_and_rows_keep_theirs(house: House, make_audio: MakeAudio) -> None:
    desk = open_desk(house, 12, one=Granularity.FINE, other=Granularity.GLOBAL)
    rng = random.Random(1)

    def asks(granularity: Granularity) -> Callable[[Errand], Awaitable[tuple[CaptionSet, ...]]]:
        async def caption(_: Errand) -> tuple[CaptionSet, ...]:
            await asyncio.sleep(rng.random() * 0.02)
            return sets_of(granularity)

        return caption

    for index in range(3):
        house.start("one", f"a{index}", 4, asks(Granularity.FINE))
    house.start("other", "b", 6, asks(Granularity.GLOBAL))
    segments = [make_audio(index, 100) for index in range(60)]
    found = pass_through(desk, segments)
    assert [segment_id for segment_id, _ in found] == [one.segment.segment_id for one in segments]
    assert all({one.granularity for one in sets} == {"fine", "global"} for _, sets in found)


def test_a_poisoned_segment_becomes_a_refusal_and_the_others_are_answered(house: House, make_audio: MakeAudio) -> None:
    desk = open_desk(house, 16, one=Granularity.FINE)
    segments = [make_audio(index, 100) for index in range(30)]
    poison = segments[5].segment.segment_id
    names = iter(range(100))

    async def caption(errand: Errand) -> tuple[CaptionSet, ...]:
        await asyncio.sleep(0.002)
        if errand.segment.segment.segment_id == poison:
            start()
            raise EngineDeadError("poisoned")
        return sets_of(Granularity.FINE)

    def start() -> None:
        house.start("one", f"a{next(names)}", 4, caption)

    start()
    found = dict(pass_through(desk, segments))
    assert len(found) == len(segments)
    refused = {segment_id: sets[0].error for segment_id, sets in found.items() if sets[0].error}
    assert list(refused) == [poison]
    assert "tried 3 times, the last time alone, and each time: its process died" in str(refused[poison])
    assert len(house.ended) == 3


def test_a_queue_that_forgot_everything_is_told_again(house: House, make_audio: MakeAudio) -> None:
    desk = open_desk(house, 8, one=Granularity.FINE)
    tray = desk.tray(0)
    segments = [make_audio(index, 100) for index in range(4)]
    for segment in segments[:2]:
        tray.add(segment)
    house.open_queue("one", "second")  # what was offered to the first one is lost

    async def caption(_: Errand) -> tuple[CaptionSet, ...]:
        return sets_of(Granularity.FINE)

    house.start("one", "a", 4, caption)
    for segment in segments[2:]:
        tray.add(segment)
    found: list[str] = []
    deadline_s = time.monotonic() + DEADLINE_S
    while tray.num_held and time.monotonic() < deadline_s:
        tray.wait()
        found += [one.segment.segment_id for one, _ in tray.pop_ready()]
    assert found == [one.segment.segment_id for one in segments]


def test_an_unexpected_error_is_counted_at_its_segment(house: House, make_audio: MakeAudio) -> None:
    desk = open_desk(house, 8, one=Granularity.FINE)
    segments = [make_audio(index, 100) for index in range(8)]

    async def caption(errand: Errand) -> tuple[CaptionSet, ...]:
        if errand.segment is segments[3]:
            raise ZeroDivisionError("by chance")
        return sets_of(Granularity.FINE)

    house.start("one", "a", 4, caption)
    found = dict(pass_through(desk, segments))
    errors = [sets[0].error for sets in found.values() if sets[0].error]
    assert len(found) == 8
    assert len(errors) == 1
    assert "unexpected ZeroDivisionError: by chance; please report it" in str(errors[0])


@dataclass
class _ScriptedLinks:
    """A queue that hands out what it is given, and desks of which some do not answer."""

    lots: list[Lot]
    deaf: frozenset[str] = frozenset()
    delivered: list[tuple[str, str]] = field(default_factory=list)
    reported: list[str] = field(default_factory=list)
    num_expected: int = 0
    expected_idle_s: float = 0.0
    idle_s: list[float] = field(default_factory=list)
    heard: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once so many are reported, and an engine that owes answers for so long."""

    async def take(self, report: ReplicaReport, wait_s: float) -> tuple[Lot, ...] | None:
        self.reported += [segment_id for _, segment_ids in report.answered for segment_id in segment_ids]
        self.idle_s.append(report.idle_s)
        if len(self.reported) >= self.num_expected and report.idle_s >= self.expected_idle_s:
            self.heard.set()
        if report.room and self.lots:
            return (self.lots.pop(0),)
        await asyncio.sleep(min(wait_s, 0.01))
        return ()

    async def fetch(self, block: Any) -> list[Errand] | None:
        return list(block)

    async def deliver(self, desk: str, owner: str, answers: tuple[Answer, ...]) -> None:
        if desk in self.deaf:
            await asyncio.Event().wait()
        self.delivered += [(desk, one.segment_id) for one in answers]


def _lot_of(desk: str, segments: Sequence[SegmentAudio]) -> Lot:
    ids = tuple(one.segment.segment_id for one in segments)
    errands = [Errand(one, Stage(frozenset({"one"}))) for one in segments]
    return Lot(desk, f"{desk}/0", errands, ids, tuple(range(len(ids))))


def test_a_desk_that_does_not_answer_holds_up_no_other(make_audio: MakeAudio) -> None:
    segments = [make_audio(index, 100) for index in range(4)]
    lots = [_lot_of("deaf", segments[:2]), _lot_of("good", segments[2:])]
    links = _ScriptedLinks(lots, frozenset({"deaf"}), num_expected=2)

    async def caption(errand: Errand) -> tuple[CaptionSet, ...]:
        await asyncio.sleep(0.05 if errand.segment in segments[2:] else 0)
        return sets_of(Granularity.FINE)

    async def serve() -> None:
        replica = Replica("a", caption, 8, links)
        serving = asyncio.create_task(replica.serve())
        async with asyncio.timeout(DEADLINE_S):
            await links.heard.wait()
        replica.stop()
        await serving

    asyncio.run(serve())
    expected = [one.segment.segment_id for one in segments[2:]]
    assert links.delivered == [("good", one) for one in expected]
    assert links.reported == expected, "the queue hears of nothing that no desk has"


def test_a_replica_whose_engine_answers_nothing_says_so_though_it_wants_no_work(make_audio: MakeAudio) -> None:
    links = _ScriptedLinks([_lot_of("desk", [make_audio(index, 100) for index in range(4)])], expected_idle_s=1.0)

    async def caption(_: Errand) -> tuple[CaptionSet, ...]:
        await asyncio.Event().wait()
        raise AssertionError

    async def serve() -> None:
        serving = asyncio.create_task(Replica("a", caption, 4, links).serve())
        async with asyncio.timeout(DEADLINE_S):
            await links.heard.wait()
        serving.cancel()

    asyncio.run(serve())
    assert links.idle_s[0] == 0, "it owes nothing yet"


def test_what_a_dead_engine_had_answered_is_told_before_its_death(make_audio: MakeAudio) -> None:
    segments = [make_audio(index, 100) for index in range(8)]
    links = _ScriptedLinks([_lot_of("desk", segments)])

    async def caption(errand: Errand) -> tuple[CaptionSet, ...]:
        if errand.segment is segments[0]:
            return sets_of(Granularity.FINE)
        await asyncio.sleep(0.05)
        raise EngineDeadError("its process died")

    with pytest.raises(EngineDeadError):
        asyncio.run(Replica("a", caption, 8, links).serve())
    assert links.reported == [segments[0].segment.segment_id]


def test_a_replica_that_waited_in_vain_gets_nothing_any_more_until_it_asks_again() -> None:
    async def waits() -> tuple[tuple[Lot, ...], ...]:
        service = QueueService(SegmentQueue(5.0, 30.0), "only", lambda *_: None, time.monotonic)
        in_vain = await service.take(ReplicaReport("a", 4), 0.01)
        await service.offer((Lot("desk", "u0", "block", ("s0",), (0,)),))
        return in_vain, await service.take(ReplicaReport("b", 4), 0.01)

    in_vain, taken = asyncio.run(waits())
    assert in_vain == ()
    assert [lot.segment_ids for lot in taken] == [("s0",)]
