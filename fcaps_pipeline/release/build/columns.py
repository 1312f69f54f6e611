"""Which columns a release may leave out."""

from fcaps_pipeline.errors import JobError
from fcaps_pipeline.release.recipe import Recipe
from fcaps_pipeline.shards.schema import COLUMNS

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
