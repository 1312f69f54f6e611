"""`fcaps status`, `verify`, `show` and `schema`."""

from pathlib import Path
from typing import Annotated

import typer

from fcaps_pipeline.cli.console import messages, result

Run = Annotated[Path, typer.Argument(help="Run folder of `fcaps annotate`.")]


def status(run: Run) -> None:
    """Show how far a run is."""
    from fcaps_pipeline.annotate.run.inspection import status as read_status
    from fcaps_pipeline.cli.tables import print_status
    from fcaps_pipeline.shards.run_folder import existing

    print_status(result, read_status(existing(run)))


def verify(run: Run) -> None:
    """Read every shard again: checksums, schemas, accounting."""
    from fcaps_pipeline.annotate.run.inspection import verify as check
    from fcaps_pipeline.shards.run_folder import existing

    num_files = num_rows = 0
    for file in check(existing(run)):
        num_files += 1
        num_rows += file.num_rows
        messages.print(f"sound: {file.path}, {file.num_rows} rows")
    result.print(f"{num_files} files with {num_rows} rows are sound; every Segment is accounted for once")


def show(
    run: Run,
    segment_id: Annotated[
        str | None, typer.Argument(help="Segment to show whole; default: list the first ones.")
    ] = None,
) -> None:
    """Show caption cards of a run."""
    from fcaps_pipeline.annotate.run.inspection import find
    from fcaps_pipeline.cli.tables import print_card, print_segments
    from fcaps_pipeline.shards.run_folder import existing

    layout = existing(run)
    if segment_id is None:
        print_segments(result, layout)
    else:
        print_card(result, find(layout, segment_id))


def schema(
    check: Annotated[bool, typer.Option("--check", help="Only compare; fail where a file differs.")] = False,  # noqa: FBT002
) -> None:
    """Write `schemas/*.json` from the pydantic models, or check that they are up to date."""
    from fcaps_pipeline.cli.schemas import check_schemas, write_schemas

    if check:
        check_schemas()
        result.print("schemas/ is up to date")
    else:
        for path in write_schemas():
            result.print(f"wrote {path}")
