"""`report.json`: what a run did, for people and scripts."""

from collections.abc import Mapping
from enum import Enum
from itertools import islice

from pydantic import Field

from fcaps_pipeline import __version__
from fcaps_pipeline.annotate.engines.engine import EngineIdentity
from fcaps_pipeline.annotate.verification.claims import OTHER
from fcaps_pipeline.errors import printable
from fcaps_pipeline.records.base import Record
from fcaps_pipeline.shards.layout import ClaimCounts, RunLayout, Totals
from fcaps_pipeline.shards.outcomes import read_outcomes
from fcaps_pipeline.shards.plan import Plan
from fcaps_pipeline.shards.sums import MAX_LISTED, CommitSums

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
    claims: dict[str, ClaimCounts] = Field(default_factory=dict)
    """What became of the claims of all candidates, by attribute."""
    share_not_understood: float | None = None
    """Of these, the share `other`; None where there are none."""
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
    layout: RunLayout, plan: Plan, sums: CommitSums, engines: dict[str, EngineIdentity], last_call: LastCall
) -> RunReport:
    """Says what a run came to.

    Raises:
        CorruptRunError: a table of Recordings is damaged.
    """
    totals = sums.totals()
    return RunReport(
        state=_state(plan, totals, sums.num_units),
        fcaps_version=__version__,
        engines=engines,
        totals=totals,
        num_units=plan.num_units,
        num_units_done=sums.num_units,
        rejection_reasons=dict(sums.rejection_reasons),
        claims=dict(sorted(sums.claims.items())),
        share_not_understood=_share_not_understood(sums.claims),
        failures=tuple(map(printable, sums.failures)),
        recordings_without_segments=_without_segments(layout, sums),
        warnings=dict(sums.warnings),
        ignored_files=plan.num_ignored_files,
        last_call=last_call,
    )


def _state(plan: Plan, totals: Totals, num_units_done: int) -> State:
    if num_units_done < plan.num_units:
        return State.UNFINISHED
    failed = totals.num_recordings_failed + totals.num_segment_failures
    return State.WITH_FAILURES if failed else State.WHOLE


def _share_not_understood(claims: Mapping[str, ClaimCounts]) -> float | None:
    total = sum(one.total for one in claims.values())
    return claims.get(OTHER, ClaimCounts()).total / total if total else None


def _without_segments(layout: RunLayout, sums: CommitSums) -> tuple[str, ...]:
    lines = (
        printable("; ".join((f"{one.source}: {_WHY_NO_SEGMENT[one.outcome]}", *one.notes)))
        for commit in sums.without_segments
        for one in read_outcomes(layout, commit)
        if one.outcome in _WHY_NO_SEGMENT
    )
    return tuple(islice(lines, MAX_LISTED))
