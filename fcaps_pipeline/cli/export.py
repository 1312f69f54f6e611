"""`fcaps export`: a run or a release in the form of another tool."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from fcaps_pipeline.cli.console import LISTED, messages, result
from fcaps_pipeline.cli.paths import local_path, storable

if TYPE_CHECKING:
    from fcaps_pipeline.release.export.clips import LeftOut

_EXIT_NOT_WHOLE = 3

Dataset = Annotated[str, typer.Argument(parser=storable, metavar="RUN|RELEASE", help="Finished run, or a release.")]
Format = Literal["fcaps", "shar", "webdataset", "energon", "audiofolder", "parquet", "labelstudio"]


def export(
    source: Dataset,
    format_: Annotated[Format, typer.Option("--format", help="The form to write.")],
    out: Annotated[
        Path,
        typer.Option(parser=local_path, metavar="DIR", help="Folder to fill: new, empty, or begun by this command."),
    ],
    *,
    split: Annotated[
        list[str] | None, typer.Option(help="Split of a release to take, again for more; default: all.")
    ] = None,
    by_reference: Annotated[
        bool,
        typer.Option("--by-reference", help="fcaps, energon: refer to the audio of the source. parquet always does."),
    ] = False,
    inline_audio: Annotated[
        bool, typer.Option("--inline-audio", help="labelstudio: put audio into the tasks, as data URLs.")
    ] = False,
    shard_mb: Annotated[int, typer.Option(min=1, max=5000, help="Size that shards are aimed at, in megabytes.")] = 500,
    max_missing: Annotated[
        int, typer.Option(min=0, help="Rows that may be left out because the audio they refer to cannot be had.")
    ] = 0,
) -> None:
    """Write a run or a release in the form of another tool."""
    from fcaps_pipeline.release.dataset import open_dataset
    from fcaps_pipeline.release.export.export import export as make
    from fcaps_pipeline.release.export.export import settings_for

    dataset = open_dataset(source)
    settings = settings_for(
        format_,
        dataset,
        splits=tuple(split) if split else None,
        by_reference=by_reference,
        inline_audio=inline_audio,
        shard_mb=shard_mb,
    )
    named = _Named()
    record = make(dataset, settings, out, max_left_out=max_missing, on_left_out=named)
    for name, counts in record.splits.items():
        messages.say(f"{name}: {counts.num_rows} rows in {counts.num_shards} shards, {counts.num_left_out} left out")
    result.say(f"{out}: {record.num_rows} rows as {format_}, {record.num_files} files, {record.num_bytes} bytes")
    if record.num_left_out:
        messages.say(f"{record.num_left_out} rows are not in it, since their audio cannot be had")
        raise typer.Exit(_EXIT_NOT_WHOLE)


class _Named:
    """Tells of the first rows that are left out."""

    def __init__(self) -> None:
        self._count = 0

    def __call__(self, one: "LeftOut") -> None:
        self._count += 1
        if self._count <= LISTED:
            messages.say(f"{one.segment_id}: left out: {one.detail}")
