"""Makes a run watchable: keeps its sums and rates, exports them once a second, logs them once a minute.

Calls of the driver enter; metrics and lines of the run log leave. Once a minute means from a thread of its own, so
that a driver that waits for engines, or for a disk, still gives a sign of life.
"""

import os
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from types import TracebackType
from typing import Self

from fcaps_pipeline import __version__
from fcaps_pipeline.annotate.engines.engine import EngineIdentity
from fcaps_pipeline.annotate.run.callback import RunCallback
from fcaps_pipeline.annotate.run.watch import metrics as m
from fcaps_pipeline.annotate.run.watch import run_log
from fcaps_pipeline.annotate.run.watch.pace import Pace
from fcaps_pipeline.annotate.run.watch.progress import EngineState, Progress
from fcaps_pipeline.errors import FcapsError, OutputError
from fcaps_pipeline.shards.layout import Totals, UnitCommit
from fcaps_pipeline.shards.plan import Plan

MINUTE_S = 60.0
_MAX_FAILURES_LOGGED = 20
"""Of one unit; all of them stand in `failures/`."""


class RunWatch(RunCallback):
    """Watches one call of `annotate`, from its start to its end; to be used as a context."""

    def __init__(
        self,
        log: run_log.RunLog,
        metrics: m.Metrics,
        now: Callable[[], datetime] = run_log.utc_now,
        clock_s: Callable[[], float] = time.monotonic,
        minute_s: float = MINUTE_S,
    ) -> None:
        """Keeps its two outputs and its two clocks.

        Args:
            log: open.
            metrics: where values are exported.
            now: wall clock, for the log.
            clock_s: a clock that never goes back, for rates.
            minute_s: time between two `Minute` lines.
        """
        self._log = log
        self._metrics = metrics
        self._now = now
        self._clock_s = clock_s
        self._minute_s = minute_s
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="run-log", daemon=True)
        self._error: OutputError | None = None
        self._how = "finished"
        self._planned_hours = self._hours_before = self._hours_committed = 0.0
        self._num_units_done = 0
        self._sum = Progress()
        self._audio = Pace(clock_s)
        self._tokens: defaultdict[str, Pace] = defaultdict(lambda: Pace(clock_s))
        self._states: list[Sequence[EngineState]] = []
        """Since the last `Minute`; the last one stays."""

    def __enter__(self) -> Self:
        """Says who works.

        Raises:
            OutputError: the log cannot be written.
        """
        host, pid = socket.gethostname(), os.getpid()
        self._log.append(run_log.Started(at=self._now(), host=host, pid=pid, fcaps_version=__version__))
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed.set()
        self._thread.join()
        if isinstance(error, FcapsError):
            self._how = f"{type(error).__name__}: {error}"
        elif kind is not None:
            self._how = "interrupted" if kind is KeyboardInterrupt else kind.__name__
        # Where the disk is full, that is the error already on its way.
        with suppress(OutputError):
            self._log.append(self._minute())
            self._log.append(run_log.Ended(at=self._now(), how=self._how))

    def concluded(self, how: str) -> None:
        """Keeps how the run ended, for the last line."""
        self._how = how

    def on_step(self, step: str) -> None:
        """See `RunCallback`."""
        self._write(run_log.Step(at=self._now(), step=step))

    def on_waiting(self, message: str) -> None:
        """See `RunCallback`."""
        self._write(run_log.Waiting(at=self._now(), message=message))

    def on_plan(self, plan: Plan, done: Totals, num_units_done: int) -> None:
        """See `RunCallback`."""
        with self._lock:
            self._planned_hours = plan.duration_s / 3600
            self._hours_before = self._hours_committed = done.audio_hours
            self._num_units_done = num_units_done
            self._sum, self._audio = Progress(), Pace(self._clock_s)
        self._write(
            run_log.Planned(
                at=self._now(),
                num_units=plan.num_units,
                num_units_done=num_units_done,
                audio_hours=self._planned_hours,
                audio_hours_done=done.audio_hours,
            )
        )

    def on_engine_up(self, engine: str, replica: str, host: str) -> None:
        """See `RunCallback`."""
        self._write(run_log.EngineUp(at=self._now(), engine=engine, replica=replica, host=host))

    def on_engine_down(self, engine: str, replica: str, cause: str) -> None:
        """See `RunCallback`."""
        self._write(run_log.EngineDown(at=self._now(), engine=engine, replica=replica, cause=cause))

    def on_engines_ready(self, engines: dict[str, EngineIdentity], startup_s: float) -> None:
        """See `RunCallback`; rates begin here."""
        with self._lock:
            self._audio = Pace(self._clock_s)
            self._tokens.update({name: Pace(self._clock_s) for name in engines})
        self._write(run_log.Ready(at=self._now(), startup_s=startup_s))

    def on_engines(self, states: Sequence[EngineState]) -> None:
        """See `RunCallback`."""
        with self._lock:
            before = {one.engine: one for one in self._states[-1]} if self._states else {}
            self._states.append(states)
        for one in states:
            self._export(one, before.get(one.engine))
        self._raise()

    def on_progress(self, progress: Progress) -> None:
        """See `RunCallback`."""
        with self._lock:
            self._sum += progress
            self._audio.add(progress.audio_s)
            for engine, count in progress.output_tokens.items():
                self._tokens[engine].add(count)
            eta_s = self._eta_s()
        add = self._metrics.add
        add(m.AUDIO_HOURS, progress.audio_s / 3600)
        add(m.RECORDING_FAILURES, progress.num_recording_failures)
        for outcome, count in progress.segments.items():
            add(m.SEGMENTS, count, outcome=outcome)
        for engine, count in progress.output_tokens.items():
            add(m.OUTPUT_TOKENS, count, engine=engine)
        for rule, count in progress.verdicts.items():
            add(m.VERDICTS, count, rule=rule)
        if eta_s is not None:
            self._metrics.put(m.ETA, eta_s)
        self._raise()

    def on_unit_done(self, commit: UnitCommit) -> None:
        """See `RunCallback`."""
        with self._lock:
            self._num_units_done += 1
            self._hours_committed += commit.audio_s / 3600
        self._metrics.add(m.UNITS, 1)
        self._write(
            run_log.UnitCommitted(
                at=self._now(),
                unit_index=commit.unit_index,
                num_units_done=self._num_units_done,
                audio_hours=self._hours_committed,
                annotations=commit.num_annotations,
                rejections=commit.num_rejections,
                failures=commit.num_segment_failures + commit.num_recording_failures,
            )
        )
        for message in commit.failure_messages[:_MAX_FAILURES_LOGGED]:
            self._write(run_log.FailureLine(at=self._now(), unit_index=commit.unit_index, message=message))

    def on_unit_failed(self, unit_index: int, message: str) -> None:
        """See `RunCallback`."""
        self._write(run_log.FailureLine(at=self._now(), unit_index=unit_index, message=message))

    def _export(self, state: EngineState, before: EngineState | None) -> None:
        put, engine = self._metrics.put, state.engine
        put(m.QUEUE, state.queued, engine=engine)
        put(m.REPLICAS, state.wanted, engine=engine, state="wanted")
        put(m.REPLICAS, state.up, engine=engine, state="up")
        put(m.BUSY_SHARE, state.busy_share, engine=engine)
        put(m.TOKENS_PER_S, self._tokens_per_s(engine), engine=engine)
        if state.kv_cache_share is not None:
            put(m.KV_CACHE_SHARE, state.kv_cache_share, engine=engine)
        preemptions, restarts = (before.preemptions, before.restarts) if before else (0, 0)
        # A replica that is replaced counts from nothing again.
        self._metrics.add(m.PREEMPTIONS, max(0, state.preemptions - preemptions), engine=engine)
        self._metrics.add(m.RESTARTS, max(0, state.restarts - restarts), engine=engine)

    def _tokens_per_s(self, engine: str) -> float:
        return self._tokens[engine].per_s() if engine in self._tokens else 0.0

    def _eta_s(self) -> float | None:
        return self._audio.eta_s((self._planned_hours - self._hours_before) * 3600 - self._audio.total)

    def _minute(self) -> run_log.Minute:
        with self._lock:
            seen, self._states = self._states, self._states[-1:]
            return run_log.Minute(
                at=self._now(),
                audio_hours=self._hours_before + self._sum.audio_s / 3600,
                segments=dict(self._sum.segments),
                recording_failures=self._sum.num_recording_failures,
                output_tokens=dict(self._sum.output_tokens),
                verdicts=dict(self._sum.verdicts),
                hours_per_hour=self._audio.per_s(),
                eta_s=self._eta_s(),
                engines=self._engine_minutes(seen),
            )

    def _engine_minutes(self, seen: list[Sequence[EngineState]]) -> tuple[run_log.EngineMinute, ...]:
        shares: defaultdict[str, list[float]] = defaultdict(list)
        for states in seen:
            for one in states:
                shares[one.engine].append(one.busy_share)
        return tuple(
            run_log.EngineMinute(
                engine=one.engine,
                wanted=one.wanted,
                up=one.up,
                busy_share=sum(shares[one.engine]) / len(shares[one.engine]),
                output_tokens_per_s=self._tokens_per_s(one.engine),
                queued=one.queued,
                restarts=one.restarts,
                kv_cache_share=one.kv_cache_share,
                preemptions=one.preemptions,
            )
            for one in (seen[-1] if seen else ())
        )

    def _beat(self) -> None:
        while not self._closed.wait(self._minute_s):
            try:
                self._log.append(self._minute())
            except OutputError as error:
                self._error = error  # told by the next call of the driver, which can stop the run
                return

    def _write(self, line: run_log.LogLine) -> None:
        self._log.append(line)
        self._raise()

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error
