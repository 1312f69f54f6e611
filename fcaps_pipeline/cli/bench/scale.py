"""`fcaps bench scale`: the dispatcher under hundreds of simulated engines."""

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from fcaps_pipeline.cli.console import result
from fcaps_pipeline.errors import UsageError


def scale(
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
    from fcaps_pipeline.lab.bench.scale.benchmark import bench_scale
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
        summary = bench_scale(Path(folder) / "run", chosen, time_scale, on_row)
    result.say(
        f"conservation: {summary.num_clips} clips of {summary.num_units} units, each found once in the shards; "
        f"{summary.num_convicted} poisoned ones are Failures"
    )
