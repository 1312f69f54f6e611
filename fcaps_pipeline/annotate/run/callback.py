"""Who is told how a run goes on: the progress bar, metrics and run log. Called in the driver, from one thread."""

from collections.abc import Sequence

from fcaps_pipeline.annotate.engines.engine import EngineIdentity
from fcaps_pipeline.annotate.run.watch.progress import EngineState, Progress
from fcaps_pipeline.shards.layout import Totals, UnitCommit
from fcaps_pipeline.shards.plan import Plan

ANNOTATING = "annotating"
"""The step in which hours are done; others only take time."""


class RunCallback:
    """Told how a run goes on; a progress bar for instance. By itself it does nothing."""

    def on_step(self, step: str) -> None:
        """Called at the beginning of each step that may take long, with its name."""

    def on_remark(self, remark: str) -> None:
        """Called with what a person should know before hours of work begin."""

    def on_plan(self, plan: Plan, done: Totals, num_units_done: int) -> None:
        """Called before anything starts, and once more when earlier answers were taken over and the rest is asked."""

    def on_engine_up(self, engine: str, replica: str, host: str) -> None:
        """Called when a replica answers, at first or again."""

    def on_engine_down(self, engine: str, replica: str, cause: str) -> None:
        """Called when a replica died, hangs or is gone with its node."""

    def on_engines_ready(self, engines: dict[str, EngineIdentity], startup_s: float) -> None:
        """Called when every engine of the job answers."""

    def on_engines(self, states: Sequence[EngineState]) -> None:
        """Called once a second, with all engines of the job."""

    def on_waiting(self, message: str) -> None:
        """Called once a minute while processes of the run have no place, with what is waited for."""

    def on_progress(self, progress: Progress) -> None:
        """Called once a second, with what was reported meanwhile."""

    def on_unit_done(self, commit: UnitCommit) -> None:
        """Called when a unit is committed."""

    def on_unit_failed(self, unit_index: int, message: str) -> None:
        """Called when a unit was given up; the next call of `annotate` tries it again."""


class RunCallbacks(RunCallback):
    """Several RunCallbacks as one, told in the order given."""

    def __init__(self, *callbacks: RunCallback) -> None:
        self._callbacks = callbacks

    def on_step(self, step: str) -> None:
        """See `RunCallback`; so for the other calls."""
        for one in self._callbacks:
            one.on_step(step)

    def on_remark(self, remark: str) -> None:
        """Tells all."""
        for one in self._callbacks:
            one.on_remark(remark)

    def on_plan(self, plan: Plan, done: Totals, num_units_done: int) -> None:
        """Tells all."""
        for one in self._callbacks:
            one.on_plan(plan, done, num_units_done)

    def on_engine_up(self, engine: str, replica: str, host: str) -> None:
        """Tells all."""
        for one in self._callbacks:
            one.on_engine_up(engine, replica, host)

    def on_engine_down(self, engine: str, replica: str, cause: str) -> None:
        """Tells all."""
        for one in self._callbacks:
            one.on_engine_down(engine, replica, cause)

    def on_engines_ready(self, engines: dict[str, EngineIdentity], startup_s: float) -> None:
        """Tells all."""
        for one in self._callbacks:
            one.on_engines_ready(engines, startup_s)

    def on_engines(self, states: Sequence[EngineState]) -> None:
        """Tells all."""
        for one in self._callbacks:
            one.on_engines(states)

    def on_waiting(self, message: str) -> None:
        """Tells all."""
        for one in self._callbacks:
            one.on_waiting(message)

    def on_progress(self, progress: Progress) -> None:
        """Tells all."""
        for one in self._callbacks:
            one.on_progress(progress)

    def on_unit_done(self, commit: UnitCommit) -> None:
        """Tells all."""
        for one in self._callbacks:
            one.on_unit_done(commit)

    def on_unit_failed(self, unit_index: int, message: str) -> None:
        """Tells all."""
        for one in self._callbacks:
            one.on_unit_failed(unit_index, message)
