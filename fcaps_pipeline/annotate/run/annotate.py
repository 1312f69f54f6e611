"""The main job: plans, runs what is missing, checks conservation, writes report and index.

Everything is resumable: what a finished unit committed is never done again, and the index, written
last, says that the dataset is complete.
"""

import sys
import time
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from typing import NamedTuple

from pydantic import ValidationError

from fcaps_pipeline import __version__
from fcaps_pipeline.annotate.run.callback import ANNOTATING, RunCallback, RunCallbacks
from fcaps_pipeline.annotate.run.drift import drift_line, extend_plan
from fcaps_pipeline.annotate.run.emptied import commit_emptied
from fcaps_pipeline.annotate.run.engines_file import read_engines, remember_engines
from fcaps_pipeline.annotate.run.placement import idle_share
from fcaps_pipeline.annotate.run.plan import check_audio_exists, load_or_make
from fcaps_pipeline.annotate.run.preflight import check_before_start
from fcaps_pipeline.annotate.run.report import LastCall, RunReport, make_report
from fcaps_pipeline.annotate.run.reuse import HopefulUnits, Reuse, inherit_tombstones, prepare_reuse, without_engines
from fcaps_pipeline.annotate.run.signals import Signals
from fcaps_pipeline.annotate.run.soundness import damaged_units, drop_orphans
from fcaps_pipeline.annotate.run.watch.metrics import build_metrics
from fcaps_pipeline.annotate.run.watch.run_log import RunLog
from fcaps_pipeline.annotate.run.watch.run_watch import RunWatch
from fcaps_pipeline.errors import AccountingError, OutputError, UsageError
from fcaps_pipeline.jobs.annotate_job import Job
from fcaps_pipeline.jobs.identity import job_identity, job_sha256
from fcaps_pipeline.jobs.started import remember
from fcaps_pipeline.records.annotations import WorkUnit
from fcaps_pipeline.shards.index import index_lines, write_index
from fcaps_pipeline.shards.layout import RunLayout, UnitCommit
from fcaps_pipeline.shards.plan import Plan, load_units
from fcaps_pipeline.shards.reader import read_commits
from fcaps_pipeline.shards.run_folder import HeldRun, opened
from fcaps_pipeline.shards.sums import CommitSums, sum_up
from fcaps_pipeline.shards.tombstones import refuse_unfinished
from fcaps_pipeline.storage.path import Where


@dataclass(frozen=True)
class How:
    """What a call of `annotate` does besides going on."""

    repair: bool = False
    """Units whose files are no longer what was committed are done again; every file is read for it."""
    retry_failures: bool = False
    """Does again the Recordings and Segments of committed units that failed, and nothing else."""
    extend: bool = False
    """Recordings that came to the source since it was planned become new units."""
    reuse: tuple[Where, ...] = ()
    """Finished runs; what they were answered is not asked again."""
    ask: bool = True
    """Whether engines may be asked what no earlier run knows; otherwise such Segments are Failures by name."""


class _Work(NamedTuple):
    """What is to be done."""

    units: AbstractSet[int]
    again: Mapping[int, UnitCommit]
    """Of these units only what failed, the rest being taken over from the attempt given."""


@dataclass
class _Done:
    """What is there before a call does anything."""

    units: set[int] = field(default_factory=set)
    again: dict[int, UnitCommit] = field(default_factory=dict)
    """Those of them that are done again."""
    sums: CommitSums = field(default_factory=CommitSums)
    """Over the others."""
    versions: set[str] = field(default_factory=set)


@dataclass
class _Ended:
    """How units ended while engines ran."""

    answered: set[int] = field(default_factory=set)
    unasked: dict[int, UnitCommit] = field(default_factory=dict)
    """Those that hold a Segment nobody was asked about."""
    num_reused: int = 0
    num_asked: int = 0

    def add(self, commit: UnitCommit) -> None:
        """Takes in one unit."""
        if commit.num_unasked:
            self.unasked[commit.unit_index] = commit
        else:
            self.answered.add(commit.unit_index)
        self.num_reused += commit.num_reused
        self.num_asked += commit.num_asked


def annotate(job: Job, out: Where, callback: RunCallback, how: How = How()) -> RunReport:
    """Runs a job to its end, or goes on where an earlier call stopped.

    Args:
        job: what to do.
        out: run folder; created, or one that the same job was started in.
        callback: told about progress.
        how: what to do besides.

    Returns:
        What `report.json` says.

    Raises:
        FcapsError: with the class that says how to handle it; finished units stay finished.
        KeyboardInterrupt: a signal stopped it; the same call goes on later.
    """
    is_checked = not how.reuse and not RunLayout(out).plan.exists()
    if is_checked:  # listing a large source takes long
        check_before_start(job)
    with (
        Signals() as signals,
        opened(out, job_identity(job), callback.on_remark) as layout,
        RunLog(layout.log) as log,
        RunWatch(log, build_metrics(job.resources)) as watch,
    ):
        remember(layout.started, job)
        report = _Call(job, layout, RunCallbacks(callback, watch), signals, how, is_checked).annotate()
        watch.concluded(report.state.value)
        return report


