"""The engines made of clocks and the clips out of nothing."""

import asyncio
import itertools

import numpy as np
import pytest

from fcaps_pipeline.errors import EngineDeadError
from fcaps_pipeline.lab.bench.scale.simulated import (
    CLIPS_AT_WORK,
    MEAN_S,
    Draw,
    Meter,
    SimulatedEngine,
    is_poisoned,
    prepare,
    units,
)
from fcaps_pipeline.records.audio import SegmentAudio


def _segments(*, poisoned: bool = False, count: int = 5) -> list[SegmentAudio]:
    (unit,) = itertools.islice(units(count, lambda: poisoned), 1)
    return list(prepare(unit.recordings[0]))


def test_a_recording_has_as_many_clips_as_its_unit_says() -> None:
    segments = _segments(count=7)
    assert len({one.segment.segment_id for one in segments}) == 7
    assert not any(map(is_poisoned, segments))
    assert sum(map(is_poisoned, _segments(poisoned=True))) == 1


@pytest.mark.parametrize("spread", [0.35, 1.0])
def test_times_have_the_mean_and_the_spread_asked_for(spread: float) -> None:
    draw = Draw(time_scale=2.0, spread=spread)
    drawn = np.array([draw.seconds(f"clip-{index}", speed=0.5) for index in range(20_000)])
    assert drawn.mean() == pytest.approx(MEAN_S / 2.0 / 0.5, rel=0.05)
    assert np.log(drawn).std() == pytest.approx(spread, rel=0.03)
    assert draw.seconds("clip-1", speed=0.5) == drawn[1]


def test_an_engine_has_so_many_at_work_and_no_more() -> None:
    async def run() -> tuple[float, float]:
        meter = Meter()
        engine = SimulatedEngine(1.0, Draw(time_scale=1000.0, spread=0.0), meter)
        await asyncio.gather(*(engine.caption(one) for one in _segments(count=10 * CLIPS_AT_WORK)))
        return meter.read()

    busy_s, up_s = asyncio.run(run())
    assert busy_s >= 0.99 * 10 * CLIPS_AT_WORK * MEAN_S / 1000.0
    assert 0.5 * up_s < busy_s <= up_s


def test_an_engine_that_hangs_is_not_up_and_answers_nothing() -> None:
    async def run() -> tuple[float, float]:
        meter = Meter()
        engine = SimulatedEngine(1.0, Draw(time_scale=1e6, spread=0.0), meter)
        engine.go()
        before = meter.read()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(engine.caption(_segments()[0]), 0.2)
        after = meter.read()
        return after[0] - before[0], after[1] - before[1]

    assert asyncio.run(run()) == (0, 0)


def test_a_poisoned_clip_takes_the_engine_down() -> None:
    async def run() -> None:
        engine = SimulatedEngine(1.0, Draw(time_scale=1e6, spread=0.0), Meter())
        await asyncio.gather(*(engine.caption(one) for one in _segments(poisoned=True)))

    with pytest.raises(EngineDeadError):
        asyncio.run(run())
