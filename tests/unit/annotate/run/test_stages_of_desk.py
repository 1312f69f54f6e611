"""Segments that are checked after they were captioned: two rounds through the queues, one row in its turn."""

import asyncio
import re
import time
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from fcaps_pipeline.annotate.captioning.errand import Errand
from fcaps_pipeline.annotate.run.desk import Desk
from fcaps_pipeline.annotate.run.dispatch import Answer, Lot
from fcaps_pipeline.errors import EngineDeadError
from fcaps_pipeline.records.annotations import CaptionSet
from fcaps_pipeline.records.audio import SegmentAudio
from fcaps_pipeline.records.captions import Granularity
from tests.unit.annotate.captioning.building import segment_audio
from tests.unit.annotate.run.desk_house import DEADLINE_S, House, MakeAudio, Way, open_desk, pass_through, sets_of


def _checked(errand: Errand) -> tuple[CaptionSet, ...]:
    """The answers so far, each with one more attempt, so that a test can count the stages."""
    return tuple(one.model_copy(update={"attempts": one.attempts + 1}) for one in errand.caption_sets)


async def _check(errand: Errand) -> tuple[CaptionSet, ...]:
    await asyncio.sleep(0.002)
    return _checked(errand)


async def _write(_: Errand) -> tuple[CaptionSet, ...]:
    await asyncio.sleep(0.002)
    return sets_of(Granularity.FINE)


def test_segments_in_need_go_on_to_the_engines_that_check_and_rows_keep_their_order(
    house: House, make_audio: MakeAudio
) -> None:
    """One engine writes and checks: its queue meets each Segment twice."""
    segments = [make_audio(index, 100) for index in range(60)]
    in_need = {one.segment.segment_id for one in segments[::3]}
    way = Way({"one": Granularity.FINE}, ("one", "judge"), lambda one: one.segment.segment.segment_id in in_need)
    desk = open_desk(house, 12, way)

    async def write_or_check(errand: Errand) -> tuple[CaptionSet, ...]:
        assert errand.stage is not None
        return await (_write(errand) if errand.stage.verifier is None else _check(errand))

    for index in range(2):
        house.start("one", f"a{index}", 4, write_or_check)
    house.start("judge", "b", 6, _check)
    found = pass_through(desk, segments)
    assert [segment_id for segment_id, _ in found] == [one.segment.segment_id for one in segments]
    attempts = {segment_id: sets[0].attempts for segment_id, sets in found}
    assert attempts == {segment_id: 3 if segment_id in in_need else 1 for segment_id in attempts}
    assert not desk.is_full()


def test_a_segment_that_kills_the_engine_that_checks_is_convicted_there_and_keeps_its_captions(
    house: House, make_audio: MakeAudio
) -> None:
    desk = open_desk(house, 16, Way({"one": Granularity.FINE}, ("judge",)))
    segments = [make_audio(index, 100) for index in range(20)]
    poison = segments[5].segment.segment_id
    names = iter(range(100))

    async def check(errand: Errand) -> tuple[CaptionSet, ...]:
        if errand.segment.segment.segment_id == poison:
            start()
            raise EngineDeadError("poisoned")
        return await _check(errand)

    def start() -> None:
        house.start("judge", f"b{next(names)}", 4, check)

    start()
    house.start("one", "a", 4, _write)
    found = dict(pass_through(desk, segments))
    assert len(found) == len(segments)
    unverified = {segment_id: sets[0] for segment_id, sets in found.items() if sets[0].unverified}
    assert list(unverified) == [poison]
    assert (unverified[poison].attempts, unverified[poison].error) == (1, None)
    # A fourth time, where nothing else had proven the engine yet.
    assert re.match("tried [34] times, the last time alone", str(unverified[poison].unverified))


