"""`fcaps bench release`: building, verifying, comparing, taking back and exporting a large release."""

from pathlib import Path
from typing import Annotated

import typer

from fcaps_pipeline.cli.console import result
from fcaps_pipeline.cli.paths import local_path


def release(
    rows: Annotated[int, typer.Option(min=1000, help="Rows of the release, which refer to their audio.")] = 1_000_000,
    work: Annotated[
        Path | None,
        typer.Option(parser=local_path, metavar="PATH", help="An empty folder for it; 5 GB at the default size."),
    ] = None,
) -> None:
    """Build a large release and its next version, verify and compare them, take a speaker back, and export it."""
    from fcaps_pipeline.annotate.run.surroundings import scratch_folder
    from fcaps_pipeline.lab.bench.release import bench_release
    from fcaps_pipeline.machine import describe_processor

    result.say(describe_processor())
    result.say("| step | rows | seconds | peak memory, MB |\n|---|---|---|---|")
    with scratch_folder() as scratch:
        for one in bench_release(work or scratch, rows):
            result.say(f"| {one.name} | {one.num_rows:,} | {one.seconds:.1f} | {one.peak_bytes / 1e6:.0f} |")
