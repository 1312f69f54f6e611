"""How runs, plans and Segments look in a terminal."""

import json
from itertools import islice
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from fcaps_pipeline.annotate.run.inspection import RunStatus, lines
from fcaps_pipeline.annotate.run.report import RunReport, State
from fcaps_pipeline.jobs.annotate_job import Job, VllmEngineConfig
from fcaps_pipeline.records.audio import Acoustics
from fcaps_pipeline.shards.layout import RunLayout

_MAX_LINES = 20
_TOKENS_PER_CAPTION = 150
"""Output tokens of one caption. Source: the size of FCaps, 18.1 M clips and 2.7 G tokens."""


def print_segments(console: Console, layout: RunLayout) -> None:
    """The first Segments of a run, one line each."""
    table = Table(show_lines=True)
    table.add_column("segment", overflow="fold", ratio=3)
    table.add_column("duration", justify="right", min_width=8)
    table.add_column("fine caption", ratio=6)
    table.add_column("global caption", ratio=4)
    table.add_column("dropped, and why", ratio=3)
    shown = list(islice(lines(layout), _MAX_LINES + 1))
    for line in shown[:_MAX_LINES]:
        table.add_row(line.segment_id, f"{line.duration_s:.2f} s", line.fine_caption, line.global_caption, line.dropped)
    console.print(table)
    if len(shown) > _MAX_LINES:
        console.print(f"the first {_MAX_LINES} Segments are shown; `fcaps show {layout.root} ID` prints any other")


def print_report(console: Console, report: RunReport, out: Path) -> None:
    """What a run did, and where its shards are."""
    totals = report.totals
    console.print(
        f"{totals.num_recordings} recordings, {totals.audio_hours * 60:.1f} min: {totals.num_recordings_failed} "
        f"unreadable, {totals.num_recordings_no_speech} without speech, {totals.num_recordings_too_short} with too "
        f"little speech, {totals.num_recordings_too_long} with only too long segments",
        soft_wrap=True,
    )
    console.print(
        f"{totals.num_segments} segments = {totals.num_annotations} annotated + {totals.num_rejections} rejected + "
        f"{totals.num_segment_failures} failed",
        soft_wrap=True,
    )
    if totals.num_discarded:
        console.print(f"{totals.num_discarded} stretches of speech were too short or too long for a Segment")
    notes = (*report.last_call.failed_units, *report.failures, *report.recordings_without_segments)
    for line in notes[:_MAX_LINES]:
        console.print(f"  {line}", soft_wrap=True)
    if len(notes) > _MAX_LINES:
        console.print(f"  and {len(notes) - _MAX_LINES} more in {out / 'report.json'}", soft_wrap=True)
    if report.state is State.UNFINISHED:
        console.print(f"{report.num_units_done} of {report.num_units} units done; the same command does the others")
    else:
        console.print(f"shards: {out / 'data'}/*.parquet, described by {out / 'index.json'}", soft_wrap=True)


def print_plan(console: Console, job: Job, status: RunStatus, tokens_per_s: float) -> None:
    """Size of a job and the work it means."""
    plan = status.plan
    table = Table(show_header=False)
    table.add_row("recordings", f"{plan.num_recordings}")
    table.add_row("without readable length", f"{plan.num_without_length}")
    table.add_row("audio", f"{plan.duration_s / 3600:.3f} h")
    table.add_row("segments expected", f"{plan.num_segments_expected}")
    table.add_row("units (shards)", f"{plan.num_units}, {plan.num_units - status.num_units_done} pending")
    table.add_row("pending audio", f"{status.pending_s / 3600:.3f} h")
    pending = plan.num_segments_expected * status.pending_s / plan.duration_s if plan.duration_s else 0.0
    table.add_row("GPU-hours pending", _gpu_hours(job, pending, tokens_per_s))
    console.print(table)


def print_status(console: Console, status: RunStatus) -> None:
    """How far a run is."""
    totals = status.totals
    table = Table(show_header=False)
    table.add_row("units", f"{status.num_units_done} of {status.plan.num_units} done")
    table.add_row("audio", f"{totals.audio_hours:.3f} of {status.plan.duration_s / 3600:.3f} h")
    table.add_row("recordings", f"{totals.num_recordings} of {status.plan.num_recordings}")
    table.add_row("segments", f"{totals.num_segments}")
    table.add_row("annotated", f"{totals.num_annotations} ({totals.annotated_hours:.3f} h)")
    table.add_row("rejected", f"{totals.num_rejections}")
    table.add_row("failed", f"{totals.num_segment_failures} segments, {totals.num_recordings_failed} recordings")
    table.add_row(
        "index", "written: the dataset is complete" if status.indexed else "not yet: annotate again to finish"
    )
    console.print(table)


def print_card(console: Console, row: dict[str, Any]) -> None:
    """Everything a run knows about one Segment."""
    console.print(f"{row['segment_id']}  ({row['table']})", style="bold")
    console.print(f"{row['source']} channel {row['channel']}, {row['start_s']:.3f} to {row['end_s']:.3f} s")
    for key in ("speaker", "language", "transcript", "recording_transcript", "tags", "licence"):
        if row.get(key):
            console.print(f"{key}: {row[key]}", soft_wrap=True)
    for key in ("reason", "error", "message"):
        if key in row:
            console.print(f"{key}: {row[key]}", soft_wrap=True)
    _print_acoustics(console, row)
    for candidate in row.get("candidates") or []:
        _print_candidate(console, candidate)


def _print_acoustics(console: Console, row: dict[str, Any]) -> None:
    table = Table("measured", "value")
    for name in Acoustics.model_fields:
        if name in row:
            value = row[name]
            table.add_row(name, "-" if value is None else f"{value:.4g}")
    if table.row_count:
        console.print(table)


def _print_candidate(console: Console, candidate: dict[str, Any]) -> None:
    state = "kept" if candidate["kept"] else "dropped: " + ", ".join(candidate["reasons"])
    console.print(f"{candidate['granularity']} caption, {state}", style="green" if candidate["kept"] else "yellow")
    console.print(f"  {candidate['text']}", soft_wrap=True)
    if candidate["attributes"]:
        attributes = json.loads(candidate["attributes"])
        attributes.pop("caption")
        console.print("  " + ", ".join(f"{key} {value}" for key, value in attributes.items()))
    console.print(
        f"  {candidate['model']} {candidate['model_revision'][:19]}, {candidate['engine']} "
        f"{candidate['engine_version']}, prompt {candidate['prompt_name']}.v{candidate['prompt_version']}, "
        f"seed {candidate['seed']}, attempt {candidate['attempt']}, {candidate['finish_reason']}, "
        f"{candidate['num_output_tokens']} tokens",
        style="dim",
        soft_wrap=True,
    )


def _gpu_hours(job: Job, num_segments: float, tokens_per_s: float) -> str:
    on_gpu = {name for name, one in job.engines.items() if isinstance(one, VllmEngineConfig) and one.device == "gpu"}
    captions = sum(one.num_candidates for one in job.captions.values() if one.engine in on_gpu)
    if not captions:
        return "none: no engine of this job runs on a GPU of this cluster"
    hours = num_segments * captions * _TOKENS_PER_CAPTION / tokens_per_s / 3600
    return f"{hours:.1f}, if a caption has {_TOKENS_PER_CAPTION} tokens and a GPU writes {tokens_per_s:g} tokens/s"
