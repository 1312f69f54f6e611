"""One watched call of `annotate`: what it exports, what it logs, and that it never goes silent."""

import threading
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from fcaps_pipeline.annotate.engines.engine import EngineIdentity
from fcaps_pipeline.annotate.run.watch.metrics import Metric, NullMetrics
from fcaps_pipeline.annotate.run.watch.progress import EngineState, Progress
from fcaps_pipeline.annotate.run.watch.run_log import (
    Ended,
    FailureLine,
    LogLine,
    Minute,
    RunLog,
    Started,
    UnitCommitted,
    read_log,
)
from fcaps_pipeline.annotate.run.watch.run_watch import RunWatch
from fcaps_pipeline.errors import ModelError, OutputError
from fcaps_pipeline.shards.layout import UnitCommit
from fcaps_pipeline.shards.plan import Plan
from fcaps_pipeline.shards.sums import total

AT = datetime(2026, 12, 1, tzinfo=UTC)
_SIZE: dict[str, Any] = {"num_units": 2, "duration_s": 7200.0}
PLAN = Plan.model_construct(**_SIZE)
IDENTITY = EngineIdentity(engine="cascade", engine_version="1", model="m", model_revision="r")
PROGRESS = Progress(
    audio_s=720.0,
    segments=Counter({"annotated": 3, "rejected": 1}),
    output_tokens=Counter({"small": 600}),
    verdicts=Counter({"kept": 3, "absence": 2}),
)


class KeptMetrics(NullMetrics):
    """Remembers values by name and tags; counters add up."""

    def __init__(self) -> None:
        self.values: dict[str, float] = {}

    def add(self, metric: Metric, amount: float, **tags: str) -> None:
        super().add(metric, amount, **tags)
        key = " ".join([metric.name, *tags.values()])
        self.values[key] = self.values.get(key, 0) + amount

    def put(self, metric: Metric, value: float, **tags: str) -> None:
        super().put(metric, value, **tags)
        self.values[" ".join([metric.name, *tags.values()])] = value


