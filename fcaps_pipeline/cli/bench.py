"""`fcaps bench`: speed on this machine, how true captions are, what training stages are worth, what damage is outlived.

`fcaps bench train` stands beside it.
"""

from pathlib import Path
from typing import Annotated

import typer

from fcaps_pipeline.cli import bench_train
from fcaps_pipeline.cli.annotate import Overrides, Source
from fcaps_pipeline.cli.console import messages, result
from fcaps_pipeline.cli.paths import local_path
from fcaps_pipeline.errors import UsageError

app = typer.Typer(no_args_is_help=True)
app.command("train")(bench_train.train)


@app.command("annotate")
def bench_annotate(
    source: Source = "package:demo_speech",
    overrides: Overrides = None,
) -> None:
    """Hold the whole pipeline against the slower of its bare parts, on the same clips in one run."""
    from rich.table import Table

    from fcaps_pipeline.cli.jobs import resolve_job
    from fcaps_pipeline.cli.progress import ProgressBar
    from fcaps_pipeline.lab.bench.annotate import AIM
    from fcaps_pipeline.lab.bench.annotate import bench_annotate as measure

    with ProgressBar(messages) as bar:
        found = measure(resolve_job(source, overrides or []), bar)
    table = Table("part", "seconds", "times real time")
    for name, seconds in (
        (f"decode and resample, {_cores(found.num_cpu_cores)}", found.decode_s),
        (f"decode, VAD and acoustics, {_cores(found.num_cpu_cores)}", found.segments_s),
        ("  of which acoustics", found.acoustics_s),
        (f"bare engine, all requests at once, {_cores(found.num_engine_cores)}", found.engine_s),
        ("limit: the slower of CPU work and engine", found.limit_s),
        ("whole pipeline", found.pipeline_s),
    ):
        table.add_row(name, f"{seconds:.1f}", f"{found.audio_s / seconds:.0f}")
    result.say(f"{found.num_recordings} recordings, {found.audio_s / 60:.1f} min, {found.num_segments} segments")
    result.say(found.machine)
    result.show(table)
    result.say(f"whole pipeline / limit: {found.ratio:.2f} (aim {AIM})")
    result.say(
        f"start-up: bare engine {found.engine_startup_s:.1f} s, pipeline {found.pipeline_startup_s:.1f} s; "
        f"bare engine: {found.num_output_tokens / found.engine_s:.0f} tokens/s"
    )


@app.command("scale")
def bench_scale(
    replicas: Annotated[
        list[int] | None, typer.Option(min=2, help="Replicas of a case; may be repeated. Default: 8, 64 and 256.")
    ] = None,
    case: Annotated[
        list[str] | None, typer.Option(metavar="WORD", help="Only cases whose name has this word; may be repeated.")
    ] = None,
    time_scale: Annotated[
        float, typer.Option(min=0.1, help="Simulated seconds that pass in a second of this machine.")
    ] = 3.0,
) -> None:
    """Load the dispatcher with hundreds of simulated engines that lag, hang, leave, join and die."""
    import tempfile

    from fcaps_pipeline.lab.bench.scale.benchmark import bench_scale as measure
    from fcaps_pipeline.lab.bench.scale.cases import cases
    from fcaps_pipeline.lab.bench.scale.report import HEADER, cost, explanation, line
    from fcaps_pipeline.lab.bench.scale.rows import ScaleRow
    from fcaps_pipeline.machine import describe_processor

    chosen = [
        one
        for number in replicas or (8, 64, 256)
        for one in cases(number)
        if not case or any(word in one.name for word in case)
    ]
    if not chosen:
        raise UsageError(f"no case has {case} in its name; they are {', '.join(one.name for one in cases(8))}")
    result.say(describe_processor())
    for text in explanation(time_scale):
        result.say(text)
    result.say(HEADER)

    def on_row(row: ScaleRow) -> None:
        result.say(line(row))
        if row.aim is None:
            result.say(cost(row))

    with tempfile.TemporaryDirectory() as folder:
        summary = measure(Path(folder) / "run", chosen, time_scale, on_row)
    result.say(
        f"conservation: {summary.num_clips} clips of {summary.num_units} units, each found once in the shards; "
        f"{summary.num_convicted} poisoned ones are Failures"
    )


def _cores(number: int) -> str:
    return f"{number} core{'s' if number > 1 else ''}"


