"""How a run tells what it is doing: steps from the actors, calls to a callback."""

from typing import Protocol

from fcaps_pipeline.annotate.engines.engine import EngineIdentity
from fcaps_pipeline.annotate.run.plan import Plan
from fcaps_pipeline.records.base import Record
from fcaps_pipeline.shards.layout import Totals, UnitCommit


class Progress(Record):
    """What happened since the last report."""

    audio_s: float = 0.0
    num_segments: int = 0
    num_rejections: int = 0
    num_failures: int = 0
    num_output_tokens: int = 0


class RunCallback(Protocol):
    """Told how a run goes on; a progress bar for instance."""

    def on_plan(self, plan: Plan, done: Totals, num_units_done: int) -> None:
        """Called once, before anything starts."""
        ...

    def on_engines_ready(self, engines: dict[str, EngineIdentity], startup_s: float) -> None:
        """Called when the engines answer."""
        ...

    def on_progress(self, progress: Progress) -> None:
        """Called whenever something was reported."""
        ...

    def on_unit_done(self, commit: UnitCommit) -> None:
        """Called when a unit is committed."""
        ...

    def on_unit_failed(self, unit_index: int, message: str) -> None:
        """Called when a unit was given up; the next call of `annotate` tries it again."""
        ...
