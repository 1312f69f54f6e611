"""`fcaps bench speakers`: what the detectors of speakers and of speech find and miss."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fcaps_pipeline.cli.bench.counting import counting
from fcaps_pipeline.cli.console import result
from fcaps_pipeline.cli.paths import local_path

if TYPE_CHECKING:
    from rich.table import Table

    from fcaps_pipeline.lab.bench.speakers.benchmark import SpeakerBench


def speakers(
    work: Annotated[
        Path,
        typer.Option(
            parser=local_path, metavar="PATH", help="Where recordings are kept; a killed benchmark goes on there."
        ),
    ] = Path("bench-speakers"),
    conversations: Annotated[
        int, typer.Option(min=1, help="Synthetic conversations; four clips, two mixtures and six sentences for each.")
    ] = 24,
    seed: Annotated[int, typer.Option(min=0, help="Decides all recordings.")] = 3,
    workers: Annotated[int, typer.Option(min=1, help="Processes of the synthesis.")] = 2,
) -> None:
    """Hold speaker detector and voice detectors against synthetic conversations, mixtures, styles and rooms."""
    from fcaps_pipeline.lab.bench.speakers.benchmark import bench_speakers
    from fcaps_pipeline.machine import describe_processor

    on_done = counting("recordings", 11 * conversations, every=20)
    found = bench_speakers(work, num_conversations=conversations, seed=seed, workers=workers, on_done=on_done)
    result.say(describe_processor())
    result.show(_speakers(found))
    result.say(
        f"speaker detector: {found.times_real_time:.0f} times real time on one thread, "
        f"{found.num_segments} Segments of {found.heard_min:.0f} min"
    )
    result.show(_voices(found))
    result.show(_sounds(found))


def _speakers(found: "SpeakerBench") -> "Table":
    from rich.table import Table

    from fcaps_pipeline.learn.evaluation.tables import percent

    kinds = list(dict.fromkeys(row.kind for row in found.speakers))
    cells = {(row.name, row.kind): percent(row.share) for row in found.speakers}
    table = Table("speakers, %", *kinds)
    for name in dict.fromkeys(row.name for row in found.speakers):
        table.add_row(name, *(cells.get((name, kind), "") for kind in kinds))
    return table


def _voices(found: "SpeakerBench") -> "Table":
    from rich.table import Table

    from fcaps_pipeline.learn.evaluation.tables import percent

    table = Table("speech missed, %", "place", "clips", *found.voices[0].missed)
    for row in found.voices:
        table.add_row(row.style, row.place, f"{row.num_clips}", *map(percent, row.missed.values()))
    return table


def _sounds(found: "SpeakerBench") -> "Table":
    from rich.table import Table

    table = Table("sounds called speech, % of their time", "clips", *found.sounds[0].called_speech)
    for row in found.sounds:
        table.add_row(row.kind, f"{row.num_clips}", *(f"{100 * share:.1f}" for share in row.called_speech.values()))
    return table
