"""Looks at a run folder: how far it is, whether it is sound, and what it holds."""

import re
import socket
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import psutil

from fcaps_pipeline.annotate.run.soundness import last_verified
from fcaps_pipeline.annotate.run.watch.activity import Activity, State, activity
from fcaps_pipeline.annotate.run.watch.run_log import read_log, utc_now
from fcaps_pipeline.errors import UsageError
from fcaps_pipeline.records.annotations import Claim
from fcaps_pipeline.records.audio import Event
from fcaps_pipeline.records.base import Record
from fcaps_pipeline.shards.commits import last_attempt, read_commit
from fcaps_pipeline.shards.id_index import units_with
from fcaps_pipeline.shards.layout import OUTCOME_TABLES, RunLayout, Table, Totals, UnitCommit
from fcaps_pipeline.shards.plan import Plan, load, unit_lengths_s
from fcaps_pipeline.shards.reader import find_unit_rows, read_commits, read_unit_rows
from fcaps_pipeline.shards.schema import COLUMNS, Row
from fcaps_pipeline.shards.sums import CommitSums

_SEGMENT_SUFFIX = re.compile(r"-c(\d+|mix)-\d{9,}-\d{9,}\Z")
"""What the id of a Segment has beyond that of its Recording."""
_NO_CAPTION = {"text": "", "candidate_id": ""}


class RunStatus(Record):
    """How far a run is."""

    plan: Plan
    totals: Totals
    num_units_done: int
    pending_s: float
    """Audio of the units that are not committed, as far as headers tell."""
    indexed: bool
    """Whether `index.json` says that the dataset is complete."""
    verified_by: str | None
    """Version of this package that verified the index as it is; None where none did."""
    rejection_reasons: dict[str, int]
    """Rejections by granularity and rules, most frequent first."""


class RunOverview(Record):
    """What can be seen of a run from its folder."""

    progress: RunStatus | None
    """None while there is no plan yet."""
    activity: Activity | None
    """What the run log tells; None where no call of `annotate` kept one."""


class Line(Record):
    """One Segment as a line of a table; a rejected one has no captions."""

    segment_id: str
    """Of a Recording that could not be read, its own id."""
    duration_s: float | None
    """None where nothing could be read."""
    fine_caption: str = ""
    fine_claims: tuple[Claim, ...] = ()
    global_caption: str = ""
    global_claims: tuple[Claim, ...] = ()
    events: tuple[Event, ...] = ()
    dropped: str
    """Why the Segment was rejected, or how many of its candidates were dropped by which rules."""


def status(layout: RunLayout) -> RunStatus:
    """How far the run is, from plan and commit records.

    Raises:
        CorruptRunError: plan or records are unreadable.
    """
    plan, sums, done = load(layout), CommitSums(), set[int]()
    for commit in read_commits(layout):
        sums.add(commit)
        done.add(commit.unit_index)
    return RunStatus(
        plan=plan,
        totals=sums.totals(),
        num_units_done=sums.num_units,
        pending_s=float(np.delete(unit_lengths_s(layout, plan), list(done)).sum()),
        indexed=layout.index.exists(),
        verified_by=last_verified(layout),
        rejection_reasons=dict(sums.rejection_reasons.most_common()),
    )


def overview(layout: RunLayout) -> RunOverview:
    """How far the run is, and who works on it how fast.

    Raises:
        CorruptRunError: plan, records or log are unreadable.
    """
    going_on = activity(read_log(layout.log), utc_now(), _is_gone)
    is_planning = going_on is not None and going_on.state is State.STARTING and not layout.plan.exists()
    return RunOverview(progress=None if is_planning else status(layout), activity=going_on)


def _is_gone(host: str, pid: int) -> bool:
    return host == socket.gethostname() and not psutil.pid_exists(pid)


def lines(layout: RunLayout, tables: Sequence[Table] = OUTCOME_TABLES) -> Iterator[Line]:
    """Annotated Segments, then rejected ones, then what nobody could be asked about, in shard order.

    Args:
        layout: of the run.
        tables: those to read.
    """
    for table in tables:
        for commit in read_commits(layout):
            yield from _lines(layout, commit, table)


