"""`fcaps report`."""

from typing import Annotated

import typer

from fcaps_pipeline.cli.console import result
from fcaps_pipeline.cli.status import Run


def report(
    run: Run,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,  # noqa: FBT002
) -> None:
    """Show what the captions of a run have in common: worn-out phrases, leaked values, doubles, changing speakers."""
    from rich.table import Table

    from fcaps_pipeline.annotate.run.corpus_report import COLUMNS, report_corpus
    from fcaps_pipeline.shards.reader import read_rows
    from fcaps_pipeline.shards.run_folder import existing

    found = report_corpus(read_rows(existing(run), "data", COLUMNS))
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
