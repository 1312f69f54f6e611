"""`fcaps audio`: the sound of rows that refer to it."""

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer

from fcaps_pipeline.cli.console import messages, result
from fcaps_pipeline.cli.status import Run

if TYPE_CHECKING:
    from fcaps_pipeline.annotate.run.attachment import CheckedRow

app = typer.Typer(no_args_is_help=True)
_EXIT_NOT_WHOLE = 3
_MAX_NAMED = 20


@app.command()
def verify(run: Run) -> None:
    """Compare the samples that rows refer to with what was recorded of them."""
    from fcaps_pipeline.annotate.run.attachment import check_audio
    from fcaps_pipeline.shards.run_folder import existing

    _report(check_audio(existing(run)))


@app.command()
def attach(run: Run) -> None:
    """Put the samples that rows refer to into the rows, where they are as recorded."""
    from fcaps_pipeline.annotate.run.attachment import attach_audio
    from fcaps_pipeline.jobs.annotate_job import ShardConfig
    from fcaps_pipeline.shards.run_folder import existing

    _report(attach_audio(existing(run), ShardConfig().row_group_bytes))


def _report(checked: "Iterator[CheckedRow]") -> None:
    from fcaps_pipeline.annotate.run.attachment import AudioState

    counts: Counter[AudioState] = Counter()
    for one in checked:
        counts[one.state] += 1
        is_wrong = one.state in (AudioState.MISSING, AudioState.DIFFERENT)
        if is_wrong and counts[AudioState.MISSING] + counts[AudioState.DIFFERENT] <= _MAX_NAMED:
            messages.say(f"{one.row['segment_id']}: {one.state.value}: {one.detail}")
    result.say(f"{counts.total()} rows: " + ", ".join(f"{counts[state]} {state.value}" for state in AudioState))
    if counts[AudioState.MISSING] + counts[AudioState.DIFFERENT]:
        raise typer.Exit(_EXIT_NOT_WHOLE)
