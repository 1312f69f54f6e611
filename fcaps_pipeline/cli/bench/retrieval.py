"""`fcaps bench retrieval`: what the stages of training are worth."""

from pathlib import Path
from typing import Annotated

import typer

from fcaps_pipeline.cli.bench.counting import counting
from fcaps_pipeline.cli.console import messages, result
from fcaps_pipeline.cli.paths import local_path


def retrieval(
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

    from fcaps_pipeline.lab.bench.retrieval.benchmark import bench_retrieval
    from fcaps_pipeline.lab.bench.retrieval.jobs import Scale
    from fcaps_pipeline.lab.bench.retrieval.report import PAGE, expectations, tables

    chosen = {key: value for key, value in (("steps", steps), ("seed", seed)) if value is not None}
    scale = Scale.model_validate(chosen)
    num_rows = sum(run.num_rows for run in scale.runs())
    today = datetime.now(UTC).date().isoformat()
    results = bench_retrieval(
        work, scale, workers=workers, on_rows=counting("recordings", num_rows), note=messages.say, today=today
    )
    for header, rows in tables(results):
        table = Table(*header)
        for row in rows:
            table.add_row(*row)
        result.show(table)
    for line in expectations(results):
        result.say(line)
    result.say(f"report: {work / PAGE}")
