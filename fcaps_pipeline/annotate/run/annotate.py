"""The main job: plans, runs what is missing, checks conservation, writes report and index.

Everything is resumable: what a finished unit committed is never done again, and the index, written
last, says that the dataset is complete.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path

from pydantic import ValidationError

from fcaps_pipeline import __version__
from fcaps_pipeline.annotate.engines.engine import EngineIdentity
from fcaps_pipeline.annotate.run.callback import ANNOTATING, RunCallback, RunCallbacks
from fcaps_pipeline.annotate.run.plan import Plan, check_audio_exists, load_or_make, load_units
from fcaps_pipeline.annotate.run.preflight import check_before_start
from fcaps_pipeline.annotate.run.report import LastCall, RunReport, make_report
from fcaps_pipeline.annotate.run.signals import Signals
from fcaps_pipeline.annotate.run.soundness import damaged_units, drop_superseded
from fcaps_pipeline.annotate.run.watch.metrics import build_metrics
from fcaps_pipeline.annotate.run.watch.run_log import RunLog
from fcaps_pipeline.annotate.run.watch.run_watch import RunWatch
from fcaps_pipeline.errors import AccountingError, JobError, OutputError
from fcaps_pipeline.jobs.annotate_job import Job
from fcaps_pipeline.jobs.identity import job_identity, job_sha256
from fcaps_pipeline.jobs.started import remember
from fcaps_pipeline.records.annotations import WorkUnit
from fcaps_pipeline.records.base import Record
from fcaps_pipeline.shards.layout import DatasetIndex, RunLayout, UnitCommit
from fcaps_pipeline.shards.reader import read_commits, total
from fcaps_pipeline.shards.run_folder import opened
from fcaps_pipeline.shards.schema import SCHEMA_VERSIONS
from fcaps_pipeline.storage.files import write_durably, writing


def annotate(
    job: Job, out: Path, callback: RunCallback, *, repair: bool = False, retry_failures: bool = False
) -> RunReport:
    """Runs a job to its end, or goes on where an earlier call stopped.

    Args:
        job: what to do.
        out: run folder; created, or one that the same job was started in.
        callback: told about progress.
        repair: whether units whose files are no longer what was committed are done again; every file is read for it.
        retry_failures: does again the Recordings and Segments of committed units that failed, and nothing else.

    Returns:
        What `report.json` says.

    Raises:
        FcapsError: with the class that says how to handle it; finished units stay finished.
        KeyboardInterrupt: a signal stopped it; the same call goes on later.
    """
    if not RunLayout(out).plan.is_file():  # listing a large source takes long
        check_before_start(job)
    with (
        Signals() as signals,
        opened(out, job_identity(job)) as layout,
        RunLog(layout.log) as log,
        RunWatch(log, build_metrics(job.resources)) as watch,
    ):
        remember(layout.started, job)
        callbacks = RunCallbacks(callback, watch)
        report = _annotate(job, layout, callbacks, signals, repair=repair, retry_failures=retry_failures)
        watch.concluded(report.state.value)
        return report


def _annotate(
    job: Job, layout: RunLayout, callback: RunCallback, signals: Signals, *, repair: bool, retry_failures: bool
) -> RunReport:
    callback.on_step("planning")
    was_planned = layout.plan.is_file()
    plan = load_or_make(layout, job)
    damaged = _damaged(layout, callback) if repair else frozenset()
    commits = read_commits(layout, without=damaged)
    if not commits:
        check_audio_exists(layout, plan)
    _compare_versions(commits, callback)
    again = {one.unit_index: one for one in commits if retry_failures and _has_failures(one)}
    units = frozenset(range(plan.num_units))
    missing = damaged if retry_failures else units.difference(one.unit_index for one in commits)
    done = units - missing - again.keys()
    callback.on_plan(plan, total(commits), len(done))
    last_call = LastCall()
    if len(done) < plan.num_units:
        if was_planned:
            check_before_start(job)
        last_call = _run(job, layout, load_units(layout, without=done), again, callback, signals)
    elif (report := _last_report(layout)) is not None:
        return report
    return _finish(job, layout, plan, read_commits(layout), last_call)


def _damaged(layout: RunLayout, callback: RunCallback) -> frozenset[int]:
    callback.on_step("reading what was written")
    found = damaged_units(layout)
    for unit_index, cause in found.items():
        callback.on_remark(f"unit {unit_index} is done again: {cause}")
    return frozenset(found)


def _compare_versions(commits: list[UnitCommit], callback: RunCallback) -> None:
    others = sorted({commit.fcaps_version for commit in commits} - {__version__})
    if others:
        callback.on_remark(
            f"units of this run were written by version {', '.join(others)} of this package, and version "
            f"{__version__} goes on with it; each row says which wrote it"
        )


def _last_report(layout: RunLayout) -> RunReport | None:
    """What a finished run says of itself; None where that is not there, or no longer what was written."""
    if not layout.index.is_file() or not layout.report.is_file():
        return None
    try:
        return RunReport.model_validate_json(layout.report.read_bytes())
    except ValidationError:
        return None


class _Engines(Record):
    """Content of `engines.json`: who answered in this run."""

    engines: dict[str, EngineIdentity]


def _has_failures(commit: UnitCommit) -> bool:
    return commit.num_recording_failures + commit.num_segment_failures > 0


def _run(
    job: Job,
    layout: RunLayout,
    units: Iterator[WorkUnit],
    again: dict[int, UnitCommit],
    callback: RunCallback,
    signals: Signals,
) -> LastCall:
    from fcaps_pipeline.annotate.run.ray_runtime.runtime import RayRuntime
    from fcaps_pipeline.annotate.run.ray_runtime.segmenters import UnitFailure

    layout.index.unlink(missing_ok=True)
    begun_s = time.monotonic()
    failed_units = []
    callback.on_step("starting Ray")
    # Ray prints on stdout what actors print there, but stdout is the result of a command.
    with redirect_stdout(sys.stderr), RayRuntime(job, layout, signals) as runtime:
        callback.on_step("starting the engines")
        engines = runtime.start_engines(callback)
        _remember(layout, engines)
        ready_s = time.monotonic()
        callback.on_engines_ready(engines, ready_s - begun_s)
        callback.on_step(ANNOTATING)
        for outcome in runtime.run(units, callback, again):
            if isinstance(outcome, UnitFailure):
                failed_units.append(f"unit {outcome.unit_index}: {outcome.message}")
                callback.on_unit_failed(outcome.unit_index, outcome.message)
            else:
                _check_visible(layout, outcome)
                callback.on_unit_done(outcome)
        annotating_s = time.monotonic() - ready_s
    return LastCall(failed_units=tuple(failed_units), startup_s=ready_s - begun_s, annotating_s=annotating_s)


def _check_visible(layout: RunLayout, commit: UnitCommit) -> None:
    if not layout.commit(commit.unit_index, commit.attempt).is_file():
        raise OutputError(
            f"unit {commit.unit_index} was committed by another machine, but {layout.root} here does not show it; "
            "choose an --out on storage that all nodes share"
        )


def _remember(layout: RunLayout, engines: dict[str, EngineIdentity]) -> None:
    """One dataset comes from one set of models: a run is not continued with others."""
    before = _remembered(layout)
    if not before:
        with writing(layout.engines):
            write_durably(layout.engines, _Engines(engines=engines).model_dump_json(indent=1))
    elif before != engines:
        differing = next(name for name in engines if before.get(name) != engines[name])
        raise JobError(
            f"{layout.root}: engine {differing} was {before.get(differing)!r}, now it is {engines[differing]!r}; "
            "put the earlier model and version back, or choose another --out"
        )


def _remembered(layout: RunLayout) -> dict[str, EngineIdentity]:
    return _Engines.model_validate_json(layout.engines.read_bytes()).engines if layout.engines.is_file() else {}


def _finish(job: Job, layout: RunLayout, plan: Plan, commits: list[UnitCommit], last_call: LastCall) -> RunReport:
    report = make_report(plan, commits, _remembered(layout), last_call)
    complete = len(commits) == plan.num_units
    if complete and report.totals.num_recordings != plan.num_recordings:
        raise AccountingError(
            f"{layout.root}: {plan.num_recordings} Recordings were planned, {report.totals.num_recordings} accounted "
            "for; this is a defect, please report it with the run folder"
        )
    index = DatasetIndex(
        schema_versions=SCHEMA_VERSIONS,
        fcaps_version=__version__,
        job_sha256=job_sha256(job),
        plan_sha256=plan.sha256,
        totals=report.totals,
        shards=tuple(file for commit in commits for file in commit.files),
    )
    with writing(layout.report):
        write_durably(layout.report, report.model_dump_json(indent=1))
        if complete:
            drop_superseded(layout, commits)
            write_durably(layout.index, index.model_dump_json(indent=1))
    return report
