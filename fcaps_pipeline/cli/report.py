"""`fcaps report`."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from fcaps_pipeline.cli.console import result
from fcaps_pipeline.cli.paths import storable
from fcaps_pipeline.cli.release.check import is_release

if TYPE_CHECKING:
    from fcaps_pipeline.shards.schema import Row


def report(
    run: Annotated[
        str, typer.Argument(parser=storable, metavar="RUN|RELEASE", help="Folder of `fcaps annotate`, or a release.")
    ],
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,  # noqa: FBT002
) -> None:
    """Show what captions have in common: worn-out phrases, leaked values, doubles, changing speakers."""
    from rich.table import Table

    from fcaps_pipeline.annotate.run.corpus_report import COLUMNS, report_corpus

    found = report_corpus(_rows(run, COLUMNS))
    if json:
        result.print_json(found.model_dump_json())
        return
    table = Table("word", "per 1000 captions", "phrase", "per 1000 captions")
    for index in range(max(len(found.words), len(found.phrases))):
        cells = [
            cell
            for listed in (found.words, found.phrases)
            for cell in ((listed[index].text, f"{listed[index].per_thousand:.0f}") if index < len(listed) else ("", ""))
        ]
        table.add_row(*cells)
    result.show(table)
    result.say(f"{found.num_captions} captions, {found.num_repeated} of them stand before word for word")
    values = f": {', '.join(found.tool_values)}" if found.tool_values else ""
    result.say(f"{found.num_with_tool_values} captions with values of tools{values}")
    changing = ", ".join(f"{count} in {name.replace('_', ' ')}" for name, count in found.disagreeing_speakers.items())
    result.say(f"{found.num_speakers} named speakers, described differently over their segments: {changing}")


def _rows(where: str, columns: list[str]) -> "Iterator[Row]":
    """Rows of `data`."""
    if not is_release(where):
        from fcaps_pipeline.shards.reader import read_rows
        from fcaps_pipeline.shards.run_folder import existing

        yield from read_rows(existing(where), "data", columns)
        return
    from fcaps_pipeline.release.columns import read_columns
    from fcaps_pipeline.release.dataset import read_release
    from fcaps_pipeline.release.layout import ReleaseLayout

    for shard in read_release(where).shards:
        if shard.table == "data":
            for table in read_columns(ReleaseLayout(where), shard, columns):
                yield from table.to_pylist()
