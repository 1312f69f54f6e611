"""`fcaps annotate` and `fcaps plan`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fcaps_pipeline.cli.console import LISTED, messages, result
from fcaps_pipeline.cli.paths import storable, writable

if TYPE_CHECKING:
    from fcaps_pipeline.jobs.annotate_job import Job

Source = Annotated[str, typer.Argument(help="A job (.yaml), or a folder, audio file, archive or list of recordings.")]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Replace one key of the job; may be repeated.")
]
Reused = Annotated[
    list[str] | None,
    typer.Option(
        "--reuse", parser=storable, metavar="RUN", help="Finished run whose answers are not asked again; repeatable."
    ),
]
_EXIT_NOT_WHOLE = 3
_EXIT_INTERRUPTED = 130


def annotate(
    source: Annotated[
        str | None,
        typer.Argument(
            help="A job (.yaml), or a folder, audio file, archive or list of recordings; left out where --out is a run "
            "folder, whose own job is taken then."
        ),
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(
            parser=writable,
            metavar="PATH",
            help="Run folder or address such as s3://bucket/run: new, or one to go on with; runs/NAME by default.",
        ),
    ] = None,
    overrides: Overrides = None,
    *,
    repair: Annotated[
        bool, typer.Option("--repair", help="Do again the units whose files were changed or lost.")
    ] = False,
    retry_failures: Annotated[
        bool, typer.Option("--retry-failures", help="Do again the recordings and segments that failed, nothing else.")
    ] = False,
    extend: Annotated[
        bool, typer.Option("--extend", help="Take in recordings that came to the source since the run was planned.")
    ] = False,
    reuse: Reused = None,
    no_ask: Annotated[
        bool, typer.Option("--no-ask", help="With --reuse: ask no engine; what earlier runs do not know fails by name.")
    ] = False,
) -> None:
    """Annotate speech: write validated caption shards into a run folder. Run again to go on."""
    from fcaps_pipeline.annotate.run.annotate import How
    from fcaps_pipeline.annotate.run.annotate import annotate as run
    from fcaps_pipeline.annotate.run.inspection import lines
    from fcaps_pipeline.annotate.run.report import State
    from fcaps_pipeline.cli.progress import ProgressBar
    from fcaps_pipeline.cli.segments import print_segments
    from fcaps_pipeline.cli.tables import print_report
    from fcaps_pipeline.errors import UsageError
    from fcaps_pipeline.shards.layout import RunLayout

    if no_ask and not reuse:
        raise UsageError("--no-ask goes with --reuse: without an earlier run nothing is known")
    if extend and retry_failures:
        raise UsageError("--retry-failures does nothing besides; give --extend in a call of its own")
    job, out = _job_and_folder(source, out, overrides or [])
    how = How(repair=repair, retry_failures=retry_failures, extend=extend, reuse=tuple(reuse or ()), ask=not no_ask)
    try:
        with ProgressBar(messages) as bar:
            report = run(job, out, bar, how)
    except KeyboardInterrupt:
        messages.say(f"interrupted; the same command goes on where {out} stopped")
        raise typer.Exit(_EXIT_INTERRUPTED) from None
    print_segments(result, lines(RunLayout(out)), LISTED, f"`fcaps show {out}` lists others")
    print_report(result, report, out)
    if report.state is not State.WHOLE:
        raise typer.Exit(_EXIT_NOT_WHOLE)


def _job_and_folder(source: str | None, out: str | None, overrides: list[str]) -> tuple["Job", str]:
    """The job of the command line, or the one that the run folder was started with."""
    from fcaps_pipeline.cli.jobs import resolve_job
    from fcaps_pipeline.errors import UsageError
    from fcaps_pipeline.jobs.started import recall
    from fcaps_pipeline.shards.run_folder import existing

    if source is not None:
        return resolve_job(source, overrides), out or default_run_folder(source)
    if out is None:
        raise UsageError("give a job or audio to annotate, or the --out folder of a run to go on with")
    if overrides:
        raise UsageError("--set changes a job that is given; without one the run goes on with its own as it is")
    return recall(existing(out).started), out


def default_run_folder(source: str) -> str:
    """`runs/NAME` with the name of a folder, or that of a file without its endings."""
    path = Path(source)
    name = path.resolve().name if path.is_dir() else Path(path.name.removesuffix(".gz")).stem
    return f"runs/{name or 'root'}"


def plan(
    source: Source,
    out: Annotated[
        str | None,
        typer.Option(parser=writable, metavar="PATH", help="Run folder: store the plan there, or see what is pending."),
    ] = None,
    overrides: Overrides = None,
    tokens_per_s: Annotated[
        float | None,
        typer.Option(min=1, help="Output tokens per second of one GPU; by default reckoned from the job."),
    ] = None,
    reuse: Reused = None,
) -> None:
    """Show hours, units and expected work of a job. Starts no engine and needs no GPU."""
    from fcaps_pipeline.annotate.run.drift import drift_line
    from fcaps_pipeline.annotate.run.inspection import status
    from fcaps_pipeline.annotate.run.plan import load_or_make
    from fcaps_pipeline.annotate.run.preflight import shortcomings
    from fcaps_pipeline.annotate.run.rehearsal import rehearse
    from fcaps_pipeline.annotate.run.reuse import inherit_tombstones, prepare_reuse
    from fcaps_pipeline.annotate.run.surroundings import scratch_folder
    from fcaps_pipeline.cli.jobs import resolve_job
    from fcaps_pipeline.cli.tables import print_plan
    from fcaps_pipeline.jobs.identity import job_identity
    from fcaps_pipeline.shards.run_folder import existing, opened

    job = resolve_job(source, overrides or [])
    with scratch_folder() as scratch, opened(out or scratch, job_identity(job), messages.say) as layout:
        is_stored = layout.plan.exists()
        if (remark := inherit_tombstones(layout, reuse or ())) is not None:
            result.say(remark, style="yellow")
        planned = load_or_make(layout, job)
        drift = drift_line(layout, job, planned) if is_stored else None
        rehearsal = None
        if reuse:
            answers = prepare_reuse(job, layout, reuse)
            rehearsal = rehearse(job, layout, [existing(run) for run in reuse], answers, planned.num_segments_expected)
        print_plan(result, job, status(layout), tokens_per_s, rehearsal)
    if drift is not None:
        result.say(drift, style="yellow")
    for line in shortcomings(job):
        result.say(f"this machine cannot run it now: {line}", style="yellow")