@app.command("reuse")
def bench_reuse(
    keys: Annotated[int, typer.Option(min=1000, help="Requests that were answered before.")] = 20_000_000,
    work: Annotated[
        Path | None, typer.Option(parser=local_path, metavar="PATH", help="Where the index is built; 450 bytes a key.")
    ] = None,
) -> None:
    """Build the index of earlier answers and look answers up in two processes."""
    from rich.table import Table

    from fcaps_pipeline.annotate.run.surroundings import scratch_folder
    from fcaps_pipeline.lab.bench.reuse import bench_reuse as measure

    with scratch_folder() as scratch:
        found = measure(work or scratch, keys)
    table = Table("index of earlier answers", "measured")
    for name, value in (
        ("keys", f"{found.num_keys}"),
        ("build", f"{found.build_s:.0f} s, {found.num_keys / found.build_s:.0f} keys/s, one core"),
        ("size", f"{found.index_bytes / 1e9:.2f} GB, {found.index_bytes / found.num_keys:.0f} bytes a key"),
        ("peak memory, building", f"{found.build_peak_bytes / 1e6:.0f} MB"),
        ("peak memory, looking up", f"{found.lookup_peak_bytes / 1e6:.0f} MB a process"),
        (f"lookups by chance, {found.num_processes} processes", f"{found.lookups_per_s:.0f} /s"),
        (f"lookups in order, {found.num_processes} processes", f"{found.ordered_lookups_per_s:.0f} /s"),
    ):
        table.add_row(name, value)
    result.show(table)


@app.command("rules")
def bench_rules(
    work: Annotated[
        Path,
        typer.Option(parser=local_path, metavar="PATH", help="Where clips are kept; a killed benchmark goes on there."),
    ] = Path("bench-rules"),
    clips: Annotated[int, typer.Option(min=1, help="Synthetic clips of held-out voices.")] = 480,
    seed: Annotated[int, typer.Option(min=0, help="Decides the clips.")] = 3,
    workers: Annotated[int, typer.Option(min=1, help="Processes of the synthesis.")] = 2,
    calibrate: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Take the bounds of evidence anew and write them there.")
    ] = None,
    human: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Audio with vouched captions.jsonl, which moves bounds out."),
    ] = None,
) -> None:
    """Show what each rule is worth: true statements dropped, flipped ones found, precision and recall."""
    from rich.table import Table

    from fcaps_pipeline.lab.bench import rules as bench

    done = 0

    def on_clips(more: int) -> None:
        nonlocal done
        done += more
        messages.say(f"clips: {done}/{clips}")

    if calibrate is not None:
        bounds = bench.calibrate_bounds(work, human, num_clips=clips, seed=seed, workers=workers, on_clips=on_clips)
        calibrate.write_text(bounds.model_dump_json(indent=1) + "\n", encoding="utf-8")
        result.say(f"{calibrate}: {len(bounds.bounds)} bounds from {bounds.provenance}")
        return
    found = bench.bench_rules(work, num_clips=clips, seed=seed, workers=workers, on_clips=on_clips)
    table = Table("statements about", "true", "dropped", "flipped", "found")
    for one in found.attributes:
        table.add_row(
            one.attribute.replace("_", " "),
            str(one.num_true),
            _share(one.num_dropped, one.num_true),
            str(one.num_flipped),
            _share(one.num_found, one.num_flipped),
        )
    totals = [sum(getattr(one, name) for one in found.attributes) for name in ("num_true", "num_dropped")]
    flips = [sum(getattr(one, name) for one in found.attributes) for name in ("num_flipped", "num_found")]
    table.add_row("all", str(totals[0]), _share(totals[1], totals[0]), str(flips[0]), _share(flips[1], flips[0]))
    result.show(table)
    result.say(f"bounds: {found.provenance}")
    result.say(f"captions that tell the truth and are dropped: {found.num_captions_dropped} of {found.num_captions}")
    by_rule = Table("rule, on captions written by hand", "to find", "recall", "hits", "precision")
    for row in found.rules:
        by_rule.add_row(
            row.rule,
            str(row.num_expected),
            _share(row.num_found, row.num_expected),
            str(row.num_hits),
            _share(row.num_hits - row.num_wrong, row.num_hits),
        )
    result.show(by_rule)


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "-"


@app.command("captions")
def bench_captions(
    work: Annotated[
        Path,
        typer.Option(
            parser=local_path, metavar="PATH", help="Where clips and runs are kept; a killed benchmark goes on there."
        ),
    ] = Path("bench-captions"),
    clips: Annotated[int, typer.Option(min=1, help="Synthetic clips of held-out voices.")] = 480,
    seed: Annotated[int, typer.Option(min=0, help="Decides the clips.")] = 3,
    workers: Annotated[int, typer.Option(min=1, help="Processes of the synthesis.")] = 2,
) -> None:
    """Hold captions against the truth of synthetic speech: captioner, best of n, cascaded baseline."""
    from rich.table import Table

    from fcaps_pipeline.cli.progress import ProgressBar
    from fcaps_pipeline.lab.bench.captions import bench_captions as measure
    from fcaps_pipeline.learn.evaluation.tables import percent

    done = 0

    def on_clips(more: int) -> None:
        nonlocal done
        done += more
        messages.say(f"clips: {done}/{clips}")

    with ProgressBar(messages) as bar:
        rows = measure(work, num_clips=clips, seed=seed, workers=workers, callback=bar, on_clips=on_clips)
    table = Table("captions", "granularity", "correctness", "coverage", "invention", "without", "speakers invented")
    for row in rows:
        scores = row.scores
        table.add_row(
            row.way,
            row.granularity,
            percent(scores.correctness),
            percent(scores.coverage),
            percent(scores.invention),
            f"{scores.num_without_caption} of {scores.num_clips}",
            f"{row.num_speakers_invented} of {row.num_sounds}",
        )
    result.show(table)


