"""`fcaps release diff`."""

from itertools import groupby, islice
from pathlib import Path
from tempfile import gettempdir
from typing import TYPE_CHECKING, Annotated

import typer

from fcaps_pipeline.cli.console import LISTED, messages, result
from fcaps_pipeline.cli.paths import storable, writable

if TYPE_CHECKING:
    from fcaps_pipeline.release.compare.differences import Differences, Example

_SHOWN_OF_A_CLASS = 2
"""Changes shown on a terminal; the files have more."""

Dataset = Annotated[str, typer.Argument(parser=storable, help="A finished run or a release.")]


def diff(
    a: Dataset,
    b: Dataset,
    *,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    markdown: Annotated[
        str | None, typer.Option(parser=writable, metavar="FILE", help="Write it as Markdown, too.")
    ] = None,
    page: Annotated[
        str | None, typer.Option(parser=writable, metavar="FILE", help="Write it as one HTML page, too.")
    ] = None,
) -> None:
    """Show what became different from A to B, and the version it asks for; exit 3 if rows vanished without a reason."""
    from fcaps_pipeline.release.compare.compare import compare
    from fcaps_pipeline.release.compare.page import page as as_page
    from fcaps_pipeline.release.compare.report import markdown as as_markdown
    from fcaps_pipeline.release.dataset import open_dataset
    from fcaps_pipeline.storage.path import store_path

    found = compare(open_dataset(a), open_dataset(b), Path(gettempdir()), messages.say)
    for where, written in ((markdown, as_markdown), (page, as_page)):
        if where is not None:
            store_path(where).put(written(found))
    if json:
        result.print_json(found.model_dump_json())
    else:
        _print(found)
    if found.num_unexplained:
        raise typer.Exit(3)


def _print(found: "Differences") -> None:
    from rich.table import Table

    from fcaps_pipeline.release.compare.report import facts, sections

    for section in sections(found):
        table = Table(*section.header)
        for row in section.rows[:LISTED]:
            table.add_row(*row)
        result.say(section.title)
        result.show(table)
        if len(section.rows) > LISTED:
            result.say(f"and {len(section.rows) - LISTED} more, which --page, --markdown and --json have")
    for _, examples in groupby(found.examples, key=lambda one: one.change):
        for example in islice(examples, _SHOWN_OF_A_CLASS):
            _print_example(example)
    for line in facts(found):
        result.say(line)


def _print_example(example: "Example") -> None:
    result.say(": ".join(filter(None, (example.change, example.segment_id, "; ".join(example.what)))))
    for side, captions in (("A", example.captions_a), ("B", example.captions_b)):
        for text in captions:
            result.say(f"  {side}: {text}")
