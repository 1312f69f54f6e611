"""Writes `index.json`: one line for each shard, streamed, since a run of many units has hundreds of thousands.

Enters: totals and what is to be said of each file. Leaves: the file whose existence says that the dataset is complete.
`reader` reads it back.
"""

from collections.abc import Iterable, Iterator

from fcaps_pipeline import __version__
from fcaps_pipeline.shards.layout import DatasetIndex, RunLayout, Totals, UnitCommit
from fcaps_pipeline.shards.schema import SCHEMA_VERSIONS

INDEX_BEGIN, INDEX_END = "[", "]}"
"""How the line before those of the shards ends, and what stands behind the last of them."""


def index_lines(commit: UnitCommit) -> list[str]:
    """What the index says of the files of a unit; of a large run it takes a quarter of the memory of its records."""
    return [file.model_dump_json() for file in commit.files]


def write_index(layout: RunLayout, totals: Totals, lines: Iterable[str], *, job_sha256: str, plan_sha256: str) -> None:
    """Says that a dataset is complete.

    Args:
        layout: of the run.
        totals: of all units.
        lines: of all units, in their order; see `index_lines`.
        job_sha256: of the job that decided it.
        plan_sha256: of the plan that decided its units.

    Raises:
        OutputError: the run folder cannot be written.
    """
    index = DatasetIndex(
        schema_versions=SCHEMA_VERSIONS,
        fcaps_version=__version__,
        job_sha256=job_sha256,
        plan_sha256=plan_sha256,
        totals=totals,
        shards=(),
    )
    layout.index.put_text(_text(index, lines))


def _text(index: DatasetIndex, lines: Iterable[str]) -> Iterator[str]:
    yield index.model_dump_json().removesuffix(INDEX_BEGIN + INDEX_END) + INDEX_BEGIN
    for number, line in enumerate(lines):
        yield f"{',' if number else ''}\n{line}"
    yield f"{INDEX_END}\n"