@app.command("retrieval")
def bench_retrieval(
    work: Annotated[
        Path,
        typer.Option(
            parser=local_path,
            metavar="PATH",
            help="Where corpus, training runs and the page are kept; a killed benchmark goes on there.",
        ),
    ] = Path("bench-retrieval"),
    steps: Annotated[int | None, typer.Option(min=2, help="Batches of each way; less is a quick look.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Decides corpus, weights and batches.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes at a time, one thread each.")] = 2,
) -> None:
    """Train stage 1, stage 2, both, and both with frames on synthetic speech with known truth; one budget each."""
    from datetime import UTC, datetime

    from rich.table import Table

    from fcaps_pipeline.lab.bench.retrieval.benchmark import bench_retrieval as measure
    from fcaps_pipeline.lab.bench.retrieval.jobs import Scale
    from fcaps_pipeline.lab.bench.retrieval.report import PAGE, expectations, tables

    chosen = {key: value for key, value in (("steps", steps), ("seed", seed)) if value is not None}
    scale = Scale.model_validate(chosen)
    num_rows = sum(run.num_rows for run in scale.runs())
    done = 0

    def on_rows(more: int) -> None:
        nonlocal done
        done += more
        messages.say(f"recordings: {done}/{num_rows}")

    def note(line: str) -> None:
        messages.say(line)

    today = datetime.now(UTC).date().isoformat()
    results = measure(work, scale, workers=workers, on_rows=on_rows, note=note, today=today)
    for header, rows in tables(results):
        table = Table(*header)
        for row in rows:
            table.add_row(*row)
        result.show(table)
    for line in expectations(results):
        result.say(line)
    result.say(f"report: {work / PAGE}")


@app.command("readers")
def bench_readers(
    mutations: Annotated[int, typer.Option(min=1, help="Damaged files, shared evenly among the formats.")] = 10_000,
    seed: Annotated[int, typer.Option(min=0, help="Decides the damage.")] = 1,
    workers: Annotated[int, typer.Option(min=1, help="Processes at a time.")] = 2,
    max_s: Annotated[
        float, typer.Option(min=0.1, help="Seconds that one file may take before it counts as hanging.")
    ] = 10,
    max_mib: Annotated[int, typer.Option(min=256, help="Address space of the process that reads, in MiB.")] = 2_048,
) -> None:
    """Read damaged files of every format: all must be decoded or refused by name, within time and memory."""
    from rich.table import Table

    from fcaps_pipeline.lab.bench.readers.benchmark import Budget
    from fcaps_pipeline.lab.bench.readers.benchmark import bench_readers as measure
    from fcaps_pipeline.lab.bench.readers.formats import FORMATS

    done = 0

    def on_done(more: int) -> None:
        nonlocal done
        done += more
        if done % 1_000 == 0:
            messages.print(f"mutations: {done}/{mutations}")

    budget = Budget(max_s=max_s, max_bytes=max_mib << 20)
    rows = measure(FORMATS, num_mutations=mutations, seed=seed, workers=workers, budget=budget, on_done=on_done)
    table = Table("format", "files", "mutations", "read", "refused", "hangs", "crashes", "unforeseen", "slowest s")
    for row in rows:
        counts = (row.num_files, row.num_mutations, row.num_read, row.num_refused, row.num_hangs, row.num_crashes)
        table.add_row(row.format, *map(str, counts), " ".join(row.unforeseen) or "0", f"{row.slowest_s:.2f}")
    total = [sum(getattr(row, f"num_{name}") for row in rows) for name in ("files", "mutations", "read", "refused")]
    bad = [sum(getattr(row, f"num_{name}") for row in rows) for name in ("hangs", "crashes", "unforeseen")]
    table.add_section()
    table.add_row(f"{len(rows)} formats", *map(str, (*total, *bad)), f"{max(row.slowest_s for row in rows):.2f}")
    result.print(table)
    for row in rows:
        if row.examples:
            result.print(f"{row.format}: mutations {', '.join(map(str, row.examples))} of seed {seed}")
    if any(bad):
        raise typer.Exit(1)
