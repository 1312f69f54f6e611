"""What the lines of a run log mean together, at a given moment."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from fcaps_pipeline.annotate.run.watch.activity import SILENT_AFTER, STUCK_AFTER, Activity, State, activity
from fcaps_pipeline.annotate.run.watch.run_log import (
    Ended,
    EngineDown,
    EngineMinute,
    FailureLine,
    LogLine,
    Minute,
    Planned,
    Ready,
    Started,
    Step,
    UnitCommitted,
    Waiting,
)

T0 = datetime(2026, 12, 1, tzinfo=UTC)


def _at(minutes: float) -> datetime:
    return T0 + timedelta(minutes=minutes)


def _minute(at: float, num_segments: int, up: int = 2) -> Minute:
    return Minute(
        at=_at(at),
        audio_hours=1.0,
        segments={"annotated": num_segments},
        recording_failures=0,
        output_tokens={},
        verdicts={"kept": num_segments},
        hours_per_hour=120.0,
        eta_s=600.0,
        engines=(
            EngineMinute(
                engine="small",
                wanted=2,
                up=up,
                busy_share=0.9,
                output_tokens_per_s=1000.0,
                queued=5,
                restarts=0,
                kv_cache_share=None,
                preemptions=0,
            ),
        ),
    )


STARTED = Started(at=T0, host="node-1", pid=7, fcaps_version="1")
PLANNED = Planned(at=_at(1), num_units=4, num_units_done=0, audio_hours=4.0, audio_hours_done=0.0)
READY = Ready(at=_at(3), startup_s=120.0)
COMMITTED = UnitCommitted(
    at=_at(4), unit_index=0, num_units_done=1, audio_hours=1.0, annotations=9, rejections=1, failures=0
)

PLANNING = Step(at=T0, step="planning")
ANNOTATING = Step(at=_at(3), step="annotating")
STARTING = Step(at=_at(1), step="starting the engines")
GOING: list[LogLine] = [STARTED, PLANNED, READY, ANNOTATING, _minute(4, 8)]
WAITING = Waiting(at=_at(2), message="waiting for a GPU")
LOADING: list[LogLine] = [STARTED, PLANNED, STARTING, WAITING, _minute(2, 0, up=0)]


def _look(lines: Sequence[LogLine], minutes: float, *, is_gone: bool = False) -> Activity:
    found = activity(lines, _at(minutes), lambda host, pid: is_gone)
    assert found is not None
    return found


def test_no_log_tells_nothing() -> None:
    assert activity([], T0, lambda host, pid: False) is None


@pytest.mark.parametrize(
    ("lines", "minutes", "state", "what"),
    [
        ([STARTED, PLANNING], 1.0, State.STARTING, "planning"),
        (
            LOADING,
            2.5,
            State.STARTING,
            "starting the engines; engines up: 0 of 2 small; waiting for a GPU",
        ),
        (
            GOING,
            4.5,
            State.WORKING,
            "annotating; engines up: 2 of 2 small",
        ),
        ([STARTED, PLANNED, READY, COMMITTED, Ended(at=_at(5), how="whole")], 99.0, State.ENDED, "whole"),
    ],
)
def test_states_of_a_healthy_call(lines: list[LogLine], minutes: float, state: State, what: str) -> None:
    found = _look(lines, minutes)
    assert (found.state, found.what) == (state, what)


def test_who_works_how_fast_and_what_came_last() -> None:
    down = EngineDown(at=_at(4), engine="small", replica="small-1", cause="its node left")
    failure = FailureLine(at=_at(4), unit_index=0, message="a.flac: empty")
    found = _look([STARTED, PLANNED, READY, COMMITTED, down, failure, _minute(5, 10)], 5.5)
    assert (found.host, found.pid, found.since, found.seen_at) == ("node-1", 7, T0, _at(5))
    assert (found.hours_per_hour, found.eta_s, found.last_commit_at) == (120.0, 600.0, _at(4))
    assert (found.last_engine_down, found.last_failure) == ("small-1 of small: its node left", "a.flac: empty")
    assert [one.up for one in found.engines] == [2]


def test_a_writer_that_speaks_but_finishes_nothing_is_stuck() -> None:
    beats = [_minute(minutes, 8) for minutes in range(4, 30)]
    lines: list[LogLine] = [STARTED, PLANNED, READY, *beats]
    assert _look(lines[:-12], 17.5).state is State.WORKING
    found = _look(lines, 29.5)
    assert found.state is State.STUCK
    assert found.what == "nothing was finished since 2026-12-01 00:03:00 UTC; engines up: 2 of 2 small"
    assert found.eta_s is None
    assert _look([*lines, _minute(30, 9)], 30.5).state is State.WORKING
    assert timedelta(minutes=29.5 - 4) > STUCK_AFTER


def test_silence_means_that_the_writer_is_gone() -> None:
    lines: list[LogLine] = [STARTED, PLANNED, READY, _minute(4, 8)]
    assert _look(lines, 6.9).state is State.WORKING
    assert _look(lines, 4 + SILENT_AFTER.total_seconds() / 60 + 0.1).state is State.GONE
    assert _look(lines, 4.1, is_gone=True).state is State.GONE


def test_the_last_call_counts_but_a_commit_of_any_call_is_remembered() -> None:
    again = Started(at=_at(60), host="node-2", pid=9, fcaps_version="1")
    found = _look([STARTED, PLANNED, READY, COMMITTED, _minute(5, 10), again], 60.5)
    assert (found.state, found.host, found.engines, found.hours_per_hour) == (State.STARTING, "node-2", (), None)
    assert found.last_commit_at == _at(4)
