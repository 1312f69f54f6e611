"""`fcaps bench plan`: planning and keeping a run of ten million recordings."""

from pathlib import Path
from typing import Annotated

import typer

from fcaps_pipeline.cli.console import result
from fcaps_pipeline.cli.paths import local_path


def plan(
    recordings: Annotated[int, typer.Option(min=1, help="Lines of the manifest.")] = 10_000_000,
    units: Annotated[int, typer.Option(min=1, help="Units of its run.")] = 50_000,
    rows: Annotated[int, typer.Option(min=1, help="Rows of the run, which hold ids only.")] = 18_000_000,
    work: Annotated[
        Path | None,
        typer.Option(parser=local_path, metavar="PATH", help="An empty folder for it; 5 GB at the default size."),
    ] = None,
) -> None:
    """Plan a large manifest, then start, watch and finish its run, find cards in it, and verify another."""
    from rich.table import Table

    from fcaps_pipeline.annotate.run.surroundings import scratch_folder
    from fcaps_pipeline.lab.bench.plan import Size, bench_plan
    from fcaps_pipeline.machine import describe_processor

    result.say(describe_processor())
    result.say(f"{recordings:,} recordings, {units:,} units, {rows:,} rows")
    with scratch_folder() as scratch:
        parts = bench_plan(work or scratch, Size(num_recordings=recordings, num_units=units, num_rows=rows))
    table = Table("part", "seconds", "peak memory")
    for one in parts:
        peak = "" if one.peak_bytes is None else f"{one.peak_bytes / 1e6:.0f} MB"
        table.add_row(one.name, f"{one.seconds:.2f}", peak)
    result.show(table)
