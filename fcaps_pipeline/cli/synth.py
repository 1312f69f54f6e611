"""`fcaps synth`: a corpus of synthetic speech in which everything is known."""

import os
import time
from pathlib import Path
from typing import Annotated

import typer

from fcaps_pipeline.cli.console import messages, result
from fcaps_pipeline.cli.paths import local_path


def synth(
    out: Annotated[
        Path,
        typer.Option(
            parser=local_path, metavar="PATH", help="Folder to write FLAC files, manifest.jsonl and truth.parquet to."
        ),
    ],
    hours: Annotated[float, typer.Option(min=0.001, help="Length of all files together.")],
    seed: Annotated[int, typer.Option(min=0, help="Decides every byte, whatever the number of workers.")],
    workers: Annotated[int | None, typer.Option(min=1, help="Processes at a time; by default one per core.")] = None,
    *,
    split_voices: Annotated[
        bool, typer.Option("--split-voices", help="Write train, validation and test with voices of their own.")
    ] = False,
    overlap: Annotated[
        bool, typer.Option("--overlap", help="Let speakers begin before another has ended, two at once.")
    ] = False,
) -> None:
    """Synthesize styled speech with its truth: speakers, words, pitch, rate, level, timed events."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from fcaps_pipeline.lab.synthesis.release import Settings, write_release

    settings = Settings(hours=hours, seed=seed, split_voices=split_voices, overlap=overlap)
    started_s = time.monotonic()
    columns = (TextColumn("synthesizing"), BarColumn(), TextColumn("{task.percentage:.0f} %"), TimeRemainingColumn())
    with Progress(*columns, console=messages, disable=not messages.is_terminal) as progress:
        task = progress.add_task("", total=3600 * hours)
        counts = write_release(
            out,
            settings,
            workers=workers or os.cpu_count() or 1,
            on_block=lambda block_s: progress.advance(task, block_s),
        )
    took_s = time.monotonic() - started_s
    result.say(f"{out}: {counts.files} files, {counts.seconds / 3600:.2f} h, {took_s:.0f} s")
    for what, by_reason in (("files dropped", counts.dropped_files), ("sentences redrawn", counts.redrawn_sentences)):
        reasons = ", ".join(f"{reason} {count}" for reason, count in by_reason.items())
        result.say(f"{what}: {sum(by_reason.values())}{f' ({reasons})' if reasons else ''}")
