"""The progress bar of `fcaps annotate`, on stderr."""

import time

from rich.progress import TextColumn, TimeRemainingColumn

from fcaps_pipeline.annotate.engines.engine import EngineIdentity
from fcaps_pipeline.annotate.run.callback import RunCallback
from fcaps_pipeline.annotate.run.plan import Plan
from fcaps_pipeline.annotate.run.watch.progress import Progress as Step
from fcaps_pipeline.cli.bars import Bar
from fcaps_pipeline.cli.console import Stream
from fcaps_pipeline.shards.layout import Totals, UnitCommit


class ProgressBar(Bar, RunCallback):
    """Hours done, Segments and tokens per second, rejected, failed, time left."""

    def __init__(self, console: Stream) -> None:
        hours = TextColumn("{task.completed:.2f}/{task.total:.2f} h  {task.fields[rates]}")
        super().__init__(console, hours, TimeRemainingColumn())
        self._task = self._bar.add_task("planning", total=None, rates="", visible=False)
        self._begun_s = time.monotonic()
        self._num_segments = self._num_tokens = self._num_rejections = self._num_failures = 0

    def on_plan(self, plan: Plan, done: Totals, num_units_done: int) -> None:
        """Says what there is to do."""
        if num_units_done == plan.num_units:
            self._console.say("nothing to do: every unit of this run is committed")
            return
        self._console.say(
            f"{plan.num_recordings} recordings, {plan.duration_s / 3600:.3f} h, "
            f"{num_units_done} of {plan.num_units} units done; starting the engines"
        )
        for suffix, count in sorted(plan.num_ignored_files.items()):
            self._console.say(f"ignored {count} files of kind {suffix}: not audio")
        for remark in plan.remarks:
            self._console.say(remark, style="yellow")
        self._bar.update(
            self._task,
            description="starting",
            total=plan.duration_s / 3600,
            completed=done.audio_hours,
            visible=True,
        )

    def on_engine_down(self, engine: str, replica: str, cause: str) -> None:
        """Says what was lost; the run goes on with the others."""
        self._console.print(f"engine {engine}: replica {replica} is down: {cause}", style="yellow", soft_wrap=True)

    def on_engines_ready(self, engines: dict[str, EngineIdentity], startup_s: float) -> None:
        """Starts the clock of the rates."""
        names = ", ".join(f"{name} ({one.engine} {one.engine_version})" for name, one in engines.items())
        self._console.say(f"engines ready after {startup_s:.1f} s: {names}")
        self._bar.update(self._task, description="annotating")
        self._begun_s = time.monotonic()

    def on_progress(self, progress: Step) -> None:
        """Moves the bar."""
        self._num_segments += progress.num_segments
        self._num_tokens += progress.output_tokens.total()
        self._num_rejections += progress.segments["rejected"]
        self._num_failures += progress.num_failures
        elapsed_s = max(time.monotonic() - self._begun_s, 1e-3)
        rates = (
            f"{self._num_segments / elapsed_s:.1f} clips/s  {self._num_tokens / elapsed_s:.0f} tokens/s  "
            f"{self._num_rejections} rejected  {self._num_failures} failed"
        )
        self._bar.update(self._task, advance=progress.audio_s / 3600, rates=rates)

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
