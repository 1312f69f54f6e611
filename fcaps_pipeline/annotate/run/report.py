"""`report.json`: what a run did, for people and scripts."""

from collections import Counter
from enum import Enum

from fcaps_pipeline import __version__
from fcaps_pipeline.annotate.engines.engine import EngineIdentity
from fcaps_pipeline.errors import printable
from fcaps_pipeline.records.base import Record
from fcaps_pipeline.shards.layout import Totals, UnitCommit
from fcaps_pipeline.shards.plan import Plan
from fcaps_pipeline.shards.reader import total

_MAX_LISTED = 1000

_WHY_NO_SEGMENT = {
    "no_speech": "no speech found",
    "too_short": "speech too short for a Segment",
    "too_long": "declared segments too long",
}


class State(Enum):
    """How a run ended."""

    WHOLE = "whole"
    WITH_FAILURES = "finished with failures"
    UNFINISHED = "unfinished"


class LastCall(Record):
    """What one call of `annotate` did."""

    failed_units: tuple[str, ...] = ()
    """Units given up, with the cause; the next call tries them again."""
    startup_s: float = 0.0
    """Until the engines answered."""
    annotating_s: float = 0.0
    """Beyond start-up."""
    num_reused: int = 0
    """Answers that were taken over from earlier runs."""
    num_asked: int = 0
    """Answers that engines gave."""

    def then(self, later: "LastCall") -> "LastCall":
        """This and what came after it, as one; units that were given up first were tried again later."""
        sums = {name: getattr(self, name) + getattr(later, name) for name in LastCall.model_fields}
        return LastCall(**sums | {"failed_units": later.failed_units})


class RunReport(Record):
    """Content of `report.json`."""

    state: State
    fcaps_version: str
    engines: dict[str, EngineIdentity]
    totals: Totals
    num_units: int
    num_units_done: int
    rejection_reasons: dict[str, int]
    failures: tuple[str, ...]
    """The first thousand; the others are in `failures/`."""
    recordings_without_segments: tuple[str, ...]
    """`source: why`, the first thousand."""
    warnings: dict[str, int]
    """How often each warning was given, over all Recordings."""
    ignored_files: dict[str, int]
    """Files of the source that are not audio, by suffix."""
    last_call: LastCall
    """The call that wrote this report."""


def make_report(
    plan: Plan, commits: list[UnitCommit], engines: dict[str, EngineIdentity], last_call: LastCall
) -> RunReport:
    """Sums up a run from its plan and its commit records.

    Raises:
        AccountingError: a unit's outcomes are not as many as its Segments.
    """
    totals = total(commits)
    return RunReport(
        state=_state(plan, totals, len(commits)),
        fcaps_version=__version__,
        engines=engines,
        totals=totals,
        num_units=plan.num_units,
        num_units_done=len(commits),
        rejection_reasons=dict(sum((Counter(commit.rejection_reasons) for commit in commits), Counter())),
        failures=tuple(printable(line) for commit in commits for line in commit.failure_messages)[:_MAX_LISTED],
        recordings_without_segments=_without_segments(commits),
        warnings=dict(sum((Counter(one.warnings) for commit in commits for one in commit.recordings), Counter())),
        ignored_files=plan.num_ignored_files,
        last_call=last_call,
    )


def _state(plan: Plan, totals: Totals, num_units_done: int) -> State:
    if num_units_done < plan.num_units:
        return State.UNFINISHED
    failed = totals.num_recordings_failed + totals.num_segment_failures
    return State.WITH_FAILURES if failed else State.WHOLE


def _without_segments(commits: list[UnitCommit]) -> tuple[str, ...]:
    lines = (
        printable("; ".join((f"{one.source}: {_WHY_NO_SEGMENT[one.outcome]}", *one.notes)))
        for commit in commits
        for one in commit.recordings
        if one.outcome in _WHY_NO_SEGMENT
    )
    return tuple(lines)[:_MAX_LISTED]
