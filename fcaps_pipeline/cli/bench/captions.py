"""`fcaps bench captions`: captions against the truth of synthetic speech."""

from pathlib import Path
from typing import Annotated

import typer

from fcaps_pipeline.cli.bench.counting import counting
from fcaps_pipeline.cli.console import messages, result
from fcaps_pipeline.cli.paths import local_path


def captions(
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
    from fcaps_pipeline.lab.bench.captions import bench_captions
    from fcaps_pipeline.learn.evaluation.tables import percent

    with ProgressBar(messages) as bar:
        found = bench_captions(
            work, num_clips=clips, seed=seed, workers=workers, callback=bar, on_clips=counting("clips", clips)
        )
    table = Table("captions", "granularity", "correctness", "coverage", "invention", "without", "speakers invented")
    for row in found.rows:
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
    gains = Table("the best against the first, correctness", "granularity", "gain, points", "clips", "without")
    for gain in found.gains:
        counts = (f"{gain.num_clips}", f"{gain.num_without}")
        gains.add_row(gain.way, gain.granularity, percent(gain.correctness), *counts)
    result.show(gains)
