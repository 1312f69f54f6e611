"""What the run log tells about now: who works, how fast, with which engines, and whether anything still moves. Pure.

Lines and the time of the question enter; an `Activity` leaves. The log speaks once a minute at least, so silence
means that its writer is gone; a writer that speaks but finishes nothing is stuck.
"""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from enum import Enum
from typing import TypeVar

from fcaps_pipeline.annotate.run.watch.run_log import (
    Ended,
    EngineDown,
    EngineMinute,
    EngineUp,
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
from fcaps_pipeline.records.base import Record

_Kind = TypeVar("_Kind", bound=LogLine)

SILENT_AFTER = timedelta(minutes=3)
STUCK_AFTER = timedelta(minutes=15)


class State(Enum):
    """What the last call of `annotate` is doing."""

    STARTING = "starting"
    WORKING = "working"
    STUCK = "stuck"
    GONE = "gone"
    ENDED = "ended"

    @property
    def is_alive(self) -> bool:
        """Whether its process is there."""
        return self in (State.STARTING, State.WORKING, State.STUCK)


class Activity(Record):
    """The last call of `annotate` in a run folder, at one moment."""

    state: State
    what: str
    """The state in words, with what it was taken from."""
    host: str
    pid: int
    since: datetime
    """When the call began."""
    seen_at: datetime
    """Last line of the log."""
    hours_per_hour: float | None
    """Audio over wall clock, of the last ten minutes before the last line; None before the engines answered."""
    eta_s: float | None
    """None where nothing advances, or nothing is known yet."""
    engines: tuple[EngineMinute, ...]
    """As of the last minute."""
    verdicts: dict[str, int]
    """Candidates of this call by the rule that spoke against them, or `kept`."""
    last_commit_at: datetime | None
    """Of any call."""
    last_engine_down: str | None
    last_failure: str | None


_ADVANCES = (Step, Planned, EngineUp, Ready, UnitCommitted)
"""Lines that tell of something finished; so does a `Minute` whose sums differ from the one before."""


class _Seen:
    """What is left of one call's lines: the last of each kind, and when something was finished."""

    def __init__(self, started: Started) -> None:
        self.started = started
        self.last_at = self.advanced_at = started.at
        self._last: dict[type, LogLine] = {}

    def take(self, line: LogLine) -> None:
        before = self.last(Minute)
        if isinstance(line, _ADVANCES) or (isinstance(line, Minute) and before and _sums(line) != _sums(before)):
            self.advanced_at = line.at
        self.last_at = line.at
        self._last[type(line)] = line

    def last(self, kind: type[_Kind]) -> _Kind | None:
        found = self._last.get(kind)
        return found if isinstance(found, kind) else None


def activity(lines: Iterable[LogLine], now: datetime, is_gone: Callable[[str, int], bool]) -> Activity | None:
    """What is going on, from the lines of a run log.

    Args:
        lines: in the order of their writing.
        now: time of the question.
        is_gone: whether a process of a host is known to have ended; False where nobody can tell.

    Returns:
        None where no call of `annotate` has written anything.
    """
    seen: _Seen | None = None
    last_commit_at: datetime | None = None
    for line in lines:
        if isinstance(line, Started):
            seen = _Seen(line)
        elif seen is not None:
            seen.take(line)
        if isinstance(line, UnitCommitted):
            last_commit_at = line.at
    if seen is None:
        return None
    state, what = _state(seen, now, is_gone)
    minute, is_ready = seen.last(Minute), seen.last(Ready) is not None
    down, failure = seen.last(EngineDown), seen.last(FailureLine)
    return Activity(
        state=state,
        what=what,
        host=seen.started.host,
        pid=seen.started.pid,
        since=seen.started.at,
        seen_at=seen.last_at,
        hours_per_hour=minute.hours_per_hour if minute and is_ready else None,
        eta_s=minute.eta_s if minute and is_ready and state is State.WORKING else None,
        engines=minute.engines if minute else (),
        verdicts=minute.verdicts if minute else {},
        last_commit_at=last_commit_at,
        last_engine_down=f"{down.replica} of {down.engine}: {down.cause}" if down else None,
        last_failure=failure.message if failure else None,
    )


def _state(seen: _Seen, now: datetime, is_gone: Callable[[str, int], bool]) -> tuple[State, str]:
    ended = seen.last(Ended)
    if ended is not None:
        return State.ENDED, ended.how
    if is_gone(seen.started.host, seen.started.pid) or now - seen.last_at > SILENT_AFTER:
        return State.GONE, f"no sign of life since {_clock(seen.last_at)}; the same annotate command goes on"
    if seen.last(Planned) is not None and now - seen.advanced_at > STUCK_AFTER:
        return State.STUCK, f"nothing was finished since {_clock(seen.advanced_at)}{_around(seen)}"
    step = seen.last(Step)
    what = f"{step.step if step else 'starting'}{_around(seen)}"
    return State.WORKING if seen.last(Ready) is not None else State.STARTING, what


def _around(seen: _Seen) -> str:
    waiting = seen.last(Waiting)
    is_waiting = waiting is not None and waiting.at > seen.advanced_at
    return _engines(seen.last(Minute)) + (f"; {waiting.message}" if waiting and is_waiting else "")


def _engines(minute: Minute | None) -> str:
    up = [f"{one.up} of {one.wanted} {one.engine}" for one in minute.engines] if minute else []
    return f"; engines up: {', '.join(up)}" if up else ""


def _sums(minute: Minute) -> tuple[object, ...]:
    return minute.audio_hours, minute.segments, minute.recording_failures, minute.output_tokens


def _clock(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"
