"""`fcaps pack`: a corpus that has captions as shards that every command reads."""

from pathlib import Path
from typing import Annotated

import typer

from fcaps_pipeline.cli.console import LISTED, messages, result
from fcaps_pipeline.cli.paths import storable

_EXIT_NOT_WHOLE = 3


def pack(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...", help="Lhotse cuts with captions as FCaps has them: JSONL, plain or .gz, or Shar."
        ),
    ],
    out: Annotated[str, typer.Option(parser=storable, metavar="DIR", help="Folder to fill: a path, s3:// or gs://.")],
    *,
    audio_root: Annotated[
        str | None, typer.Option(metavar="DIR", help="Where relative paths of audio start; default: beside the JSONL.")
    ] = None,
    license_: Annotated[str | None, typer.Option("--license", help="License of the recordings.")] = None,
    corpus: Annotated[str | None, typer.Option(help="Name of the corpus.")] = None,
    by_reference: Annotated[
        bool, typer.Option("--by-reference", help="Let rows refer to their audio, which is read once for checksums.")
    ] = False,
    max_missing: Annotated[int, typer.Option(min=0, help="Recordings that may fail; they are named and counted.")] = 0,
) -> None:
    """Pack a corpus that has captions into shards, to train on, to release or to export."""
    from fcaps_pipeline.release.pack.pack import PackSettings, count_uncaptioned
    from fcaps_pipeline.release.pack.pack import pack as make
    from fcaps_pipeline.storage.path import check_writable

    check_writable(out)
    settings = PackSettings(
        sources=tuple(str(Path(one).absolute()) if "://" not in one else one for one in sources),
        audio_root=audio_root,
        license=license_,
        corpus=corpus,
        by_reference=by_reference,
    )
    named = 0

    def on_missing(text: str) -> None:
        nonlocal named
        named += 1
        if named <= LISTED:
            messages.say(f"missing: {text}")

    totals = make(
        settings,
        out,
        max_missing=max_missing,
        on_missing=on_missing,
        on_unit=lambda commit: messages.say(f"unit {commit.unit_index}: {commit.num_annotations} rows"),
    )
    for granularity, count in count_uncaptioned(out).items():
        if count:
            messages.say(f"{count} of {totals.num_annotations} rows have no {granularity} caption")
    result.say(
        f"{out}: {totals.num_annotations} rows, {totals.annotated_hours:.3f} h, {totals.num_candidates} captions, "
        f"{totals.num_recordings_failed} recordings failed"
    )
    if totals.num_recordings_failed:
        raise typer.Exit(_EXIT_NOT_WHOLE)