@dataclass(frozen=True)
class _Call:
    """One call of `annotate` at work in its folder."""

    job: Job
    layout: HeldRun
    callback: RunCallback
    signals: Signals
    how: How
    is_checked: bool
    """Whether it is known that the engines can start."""

    def annotate(self) -> RunReport:
        """Plans, does what is to be done, and sums up."""
        refuse_unfinished(self.layout.tombstones)
        if (remark := inherit_tombstones(self.layout, self.how.reuse)) is not None:
            self.callback.on_remark(remark)
        plan = self._plan()
        damaged = _damaged(self.layout, self.callback) if self.how.repair else frozenset()
        done = self._done(damaged)
        if not done.units:
            check_audio_exists(self.layout, plan)
        _compare_versions(done.versions, self.callback)
        work = self._without_emptied(self._work(plan, done, damaged))
        self._tell_plan(plan, work, done.sums)
        last_call = self._reuse(plan, work) if self.how.reuse else self._ask(work)
        if last_call is None and (report := _last_report(self.layout)) is not None:
            return report
        # What looks like an orphan may be another's, where the run was taken over meanwhile.
        self.layout.lease.beat()
        self.layout.lease.check()
        return _finish(self.job, self.layout, plan, last_call or LastCall())

    def _done(self, damaged: frozenset[int]) -> _Done:
        done = _Done()
        asks_the_rest = bool(self.how.reuse) and self.how.ask
        for one in read_commits(self.layout, without=damaged):
            done.units.add(one.unit_index)
            done.versions.add(one.fcaps_version)
            if (self.how.retry_failures and _has_failures(one)) or (asks_the_rest and one.num_unasked):
                done.again[one.unit_index] = one
            else:
                done.sums.add(one)
        return done

    def _tell_plan(self, plan: Plan, work: _Work, sums: CommitSums) -> None:
        """What is there before anything of this is done: units that are done again count when they are."""
        self.callback.on_plan(plan, sums.totals(), plan.num_units - len(work.units))

    def _plan(self) -> Plan:
        """The stored plan held against the source as it is now, or a new one."""
        self.callback.on_step("planning")
        is_stored = self.layout.plan.exists()
        plan = load_or_make(self.layout, self.job)
        if not is_stored:
            return plan
        if self.how.extend:
            plan, drift = extend_plan(self.layout, self.job, plan)
            for line in drift.lines():
                self.callback.on_remark(line)
        elif (difference := drift_line(self.layout, self.job, plan)) is not None:
            self.callback.on_remark(difference)
        return plan

    def _work(self, plan: Plan, done: _Done, damaged: frozenset[int]) -> _Work:
        if self.how.retry_failures:
            return _Work(damaged | done.again.keys(), done.again)
        missing = frozenset(range(plan.num_units)) - done.units
        return _Work(missing | done.again.keys(), done.again)

    def _without_emptied(self, work: _Work) -> _Work:
        """What is left to be done once units are that nothing is left of."""
        if not self.layout.tombstones.exists():
            return work
        emptied = commit_emptied(self.layout, work.units, self.job.shards.row_group_bytes)
        if emptied:
            self.layout.index.delete()
        return _Work(work.units - emptied, work.again)

    def _ask(self, work: _Work, reuse: Reuse | None = None) -> LastCall | None:
        """Does units with the engines of the job; None where there is nothing to do."""
        if not work.units:
            return None
        if not self.is_checked:
            check_before_start(self.job)
        return self._run(self.job, work, HopefulUnits(self._units(work)), reuse)[0]

    def _reuse(self, plan: Plan, work: _Work) -> LastCall | None:
        """Takes over what earlier runs know, first without any engine, then asks the rest if it may."""
        self.callback.on_step("indexing earlier answers")
        reuse = prepare_reuse(self.job, self.layout, self.how.reuse)
        if not self.how.ask and not reuse.knows_all(self.job):
            unknown = min(self.job.engines.keys() - reuse.identities.keys())
            raise UsageError(f"--no-ask: no reused run was answered by the model of engines.{unknown}")
        known = work if not self.how.ask else _Work(work.units - work.again.keys(), {})
        if not work.units:
            return None
        if not known.units or not reuse.knows_all(self.job):
            return self._ask(work, reuse)
        units = HopefulUnits(self._units(known), gives_up=self.how.ask)
        first_call, ended = self._run(without_engines(self.job), known, units, reuse, is_alone=True)
        rest_units = work.units - ended.answered
        if not self.how.ask or not rest_units:
            remember_engines(self.layout, read_engines(self.layout) or reuse.identities)
            return first_call
        rest = _Work(rest_units, {**work.again, **ended.unasked})
        self._tell_plan(plan, rest, sum_up(read_commits(self.layout, without=rest_units)))
        asked = self._ask(rest, reuse)
        return first_call if asked is None else first_call.then(asked)

    def _units(self, work: _Work) -> Iterator[WorkUnit]:
        return load_units(self.layout, only=work.units)

    def _run(
        self, job: Job, work: _Work, units: HopefulUnits, reuse: Reuse | None, *, is_alone: bool = False
    ) -> tuple[LastCall, _Ended]:
        from fcaps_pipeline.annotate.run.ray_runtime.runtime import RayRuntime
        from fcaps_pipeline.annotate.run.ray_runtime.segmenters import UnitFailure

        self.layout.index.delete()
        begun_s = time.monotonic()
        failed_units: list[str] = []
        ended = _Ended()
        if not is_alone and (remark := idle_share(job)) is not None:
            self.callback.on_remark(remark)
        self.callback.on_step("starting Ray")
        runtime = RayRuntime(job, self.layout, self.signals, reuse=reuse, is_alone=is_alone)
        # Ray prints on stdout what actors print there, but stdout is the result of a command.
        with redirect_stdout(sys.stderr), runtime:
            self.callback.on_step("taking over earlier answers" if is_alone else "starting the engines")
            engines = runtime.start(units, self.callback, work.again)
            if not is_alone:
                remember_engines(self.layout, engines)
            ready_s = time.monotonic()
            self.callback.on_engines_ready(engines, ready_s - begun_s)
            self.callback.on_step(ANNOTATING)
            for outcome in runtime.run(self.callback):
                self.layout.lease.check()
                if isinstance(outcome, UnitFailure):
                    failed_units.append(f"unit {outcome.unit_index}: {outcome.message}")
                    self.callback.on_unit_failed(outcome.unit_index, outcome.message)
                else:
                    _check_visible(self.layout, outcome)
                    ended.add(outcome)
                    units.note(outcome)
                    self.callback.on_unit_done(outcome)
            annotating_s = time.monotonic() - ready_s
        last_call = LastCall(
            failed_units=tuple(failed_units),
            startup_s=ready_s - begun_s,
            annotating_s=annotating_s,
            num_reused=ended.num_reused,
            num_asked=ended.num_asked,
        )
        return last_call, ended