class Watched:
    """A watch on a log in a folder, with clocks that stand still until they are moved."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "run.log.jsonl"
        self.now_s = 0.0
        self.metrics = KeptMetrics()

    def start(self, log: RunLog, minute_s: float = 3600.0) -> RunWatch:
        return RunWatch(log, self.metrics, now=lambda: AT, clock_s=lambda: self.now_s, minute_s=minute_s)

    def lines(self) -> list[LogLine]:
        return list(read_log(self.path))


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


def _state(**changes: float) -> EngineState:
    values = {"wanted": 2, "up": 2, "room": 8, "in_hand": 8, "queued": 3, **changes}
    return EngineState(engine="small", **values)  # type: ignore[arg-type]


def _commit(*messages: str) -> UnitCommit:
    said: dict[str, Any] = {
        "unit_index": 0,
        "num_annotations": 3,
        "num_rejections": 1,
        "num_segment_failures": 0,
        "num_recording_failures": len(messages),
        "failure_messages": messages,
        "audio_s": 60.0,
    }
    return UnitCommit.model_construct(**said)


def test_sums_become_counters_rates_and_a_time_that_is_left(watched: Watched) -> None:
    with RunLog(watched.path) as log, watched.start(log) as watch:
        watch.on_plan(PLAN, total([]), 0)
        watched.now_s = 500.0
        watch.on_engines_ready({"small": IDENTITY}, 500.0)
        watched.now_s = 560.0
        watch.on_progress(PROGRESS)
        watch.on_engines([_state()])
    values = watched.metrics.values
    assert values["fcaps_segments_total annotated"] == 3
    assert values["fcaps_audio_hours_total"] == pytest.approx(0.2)
    assert values["fcaps_verdicts_total absence"] == 2
    assert values["fcaps_output_tokens_total small"] == 600
    assert values["fcaps_engine_tokens_per_second small"] == pytest.approx(10)
    assert values["fcaps_engine_busy_share small"] == 1
    # 12 minutes of audio took one: the 108 that are left take nine.
    assert values["fcaps_eta_seconds"] == pytest.approx(9 * 60)
    assert "fcaps_engine_kv_cache_share small" not in values


def test_counts_of_engines_become_steps(watched: Watched) -> None:
    with RunLog(watched.path) as log, watched.start(log) as watch:
        for restarts, preemptions in ((0, 5), (1, 5), (2, 0), (3, 4)):
            watch.on_engines([_state(restarts=restarts, preemptions=preemptions, kv_cache_share=0.25)])
    values = watched.metrics.values
    assert values["fcaps_engine_restarts_total small"] == 3
    assert values["fcaps_engine_preemptions_total small"] == 9
    assert values["fcaps_engine_kv_cache_share small"] == 0.25


def test_the_log_has_a_line_for_each_event_and_a_last_minute(watched: Watched) -> None:
    with RunLog(watched.path) as log, watched.start(log) as watch:
        watch.on_plan(PLAN, total([]), 0)
        watch.on_engine_up("small", "small-0", "node-1")
        watch.on_engines_ready({"small": IDENTITY}, 5.0)
        watch.on_progress(PROGRESS)
        for in_hand in (8, 4):
            watch.on_engines([_state(in_hand=in_hand)])
        watch.on_engine_down("small", "small-0", "its node left")
        watch.on_unit_done(_commit("a.flac: empty"))
        watch.on_unit_failed(1, "ValueError: by chance")
        watch.concluded("unfinished")
    lines = watched.lines()
    assert [line.kind for line in lines[:5]] == ["started", "planned", "engine_up", "ready", "engine_down"]
    assert [line.kind for line in lines[5:]] == ["unit_committed", "failure", "failure", "minute", "ended"]
    committed, minute, ended = lines[5], lines[-2], lines[-1]
    assert isinstance(committed, UnitCommitted)
    assert (committed.num_units_done, committed.annotations, committed.failures) == (1, 3, 1)
    assert isinstance(minute, Minute)
    assert (minute.segments, minute.engines[0].busy_share) == ({"annotated": 3, "rejected": 1}, 0.75)
    assert ended == Ended(at=AT, how="unfinished")


def test_one_unit_cannot_flood_the_log(watched: Watched) -> None:
    with RunLog(watched.path) as log, watched.start(log) as watch:
        watch.on_unit_done(_commit(*map(str, range(1000))))
    assert sum(isinstance(line, FailureLine) for line in watched.lines()) == 20


@pytest.mark.parametrize(
    ("error", "how"),
    [
        (ModelError("no weights"), "ModelError: no weights"),
        (KeyboardInterrupt(), "interrupted"),
        (ZeroDivisionError("by chance"), "ZeroDivisionError"),
    ],
)
def test_the_last_line_says_what_ended_the_call(watched: Watched, error: BaseException, how: str) -> None:
    with pytest.raises(type(error)), RunLog(watched.path) as log, watched.start(log):
        raise error
    assert watched.lines()[-1] == Ended(at=AT, how=how)


def test_a_driver_that_waits_still_gives_a_sign_of_life(watched: Watched) -> None:
    def beats() -> int:
        return sum(isinstance(line, Minute) for line in watched.lines())

    with RunLog(watched.path) as log, watched.start(log, minute_s=0.02):
        assert _soon(lambda: beats() >= 3)
    assert isinstance(watched.lines()[0], Started)


class FullDiskLog(RunLog):
    """Takes everything but the lines of the clock."""

    def append(self, line: LogLine) -> None:
        if isinstance(line, Minute):
            raise OutputError("no room")
        super().append(line)


def test_a_log_that_cannot_be_written_stops_the_run_at_the_next_call(watched: Watched) -> None:
    def is_refused(watch: RunWatch) -> bool:
        try:
            watch.on_engines([])
        except OutputError:
            return True
        return False

    with FullDiskLog(watched.path) as log, watched.start(log, minute_s=0.02) as watch:
        assert _soon(lambda: is_refused(watch))


def _soon(condition: Callable[[], bool]) -> bool:
    return any(condition() or threading.Event().wait(0.05) for _ in range(600))
