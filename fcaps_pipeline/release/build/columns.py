"""Which columns a release may leave out, and whether its rows can hold their samples."""

from typing import TYPE_CHECKING

from fcaps_pipeline.errors import JobError, UsageError
from fcaps_pipeline.release.build.inputs import Inputs
from fcaps_pipeline.release.database import fetch_rows
from fcaps_pipeline.release.recipe import Recipe
from fcaps_pipeline.shards.schema import COLUMNS

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_READ = frozenset(
    {
        "audio",
        "start_samples",
        "end_samples",
        "channel",
        "num_channels",
        "duration_s",
        "speaker",
        "language",
        "license",
        "split",
        "tags",
        "global_captions",
        "fine_captions",
        "captions",
        "events",
    }
)
"""Columns beside those that no row goes without of which training, comparing, exporting or checking makes use."""


def check_columns(recipe: Recipe) -> None:
    """Makes sure that readers miss nothing.

    Raises:
        JobError: a column is needed, or there is none of that name.
    """
    columns = {column.name: column for column in COLUMNS["data"]}
    for name in recipe.without_columns:
        if name not in columns:
            raise JobError(f"without_columns: {name} is no column of data; the README of shards/ lists them")
        if name in _READ or not columns[name].nullable:
            hint = "set `audio: reference` to leave out the samples" if name == "audio" else "keep it"
            raise JobError(f"without_columns: readers of releases need {name}; {hint}")


def require_audio(database: "DuckDBPyConnection", inputs: Inputs) -> None:
    """Makes sure that rows which are to hold their samples have them.

    Raises:
        UsageError: naming the first source that only refers to audio.
    """
    if inputs.recipe.audio == "reference":
        return
    found = fetch_rows(
        database,
        "SELECT dataset, count(*) FROM taken WHERE NOT is_embedded GROUP BY dataset ORDER BY dataset LIMIT 1",
    )
    for dataset, num_rows in found:
        run = inputs.recipe.runs[dataset]
        raise UsageError(
            f"{num_rows} rows of {run} only refer to their audio, and the release is to hold it; put it into them with "
            f"`fcaps audio attach {run}`, or set `audio: reference`"
        )
