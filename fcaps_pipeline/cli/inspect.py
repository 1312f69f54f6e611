"""`fcaps verify`, `show` and `schema`."""

import json
from contextlib import nullcontext
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from fcaps_pipeline.cli.console import LISTED, messages, result
from fcaps_pipeline.cli.paths import storable
from fcaps_pipeline.cli.release.check import is_release, verify_release
from fcaps_pipeline.cli.status import Run
from fcaps_pipeline.errors import OutputError, UsageError

if TYPE_CHECKING:
    from fcaps_pipeline.shards.layout import Table


def verify(
    run: Annotated[
        str,
        typer.Argument(parser=storable, metavar="RUN|RELEASE", help="Run folder of `fcaps annotate`, or a release."),
    ],
    *,
    orphans: Annotated[
        bool, typer.Option("--orphans", help="Remove files that writers left who never came to their commit.")
    ] = False,
) -> None:
    """Read every shard again: checksums, schemas, accounting; of a release splits, captions and descriptions, too."""
    if is_release(run):
        if orphans:
            raise UsageError(f"{run} is a release, in which no writer leaves files; --orphans is for runs")
        verify_release(run)
        return
    from fcaps_pipeline.annotate.run.soundness import drop_orphans, keep_verified, strays
    from fcaps_pipeline.annotate.run.soundness import verify as check
    from fcaps_pipeline.shards.run_folder import existing
    from fcaps_pipeline.storage.lease import held

    layout = existing(run)
    sound, num_rows = set[str](), 0
    # A file that is still on its way to its commit looks like an orphan.
    with held(layout.root, "working in") if orphans else nullcontext():
        for file in check(layout):
            sound.add(file.path)
            num_rows += file.num_rows
            messages.say(f"sound: {file.path}, {file.num_rows} rows")
        for name in drop_orphans(layout, sound) if orphans else ():
            messages.say(f"removed: {name}, which belongs to no unit")
    for name in strays(layout):
        messages.say(f"stray: {name} belongs to no unit; readers go by index.json, remove it")
    try:
        keep_verified(layout)
    except OutputError as error:
        messages.say(f"the result is not kept: {error}")
    result.say(f"{len(sound)} files with {num_rows} rows are sound; every Segment is accounted for once")


def show(
    run: Run,
    segment_id: Annotated[
        str | None, typer.Argument(help="Segment to show whole; default: list the first ones.")
    ] = None,
    *,
    limit: Annotated[
        int | None, typer.Option(min=1, help=f"Lines to list; by default {LISTED}, with --json all.")
    ] = None,
    rejected: Annotated[bool, typer.Option("--rejected", help="List what was rejected.")] = False,
    failed: Annotated[bool, typer.Option("--failed", help="List what could not be read or asked about.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")] = False,
) -> None:
    """Show caption cards of a run."""
    from fcaps_pipeline.annotate.run.inspection import find, lines
    from fcaps_pipeline.cli.segments import print_card, print_segments
    from fcaps_pipeline.shards.run_folder import existing

    layout = existing(run)
    if segment_id is not None:
        row = find(layout, segment_id)
        if as_json:
            _print_json(row)
        else:
            print_card(result, row)
        return
    asked: dict[Table, bool] = {"rejections": rejected, "failures": failed}
    tables = [table for table, is_asked in asked.items() if is_asked]
    listed = lines(layout, tables) if tables else lines(layout)
    if as_json:
        for line in islice(listed, limit):
            _print_json(line.model_dump(mode="json"))
    else:
        print_segments(result, listed, limit or LISTED, "--limit N lists more, a segment's id shows it whole")


def _print_json(content: object) -> None:
    result.print(json.dumps(content, ensure_ascii=False, default=str), soft_wrap=True)


def schema(
    check: Annotated[bool, typer.Option("--check", help="Only compare; fail where a file differs.")] = False,  # noqa: FBT002
) -> None:
    """Write `schemas/*.json` and the columns in the README of the shards, or check that they are up to date."""
    from fcaps_pipeline.cli.column_page import check_column_page, write_column_page
    from fcaps_pipeline.cli.schemas import check_schemas, write_schemas

    if check:
        check_schemas()
        check_column_page()
        result.say("schemas/ and the columns of the shards are up to date")
    else:
        for path in (*write_schemas(), write_column_page()):
            result.say(f"wrote {path}")
