"""How runs and plans look in a terminal; their Segments are in `segments`."""

from collections import Counter

from rich.table import Table

from fcaps_pipeline.annotate.run.inspection import RunStatus
from fcaps_pipeline.annotate.run.placement import idle_share
from fcaps_pipeline.annotate.run.reckoning import Reckoning, reckon
from fcaps_pipeline.annotate.run.rehearsal import Rehearsal
from fcaps_pipeline.annotate.run.report import RunReport, State
from fcaps_pipeline.cli.console import LISTED, Stream
from fcaps_pipeline.jobs.annotate_job import Job

_MAX_REASONS = 5


def print_report(console: Stream, report: RunReport, out: str) -> None:
    """What a run did, and where its shards are."""
    totals = report.totals
    console.say(
        f"{totals.num_recordings} recordings, {totals.audio_hours * 60:.1f} min: {totals.num_recordings_failed} "
        f"unreadable, {totals.num_recordings_no_speech} without speech, {totals.num_recordings_too_short} with too "
        f"little speech, {totals.num_recordings_too_long} with only too long segments"
    )
    console.say(
        f"{totals.num_segments} segments = {totals.num_annotations} annotated + {totals.num_rejections} rejected + "
        f"{totals.num_segment_failures} failed"
    )
    call = report.last_call
    if call.num_reused:
        console.say(f"{call.num_reused} answers were taken over from earlier runs, {call.num_asked} asked anew")
    if report.warnings:
        console.say(f"recordings with warnings: {_counted(report.warnings)}")
    _print_rejections(console, report, out)
    _print_claims(console, report)
    if totals.num_discarded:
        console.say(f"{totals.num_discarded} stretches of speech were too short or too long for a Segment")
    notes = (*report.last_call.failed_units, *report.failures, *report.recordings_without_segments)
    for line in notes[:LISTED]:
        console.say(f"  {line}")
    if len(notes) > LISTED:
        console.say(f"  and {len(notes) - LISTED} more in {out}/report.json")
    if report.state is State.UNFINISHED:
        console.say(f"{report.num_units_done} of {report.num_units} units done; the same command does the others")
    else:
        if report.state is State.WITH_FAILURES:
            console.say(f"`fcaps annotate --out {out} --retry-failures` does again what failed, and nothing else")
        console.say(f"shards: {out}/data/*.parquet, described by {out}/index.json")


def _print_rejections(console: Stream, report: RunReport, out: str) -> None:
    totals = report.totals
    if report.rejection_reasons:
        commonest = Counter(report.rejection_reasons).most_common(_MAX_REASONS)
        console.say(f"rejected most often for: {', '.join(f'{reason} ({count})' for reason, count in commonest)}")
    if 2 * totals.num_rejections > totals.num_segments:
        console.say(
            f"more than half of the segments were rejected: {totals.num_rejections} of {totals.num_segments}; "
            f"`fcaps show {out} --rejected` lists them with their reasons",
            style="yellow",
        )


def _print_claims(console: Stream, report: RunReport) -> None:
    if report.share_not_understood is None:
        return
    results = ("supported", "contradicted", "unverifiable")
    told = [f"{sum(getattr(one, name) for one in report.claims.values())} {name}" for name in results]
    console.say(f"claims: {', '.join(told)}; {report.share_not_understood:.0%} of them were not understood")


def print_plan(
    console: Stream, job: Job, status: RunStatus, tokens_per_s: float | None, rehearsal: Rehearsal | None = None
) -> None:
    """Size of a job and the work it means; with earlier runs, what is left to be asked."""
    plan = status.plan
    table = Table(show_header=False)
    table.add_row("recordings", f"{plan.num_recordings}")
    table.add_row("without readable length", f"{plan.num_without_length}")
    table.add_row("audio", f"{plan.duration_s / 3600:.3f} h")
    table.add_row("segments expected", f"{plan.num_segments_expected}")
    table.add_row("units (shards)", f"{plan.num_units}, {plan.num_units - status.num_units_done} pending")
    table.add_row("pending audio", f"{status.pending_s / 3600:.3f} h")
    if plan.num_ignored_files:
        table.add_row("files that are not audio", _counted(plan.num_ignored_files))
    if plan.warnings:
        table.add_row("recordings with warnings", _counted(plan.warnings))
    if plan.num_read_beside:
        table.add_row("files read beside audio", f"{plan.num_read_beside}")
    if rehearsal is not None:
        to_ask = rehearsal.num_segments - rehearsal.num_answered
        table.add_row("segments answered by earlier runs", f"{rehearsal.num_answered} of {rehearsal.num_segments}")
        table.add_row("segments to ask about", f"{to_ask}, and {rehearsal.num_new_segments} in new recordings")
    console.show(table)
    expected: dict[str, float] = dict.fromkeys(job.engines, plan.num_segments_expected)
    share = status.pending_s / plan.duration_s if plan.duration_s else 0.0
    of_all = expected if rehearsal is None else rehearsal.num_to_ask(job)
    num_segments = {name: number * share for name, number in of_all.items()}
    print_reckoning(console, reckon(job, num_segments, status.pending_s, tokens_per_s))
    for remark in (*plan.remarks, *filter(None, [idle_share(job)])):
        console.say(remark, style="yellow")


def print_reckoning(console: Stream, found: Reckoning) -> None:
    """What the engines have to do, which GPUs fit to it, and what it takes in time and on disk."""
    table = Table("engine", "answers", "tokens", "GPU-hours", "GPUs", "GPUs that fit")
    for one in found.engines:
        hours = "none" if one.gpu_hours is None else _hours(one.gpu_hours)
        counts = (f"{one.num_gpus}", f"{one.num_gpus_fitting}")
        table.add_row(one.engine, f"{one.num_answers}", f"{one.num_tokens}", hours, *counts)
    console.show(table)
    if found.wall_hours is None or found.wall_hours_fitting is None:
        console.say("no engine of this job runs on a GPU of this cluster; time depends on cores and servers")
    else:
        speeds = ", ".join(f"{one.tokens_per_s:.0f} for {one.engine}" for one in found.engines if one.num_gpus)
        console.say(
            f"wall time of the engines: {_hours(found.wall_hours)}, with the GPUs split as fits "
            f"{_hours(found.wall_hours_fitting)}; assumed tokens/s of a GPU: {speeds}"
        )
    console.say(f"disk for the shards: at most {found.disk_bytes / 1e9:.2f} GB")


def _hours(hours: float) -> str:
    return f"{hours:.1f} h" if hours >= 10 else f"{hours:.3f} h"


def _counted(numbers: dict[str, int]) -> str:
    return ", ".join(f"{count} x {name}" for name, count in sorted(numbers.items()))
