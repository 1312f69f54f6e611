"""How far `fcaps annotate` is, on stderr: a bar on a terminal, a line at least every minute in a log."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Self

from rich.progress import TextColumn, TimeElapsedColumn
from rich.table import Column

from fcaps_pipeline.annotate.engines.engine import EngineIdentity
from fcaps_pipeline.annotate.run.callback import ANNOTATING, RunCallback
from fcaps_pipeline.annotate.run.watch.progress import Progress
from fcaps_pipeline.cli.bars import Bar
from fcaps_pipeline.cli.console import Stream
from fcaps_pipeline.shards.layout import Totals, UnitCommit
from fcaps_pipeline.shards.plan import Plan

_HEARTBEAT_S = 60.0


class Pace:
    """Hours done of hours planned, and how fast."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._since_s = clock()
        self._at_start_h = self.done_h = self.total_h = 0.0
        self._sum = Progress()

    def start(self) -> None:
        """Rates count from here: engines start slowly and are started once."""
        self._since_s, self._at_start_h = self._clock(), self.done_h

    def add(self, progress: Progress) -> None:
        """Counts what was done."""
        self._sum += progress
        self.done_h += progress.audio_s / 3600

    @property
    def hours(self) -> str:
        """Such as `0.50 of 2.00 h`."""
        return f"{self.done_h:.2f} of {self.total_h:.2f} h"

    @property
    def remaining(self) -> str:
        """Time left at the pace so far, such as `0:20:00`."""
        done_h = self.done_h - self._at_start_h
        if done_h <= 0:
            return "-:--:--"
        left_s = self._elapsed_s() * max(0.0, self.total_h - self.done_h) / done_h
        return str(timedelta(seconds=round(left_s)))

    @property
    def rates(self) -> str:
        """Times real time, Segments and tokens per second; rejected and failed."""
        elapsed_s, counts = self._elapsed_s(), self._sum
        return (
            f"{counts.audio_s / elapsed_s:.1f} x real time, {counts.num_segments / elapsed_s:.1f} segments/s, "
            f"{counts.output_tokens.total() / elapsed_s:.0f} tokens/s, "
            f"{counts.segments['rejected']} rejected, {counts.num_failures} failed"
        )

    def _elapsed_s(self) -> float:
        return max(self._clock() - self._since_s, 1e-3)


class ProgressBar(Bar, RunCallback):
    """The step, hours done, elapsed time and time left; rates as far as the terminal has room for them."""

    def __init__(
        self,
        console: Stream,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC).astimezone(),
        heartbeat_s: float = _HEARTBEAT_S,
    ) -> None:
        super().__init__(
            console,
            TextColumn("{task.fields[hours]}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[remaining]}"),
            TextColumn("{task.fields[rates]}", table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")),
            expand=True,
        )
        self._task = self._bar.add_task("planning", total=None, hours="", remaining="", rates="")
        self._step = "planning"
        self._pace = Pace(clock)
        self._clock, self._now, self._heartbeat_s = clock, now, heartbeat_s
        self._begun_s = clock()
        self._is_over = threading.Event()
        self._heart = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> Self:
        if not self._console.is_terminal:
            self._heart.start()
        return super().__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over.set()
        if self._heart.is_alive():
            self._heart.join()
        super().__exit__(kind, error, trace)

    def on_step(self, step: str) -> None:
        """Shows the step, the bar running."""
        self._step = step
        self._bar.update(self._task, description=step)

    def on_remark(self, remark: str) -> None:
        """Says it above the bar."""
        self._console.say(remark)

    def on_plan(self, plan: Plan, done: Totals, num_units_done: int) -> None:
        """Says what there is to do."""
        if num_units_done == plan.num_units:
            self._bar.update(self._task, visible=False)
            self._console.say("nothing to do: every unit of this run is committed")
            return
        self._console.say(
            f"{plan.num_recordings} recordings, {plan.duration_s / 3600:.3f} h, "
            f"{num_units_done} of {plan.num_units} units done; starting the engines"
        )
        if not self._pace.total_h:  # what is left after earlier answers were taken over comes from the same source
            for suffix, count in sorted(plan.num_ignored_files.items()):
                self._console.say(f"ignored {count} files of kind {suffix}: not audio")
            for remark in plan.remarks:
                self._console.say(remark, style="yellow")
        self._pace = Pace(self._clock)
        self._pace.total_h, self._pace.done_h = plan.duration_s / 3600, done.audio_hours

    def on_engine_down(self, engine: str, replica: str, cause: str) -> None:
        """Says what was lost; the run goes on with the others."""
        self._console.say(f"engine {engine}: replica {replica} is down: {cause}", style="yellow")

    def on_waiting(self, message: str) -> None:
        """Says what a run waits for that does not get on."""
        self._console.say(message, style="yellow")

    def on_engines_ready(self, engines: dict[str, EngineIdentity], startup_s: float) -> None:
        """Starts the clock of the rates."""
        names = ", ".join(f"{name} ({one.engine} {one.engine_version})" for name, one in engines.items())
        self._console.say(f"engines ready after {startup_s:.1f} s: {names}")
        self._pace.start()
        self._bar.update(self._task, total=self._pace.total_h, completed=self._pace.done_h, hours=self._pace.hours)

    def on_progress(self, progress: Progress) -> None:
        """Moves the bar."""
        pace = self._pace
        pace.add(progress)
        self._bar.update(
            self._task,
            completed=pace.done_h,
            hours=pace.hours,
            remaining=f"ETA {pace.remaining}",
            rates=pace.rates,
        )

    def on_unit_done(self, commit: UnitCommit) -> None:
        """Says what failed in a unit, line by line; where no bar is seen, also how far the run is."""
        if not self._console.is_terminal:
            self._console.say(
                f"unit {commit.unit_index} committed: {commit.num_annotations} annotated, {commit.num_rejections} "
                f"rejected, {commit.num_segment_failures + commit.num_recording_failures} failed"
            )
        for line in commit.failure_messages:
            self._console.say(f"failed: {line}", style="yellow")

    def on_unit_failed(self, unit_index: int, message: str) -> None:
        """Says which unit was given up."""
        self._console.say(f"unit {unit_index} given up: {message}", style="red")

    def _beat(self) -> None:
        while not self._is_over.wait(self._heartbeat_s):
            self._console.say(self.line())

    def line(self) -> str:
        """The state as a line of a log."""
        elapsed = timedelta(seconds=round(self._clock() - self._begun_s))
        start = f"{self._now():%H:%M:%S} {self._step}, {elapsed} elapsed"
        if self._step != ANNOTATING:
            return start
        return f"{start}: {self._pace.hours}, {self._pace.rates}, ETA {self._pace.remaining}"
