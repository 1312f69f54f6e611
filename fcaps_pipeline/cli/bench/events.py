"""`fcaps bench events`: how well timed events are placed."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fcaps_pipeline.cli.bench.counting import counting
from fcaps_pipeline.cli.console import result
from fcaps_pipeline.cli.paths import local_path

if TYPE_CHECKING:
    from rich.table import Table

    from fcaps_pipeline.lab.bench.events.bench import EventBench, Share


def events(
    work: Annotated[
        Path,
        typer.Option(parser=local_path, metavar="PATH", help="Where clips are kept; a killed benchmark goes on there."),
    ] = Path("bench-events"),
    clips: Annotated[int, typer.Option(min=1, help="Synthetic clips of held-out voices.")] = 600,
    seed: Annotated[int, typer.Option(min=0, help="Decides the clips.")] = 5,
    workers: Annotated[int, typer.Option(min=1, help="Processes of the synthesis.")] = 2,
    calibrate: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Take the bounds of events anew and write them there.")
    ] = None,
    real: Annotated[
        Path | None,
        typer.Option(
            parser=local_path, metavar="DIR", help="Speech of which nothing is known: its events a minute are told too."
        ),
    ] = None,
) -> None:
    """Show how well each kind of event is placed: precision, recall, and times within 0.3 s."""
    from fcaps_pipeline.lab.bench.events import bench

    on_clips = counting("clips", clips)
    if calibrate is not None:
        bounds = bench.calibrate_events(work, num_clips=clips, seed=seed, workers=workers, on_clips=on_clips)
        calibrate.write_text(bounds.model_dump_json(indent=1) + "\n", encoding="utf-8")
        given = [kind.phrase for kind in bounds.kinds if kind.bound is not None]
        result.say(f"{calibrate}: {len(given)} of {len(bounds.kinds)} kinds are given, from {bounds.provenance}")
        return
    found = bench.bench_events(work, num_clips=clips, seed=seed, workers=workers, on_clips=on_clips)
    result.show(_table(found))
    result.say(f"{found.num_clips} clips, {found.audio_s / 60:.1f} min; bounds: {found.provenance}")
    result.say(
        f"CPU time: acoustics {found.acoustics_s:.1f} s, events {found.events_s:.1f} s more "
        f"({100 * found.events_s / found.acoustics_s:.0f} %)"
    )
    if real is not None:
        heard = bench.count_in(real)
        counts = ", ".join(f"{phrase} {number:.2f}" for phrase, number in heard.per_minute.items() if number)
        result.say(f"events a minute in {heard.minutes:.1f} min of {real}: {counts or 'none'}")


def _table(found: "EventBench") -> "Table":
    from rich.table import Table

    table = Table(
        "event", "true", "given", "precision", "recall", "in time", "confidence", "constant: precision, recall"
    )
    for row in found.rows:
        table.add_row(
            row.phrase,
            f"{row.num_true}",
            f"{row.num_given}" if row.is_given else "not given",
            _share(row.precision),
            _share(row.recall),
            _share(row.in_time),
            _number(row.confidence),
            f"{_number(row.constant_precision)}, {_number(row.constant_recall)}",
        )
    return table


def _share(one: "Share") -> str:
    if one.value is None or one.low is None or one.high is None:
        return "-"
    return f"{one.value:.2f} ({one.low:.2f} to {one.high:.2f})"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