def _damaged(layout: RunLayout, callback: RunCallback) -> frozenset[int]:
    callback.on_step("reading what was written")
    found = damaged_units(layout)
    for unit_index, cause in found.items():
        callback.on_remark(f"unit {unit_index} is done again: {cause}")
    return frozenset(found)


def _compare_versions(versions: set[str], callback: RunCallback) -> None:
    others = sorted(versions - {__version__})
    if others:
        callback.on_remark(
            f"units of this run were written by version {', '.join(others)} of this package, and version "
            f"{__version__} goes on with it; each row says which wrote it"
        )


def _last_report(layout: RunLayout) -> RunReport | None:
    """What a finished run says of itself; None where that is not there, or no longer what was written."""
    if not layout.index.exists() or not layout.report.exists():
        return None
    try:
        return RunReport.model_validate_json(layout.report.read())
    except ValidationError:
        return None


def _has_failures(commit: UnitCommit) -> bool:
    return commit.num_recording_failures + commit.num_segment_failures > 0


def _check_visible(layout: RunLayout, commit: UnitCommit) -> None:
    if not layout.commit(commit.unit_index, commit.attempt).exists():
        raise OutputError(
            f"unit {commit.unit_index} was committed by another machine, but {layout.root} here does not show it; "
            "choose an --out on storage that all nodes share"
        )


def _finish(job: Job, layout: RunLayout, plan: Plan, last_call: LastCall) -> RunReport:
    sums, lines, kept = CommitSums(), list[str](), set[str]()
    for commit in read_commits(layout):
        sums.add(commit)
        lines += index_lines(commit)
        kept.update(file.path for file in commit.files)
    report = make_report(layout, plan, sums, read_engines(layout), last_call)
    complete = sums.num_units == plan.num_units
    if complete and report.totals.num_recordings != plan.num_recordings:
        raise AccountingError(
            f"{layout.root}: {plan.num_recordings} Recordings were planned, {report.totals.num_recordings} accounted "
            "for; this is a defect, please report it with the run folder"
        )
    layout.report.put(report.model_dump_json(indent=1))
    if complete:
        drop_orphans(layout, kept)
        write_index(layout, report.totals, lines, job_sha256=job_sha256(job), plan_sha256=plan.sha256)
    return report