def _lines(layout: RunLayout, commit: UnitCommit, table: Table) -> Iterator[Line]:
    rows = read_unit_rows(layout, commit, table, _COLUMNS[table])
    if table == "data":
        candidates = _candidates(layout, commit, ["segment_id", "candidate_id", "kept", "reasons", "claims"])
        yield from (_annotated(row, candidates.get(row["segment_id"], [])) for row in rows)
    else:
        yield from map(_rejected if table == "rejections" else _failed, rows)


def _annotated(row: Row, candidates: list[Row]) -> Line:
    """The best caption of each granularity with its claims."""
    best = {one["granularity"]: one for one in reversed(row["captions"])}
    claims = {one["candidate_id"]: tuple(map(Claim.model_validate, one["claims"] or ())) for one in candidates}
    fine, whole = best.get("fine", _NO_CAPTION), best.get("global", _NO_CAPTION)
    return Line(
        segment_id=row["segment_id"],
        duration_s=row["duration_s"],
        fine_caption=fine["text"],
        fine_claims=claims.get(fine["candidate_id"], ()),
        global_caption=whole["text"],
        global_claims=claims.get(whole["candidate_id"], ()),
        events=tuple(map(Event.model_validate, row["events"] or ())),
        dropped=_dropped(candidates),
    )


def _rejected(row: Row) -> Line:
    return Line(segment_id=row["segment_id"], duration_s=row["duration_s"], dropped=f"rejected: {row['reason']}")


def _failed(row: Row) -> Line:
    return Line(segment_id=_id(row), duration_s=row["duration_s"], dropped=f"failed: {row['message']}")


def _id(row: Row) -> str:
    """Of the Segment; of the Recording where that failed as a whole."""
    return str(row["recording_id"] if row["segment_id"] is None else row["segment_id"])


_COLUMNS: dict[Table, list[str]] = {
    "data": ["segment_id", "duration_s", "captions", "events"],
    "rejections": ["segment_id", "duration_s", "reason"],
    "failures": ["segment_id", "recording_id", "duration_s", "message"],
}


def find(layout: RunLayout, name: str) -> dict[str, Any]:
    """The row of an id as `lines` has it, without its audio bytes, from whichever table has it, and its candidates.

    The unit is looked up in the index of the plan; where that does not lead to the row, all units are gone through.

    Raises:
        UsageError: no table has it.
    """
    recording_id = _SEGMENT_SUFFIX.sub("", name)
    for unit_index in units_with(layout, recording_id):
        if attempt := last_attempt(layout, unit_index):
            for row in _named(layout, read_commit(layout.commit(unit_index, attempt)), name):
                return row
    similar: list[str] = []
    for commit in read_commits(layout):
        for row in _named(layout, commit, name):
            return row
        for table in OUTCOME_TABLES:
            ids = map(_id, read_unit_rows(layout, commit, table, ["segment_id", "recording_id"]))
            similar += [one for one in ids if name in one][: 1 - len(similar)]
    meant = f"did you mean {similar[0]}? " if similar else ""
    raise UsageError(f"{layout.root} has no Segment {name!r}; {meant}`fcaps show {layout.root} --limit N` lists them")


def _named(layout: RunLayout, commit: UnitCommit, name: str) -> Iterator[dict[str, Any]]:
    """Rows of a unit that have an id."""
    for table in OUTCOME_TABLES:
        columns = [column.name for column in COLUMNS[table] if column.name != "audio"]
        for key in ("segment_id", "recording_id"):
            for row in find_unit_rows(layout, commit, table, key, name, columns):
                if _id(row) == name:
                    candidates = list(find_unit_rows(layout, commit, "candidates", "segment_id", name))
                    yield {"table": table, **row, "candidates": candidates}


def _candidates(layout: RunLayout, commit: UnitCommit, columns: list[str]) -> dict[str, list[Row]]:
    """The candidates of a unit by Segment."""
    found: dict[str, list[Row]] = {}
    for row in read_unit_rows(layout, commit, "candidates", columns):
        found.setdefault(row["segment_id"], []).append(row)
    return found


def _dropped(candidates: list[dict[str, Any]]) -> str:
    dropped = [one for one in candidates if not one["kept"]]
    if not dropped:
        return ""
    reasons = Counter(reason for one in dropped for reason in one["reasons"])
    return f"{len(dropped)} of {len(candidates)} candidates: {', '.join(name for name, _ in reasons.most_common())}"
