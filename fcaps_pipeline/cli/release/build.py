"""`fcaps release build`: a release from finished runs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from fcaps_pipeline.cli.console import messages, result
from fcaps_pipeline.cli.paths import local_path, writable

if TYPE_CHECKING:
    from fcaps_pipeline.release.layout import ReleaseRecord

_EXIT_INTERRUPTED = 130


def build(
    recipe: Annotated[
        Path, typer.Argument(parser=local_path, metavar="RELEASE.yaml", help="What the release is made of.")
    ],
    out: Annotated[
        str,
        typer.Option(parser=writable, metavar="DIR", help="Folder of the release: a path, s3:// or gs://."),
    ],
) -> None:
    """Make a release; the same command goes on where an earlier call ended."""
    from fcaps_pipeline.cli.kinds import job_for
    from fcaps_pipeline.release.build.release import Listener, build_release
    from fcaps_pipeline.release.recipe import read_recipe

    def on_remark(text: str) -> None:
        messages.say(text, style="yellow")

    def on_shard(num_done: int, num_shards: int) -> None:
        messages.say(f"shard {num_done} of {num_shards}")

    with job_for("release", recipe):
        read = read_recipe(recipe)
    try:
        built = build_release(read, out, Listener(on_remark, on_shard))
    except KeyboardInterrupt:
        messages.say("interrupted; the same command goes on with it", style="yellow")
        raise typer.Exit(_EXIT_INTERRUPTED) from None
    record = built.record
    _show(record)
    is_now = "is built" if built.is_new else "is already built"
    result.say(f"{record.name} {record.version} {is_now}: {out}")


def _show(record: "ReleaseRecord") -> None:
    table = Table("split", "rows", "hours", "recordings", "speakers", "captions", "shards", "MB")
    for split, sums in record.splits.items():
        files = [file for file in record.shards if file.split == split and file.table == "data"]
        table.add_row(
            split,
            f"{sums.num_rows}",
            f"{sums.duration_s / 3600:.3f}",
            f"{sums.num_recordings}",
            f"{sums.num_speakers}",
            f"{sums.num_global_captions} global, {sums.num_fine_captions} fine",
            f"{len(files)}",
            f"{sum(file.num_bytes for file in files) / 1e6:.1f}",
        )
    result.show(table)
    if record.num_excluded:
        counts = sorted(record.num_excluded.items(), key=lambda item: -item[1])
        result.say(f"left out: {', '.join(f'{count} {reason}' for reason, count in counts)}")
