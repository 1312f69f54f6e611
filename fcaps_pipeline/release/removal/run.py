"""Takes back from a run, in place: units are done again without what falls, and then nothing older is left.

Enters: a run and a request. Leaves: the run, sound, and an account of what went. The tombstones are put first; from
then on the run has to become what they say, which any later call goes on with where this one is killed. Names that no
table holds any more could not be found again, so logs come before tables, and readers go by the old index until the new
one stands in its place.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from pydantic import ValidationError

from fcaps_pipeline.annotate.run.emptied import commit_emptied
from fcaps_pipeline.annotate.run.engines_file import read_engines
from fcaps_pipeline.annotate.run.report import RunReport, make_report
from fcaps_pipeline.annotate.run.soundness import drop_orphans
from fcaps_pipeline.errors import AccountingError, CorruptRunError, UsageError
from fcaps_pipeline.release.removal.falling import Falling, entries_for, falling
from fcaps_pipeline.release.removal.planned import rewrite_plan
from fcaps_pipeline.release.removal.request import Request, unmatched
from fcaps_pipeline.release.removal.traces import (
    Names,
    drop_caches,
    reused_runs,
    scrub_former_records,
    scrub_log,
    what_stays,
)
from fcaps_pipeline.release.removal.unit import rewrite_unit
from fcaps_pipeline.shards.index import index_lines, write_index
from fcaps_pipeline.shards.layout import RunLayout
from fcaps_pipeline.shards.plan import Plan, load
from fcaps_pipeline.shards.reader import check_file, read_commits, read_index, read_json
from fcaps_pipeline.shards.sums import CommitSums
from fcaps_pipeline.shards.tombstones import (
    COLUMN_OF,
    Tombstones,
    no_tombstones,
    read_tombstones,
    write_tombstones,
)
from fcaps_pipeline.storage.lease import Lease


@dataclass
class RunRemoval:
    """What a removal came to."""

    found: Falling
    num_units_rewritten: int = 0
    reused_runs: list[str] = field(default_factory=list)
    """Runs whose answers this one took over."""
    notes: list[str] = field(default_factory=list)
    """What stays as it is though it has to do with what went, one line each."""


Told = Callable[[str], None]


def planned_removal(layout: RunLayout, request: Request | None) -> tuple[Tombstones, Falling]:
    """The tombstones that a run would have, and what of it falls under them. Changes nothing.

    Args:
        layout: of the run.
        request: what is taken back; None goes on with what was begun.

    Raises:
        UsageError: a value matches nothing, or there is nothing to go on with.
        CorruptRunError: the run cannot be read.
    """
    load(layout)  # a damaged plan is told as one
    own = read_tombstones(layout.tombstones)
    if request is None:
        if own is None:
            raise UsageError(
                f"nothing was taken back from {layout.root} so far; say what to take back, for instance --speaker VALUE"
            )
        return own, falling(layout, own)
    tombstones = own or no_tombstones()
    unknown = sorted(value for value in unmatched(layout, request) if tombstones.find(request.what, value) is None)
    if unknown:
        raise UsageError(
            f"{layout.root} has no {request.what} {unknown[0]!r}"
            f"{f' and {len(unknown) - 1} more of the values given' if len(unknown) > 1 else ''}; nothing was changed; "
            f"values must be spelt as the column `{COLUMN_OF[request.what]}` of its tables has them"
        )
    entries = entries_for(layout, request, tombstones)
    tombstones = tombstones.having(entries, is_unfinished=True)
    return tombstones, falling(layout, tombstones)


def refuse_damaged(layout: RunLayout, found: Falling) -> None:
    """Makes sure that every unit of which something falls is whole, before anything is begun.

    Raises:
        CorruptRunError: a file is not what was committed.
    """
    for commit in read_commits(layout):
        for file in commit.files if commit.unit_index in found.units else ():
            check_file(layout, file)


def remove_from_run(
    layout: RunLayout, tombstones: Tombstones, found: Falling, lease: Lease, told: Told = lambda _: None
) -> RunRemoval:
    """Makes a run what its tombstones say. It must be held.

    Raises:
        CorruptRunError: the run cannot be read.
        OutputError: it cannot be written.
        AccountingError: plan and units do not agree afterwards.
    """
    _refuse_damaged(layout, found)
    write_tombstones(layout.tombstones, tombstones.having((), is_unfinished=True))
    names = Names(found.names())
    removal = RunRemoval(found, reused_runs=reused_runs(layout), notes=what_stays(layout, names, found))
    scrub_log(layout, names)
    row_group_bytes = _row_group_bytes(layout)
    for commit in list(read_commits(layout)) if found.units else ():
        if unit := found.units.get(commit.unit_index):
            lease.check()
            rewrite_unit(layout, commit, unit, found.trimmed, row_group_bytes)
            removal.num_units_rewritten += 1
            told(f"unit {commit.unit_index} was written again without {len(unit.segments)} segments")
    lease.check()
    plan = rewrite_plan(layout, tombstones, found, names.stand_in)
    scrub_former_records(layout)
    _close(layout, plan, row_group_bytes)
    drop_caches(layout)
    write_tombstones(layout.tombstones, tombstones.having((), is_unfinished=False))
    return removal


def _refuse_damaged(layout: RunLayout, found: Falling) -> None:
    """Before anything changes: rows carried over from a damaged file would get a new checksum, and pass for sound.

    Raises:
        CorruptRunError: the index or a file of a unit that is written again is not what was written.
    """
    if layout.index.exists():
        read_index(layout)
    for commit in read_commits(layout):
        for file in commit.files if commit.unit_index in found.units else ():
            check_file(layout, file)


def _close(layout: RunLayout, plan: Plan, row_group_bytes: int) -> None:
    """Units that were to be done and have no Recording any more are done; report and index are written anew."""
    done = {commit.unit_index for commit in read_commits(layout)}
    commit_emptied(layout, set(range(plan.num_units)) - done, row_group_bytes)
    sums, lines, kept = CommitSums(), list[str](), set[str]()
    for commit in read_commits(layout):
        sums.add(commit)
        lines += index_lines(commit)
        kept.update(file.path for file in commit.files)
    totals = sums.totals()
    if sums.num_units == plan.num_units and totals.num_recordings != plan.num_recordings:
        raise AccountingError(
            f"{layout.root}: {plan.num_recordings} Recordings are planned, {totals.num_recordings} accounted for; this "
            "is a defect, please report it with the run folder"
        )
    if (before := _report(layout)) is not None:
        last_call = before.last_call.model_copy(update={"failed_units": ()})
        report = make_report(layout, plan, sums, read_engines(layout), last_call)
        layout.report.put(report.model_dump_json(indent=1))
    if layout.index.exists():
        job_sha256 = read_index(layout).job_sha256
        write_index(layout, totals, lines, job_sha256=job_sha256, plan_sha256=plan.sha256)
    drop_orphans(layout, kept)


def _report(layout: RunLayout) -> RunReport | None:
    """What the run says of itself; what cannot be read is not kept, since it may name anything."""
    if not layout.report.exists():
        return None
    try:
        return RunReport.model_validate_json(layout.report.read())
    except ValidationError:
        layout.report.delete()
        return None


def _row_group_bytes(layout: RunLayout) -> int:
    stored = read_json(layout.job)
    try:
        return int(stored["shards"]["row_group_bytes"])  # type: ignore[index]
    except (TypeError, KeyError, ValueError) as error:
        raise CorruptRunError(f"{layout.job} does not hold a job; restore it from a copy") from error
