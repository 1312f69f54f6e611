"""`fcaps status`: how far a run is, who works on it and how fast, from any machine that sees its folder."""

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from fcaps_pipeline.cli.console import LISTED, Stream, result
from fcaps_pipeline.cli.paths import storable

if TYPE_CHECKING:
    from rich.table import Table

    from fcaps_pipeline.annotate.run.inspection import RunOverview, RunStatus
    from fcaps_pipeline.annotate.run.watch.activity import Activity
    from fcaps_pipeline.annotate.run.watch.run_log import EngineMinute

Run = Annotated[str, typer.Argument(parser=storable, metavar="RUN", help="Run folder of `fcaps annotate`.")]


def status(
    run: Run,
    watch: Annotated[bool, typer.Option("--watch", help="Look again and again, until the run ends.")] = False,  # noqa: FBT002
    every: Annotated[float, typer.Option(min=1, help="Seconds between two looks of --watch.")] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a look.")] = False,  # noqa: FBT002
) -> None:
    """Show how far a run is, how fast it goes and with which engines, and whether it is stuck."""
    from fcaps_pipeline.annotate.run.inspection import overview
    from fcaps_pipeline.shards.run_folder import existing

    layout = existing(run)
    while True:
        seen = overview(layout)
        if as_json:
            result.say(seen.model_dump_json())
        else:
            if watch and result.is_terminal:
                result.clear()
            _print(result, seen, datetime.now(UTC))
        if not watch or seen.activity is None or not seen.activity.state.is_alive:
            return
        try:
            time.sleep(every)
        except KeyboardInterrupt:
            return


def _print(console: Stream, seen: "RunOverview", now: datetime) -> None:
    from rich.table import Table

    table = Table(show_header=False)
    if seen.activity is not None:
        _add_activity(table, seen.activity, now)
    if seen.progress is not None:
        _add_progress(table, seen.progress)
    console.show(table)


def _add_activity(table: "Table", seen: "Activity", now: datetime) -> None:
    table.add_row("state", f"{seen.state.value}: {seen.what}")
    table.add_row(
        "working" if seen.state.is_alive else "worked", f"{seen.host}, process {seen.pid}, {_ago(seen.since, now)}"
    )
    table.add_row("last sign of life", _ago(seen.seen_at, now))
    if seen.last_commit_at is not None:
        table.add_row("last commit", _ago(seen.last_commit_at, now))
    if seen.hours_per_hour is not None:
        table.add_row("rate", f"{seen.hours_per_hour:.1f} h of audio per hour")
    if seen.eta_s is not None:
        table.add_row("time left", _span(seen.eta_s))
    for one in seen.engines if seen.state.is_alive else ():
        table.add_row(f"engine {one.engine}", _engine(one))
    for name, text in (("last engine lost", seen.last_engine_down), ("last failure", seen.last_failure)):
        if text is not None:
            table.add_row(name, text)


def _engine(one: "EngineMinute") -> str:
    parts = [
        f"{one.up} of {one.wanted} up, {100 * one.busy_share:.0f} % busy",
        f"{one.output_tokens_per_s:.0f} tokens/s",
        f"{one.queued} segments waiting",
    ]
    if one.restarts:
        parts.append(f"{one.restarts} restarts")
    if one.kv_cache_share is not None:
        parts.append(f"KV cache {100 * one.kv_cache_share:.0f} % full, {one.preemptions} preemptions")
    return ", ".join(parts)


def _add_progress(table: "Table", done: "RunStatus") -> None:
    plan, totals = done.plan, done.totals
    table.add_row("units", f"{done.num_units_done} of {plan.num_units} done")
    table.add_row("audio", f"{totals.audio_hours:.3f} of {plan.duration_s / 3600:.3f} h")
    table.add_row("recordings", f"{totals.num_recordings} of {plan.num_recordings}")
    table.add_row("segments", f"{totals.num_segments}")
    table.add_row("annotated", f"{totals.num_annotations} ({totals.annotated_hours:.3f} h)")
    table.add_row("rejected", f"{totals.num_rejections}")
    for reason, count in list(done.rejection_reasons.items())[:LISTED]:
        table.add_row("", f"{count} {reason}")
    table.add_row("failed", f"{totals.num_segment_failures} segments, {totals.num_recordings_failed} recordings")
    table.add_row("index", "written: the dataset is complete" if done.indexed else "not yet: annotate again to finish")
    unverified = "not since it was written: `fcaps verify` reads every file"
    table.add_row("verified", unverified if done.verified_by is None else f"sound, by version {done.verified_by}")


def _ago(at: datetime, now: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC, {_span((now - at).total_seconds())} ago"


def _span(seconds: float) -> str:
    """A length of time with its two largest units: `3 h 12 min`."""
    whole = max(0, round(seconds))
    for size, name, smaller, smaller_name in ((86_400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            return f"{whole // size} {name} {whole % size // smaller} {smaller_name}"
    return f"{whole} s"
