"""`fcaps bench verification`: what each check of captions is worth."""

from pathlib import Path
from typing import Annotated

import typer

from fcaps_pipeline.cli.bench.counting import counting
from fcaps_pipeline.cli.console import result
from fcaps_pipeline.cli.paths import local_path


def verification(
    work: Annotated[
        Path,
        typer.Option(parser=local_path, metavar="PATH", help="Where clips are kept; a killed benchmark goes on there."),
    ] = Path("bench-verification"),
    clips: Annotated[int, typer.Option(min=1, help="Synthetic clips of held-out voices.")] = 480,
    seed: Annotated[int, typer.Option(min=0, help="Decides the clips and the words.")] = 3,
    workers: Annotated[int, typer.Option(min=1, help="Processes of the synthesis.")] = 2,
) -> None:
    """Put faults into true captions and show which are found, and what of the truth is lost."""
    from rich.table import Table

    from fcaps_pipeline.lab.bench.verification.bench import bench_verification
    from fcaps_pipeline.lab.bench.verification.measure import fault_table

    rows = bench_verification(work, num_clips=clips, seed=seed, workers=workers, on_clips=counting("clips", clips))
    header, lines = fault_table(rows)
    table = Table(*header)
    for line in lines:
        table.add_row(*line)
    result.show(table)
    result.say("shares in percent, with intervals of 95 % from drawing speakers")