def test_a_queue_that_forgot_what_was_to_be_checked_is_told_again(house: House, make_audio: MakeAudio) -> None:
    desk = open_desk(house, 8, Way({"one": Granularity.FINE}, ("judge",)))
    house.start("one", "a", 4, _write)
    tray = desk.tray(0)
    segments = [make_audio(index, 100) for index in range(4)]
    deadline_s = time.monotonic() + DEADLINE_S
    for segment in segments[:2]:
        tray.add(segment)
    while house.num_waiting("judge") < 2 and time.monotonic() < deadline_s:
        tray.wait(0.05)
    house.open_queue("judge", "second")  # what was offered to the first one is lost
    house.start("judge", "b", 4, _check)
    for segment in segments[2:]:
        tray.add(segment)
    found: list[str] = []
    while tray.num_held and time.monotonic() < deadline_s:
        tray.wait()
        found += [one.segment.segment_id for one, _ in tray.pop_ready()]
    assert found == [one.segment.segment_id for one in segments]


def test_a_unit_that_is_given_up_withdraws_what_is_to_be_checked(house: House, make_audio: MakeAudio) -> None:
    desk = open_desk(house, 8, Way({"one": Granularity.FINE}, ("judge",)))
    house.start("one", "a", 4, _write)
    tray = desk.tray(0)
    for index in range(6):
        tray.add(make_audio(index, 100))
    deadline_s = time.monotonic() + DEADLINE_S
    while house.num_waiting("judge") < 6 and time.monotonic() < deadline_s:
        tray.wait(0.05)
    assert house.num_waiting("judge") == 6
    tray.close()
    assert house.num_waiting("judge") == 0
    assert not desk.is_full()


class _Memory:
    """Queues that keep what they are offered until it is answered by hand."""

    def __init__(self) -> None:
        self.desk: Desk | None = None
        self.open: list[tuple[str, Lot, int]] = []

    def queue(self, engine: str) -> "_Kept":
        return _Kept(self, engine)

    def answer(self, index: int) -> None:
        engine, lot, number = self.open.pop(index)
        errand = lot.block[lot.places[number]]
        sets = sets_of(Granularity.FINE) if errand.stage.verifier is None else _checked(errand)
        assert self.desk is not None
        self.desk.deliver(engine, lot.owner, [Answer(lot.segment_ids[number], sets)])


@dataclass
class _Kept:
    memory: _Memory
    engine: str

    def offer(self, lots: tuple[Lot, ...]) -> str | None:
        self.memory.open += [(self.engine, lot, number) for lot in lots for number in range(len(lot.segment_ids))]
        return "only"

    def withdraw(self, owner: str) -> None:
        raise AssertionError(f"{owner} is not given up")


_SEGMENTS = [segment_audio(seed) for seed in range(12)]
_MAX_OPEN = 5


@given(st.data())
@settings(max_examples=60)
def test_whatever_the_order_of_answers_every_segment_leaves_once_in_its_turn(data: st.DataObject) -> None:
    """Answers come in any order, some of them twice; never are more open than may be."""
    memory = _Memory()
    checks = data.draw(st.sampled_from([(), ("one",), ("judge",), ("judge", "one"), ("one", "one")]))
    in_need = data.draw(st.sets(st.sampled_from([one.segment.segment_id for one in _SEGMENTS])))
    way = Way({"one": Granularity.FINE}, checks, lambda one: one.segment.segment.segment_id in in_need)
    desk = Desk("desk", {name: memory.queue(name) for name in ("one", "judge")}, way, _MAX_OPEN, publish=list)
    memory.desk = desk
    tray = desk.tray(0)
    waiting, found = list(_SEGMENTS), list[tuple[SegmentAudio, tuple[CaptionSet, ...]]]()
    num_twice = data.draw(st.integers(0, 8))
    while waiting or tray.num_held:
        if waiting and not desk.is_full() and (not memory.open or data.draw(st.booleans())):
            tray.add(waiting.pop(0))
        if not memory.open:
            tray.flush()
        if memory.open:
            index = data.draw(st.integers(0, len(memory.open) - 1))
            answered = memory.open[index]
            memory.answer(index)
            if num_twice:
                num_twice -= 1
                memory.open.append(answered)
        assert tray.num_open <= _MAX_OPEN
        found += tray.pop_ready()
    assert [one for one, _ in found] == _SEGMENTS
    for segment, sets in found:
        assert sets[0].attempts == 1 + len(checks) * (segment.segment.segment_id in in_need)
