"""Writes `index.json`: one line for each shard, streamed, since a run of many units has hundreds of thousands.

Enters: totals and the committed files. Leaves: the file whose existence says that the dataset is complete. `reader`
reads it back.
"""

from collections.abc import Iterable, Iterator

from fcaps_pipeline import __version__
from fcaps_pipeline.shards.layout import DatasetIndex, RunLayout, ShardFile, Totals
from fcaps_pipeline.shards.schema import SCHEMA_VERSIONS

_NO_SHARDS = "[]}"


def write_index(
    layout: RunLayout, totals: Totals, files: Iterable[ShardFile], *, job_sha256: str, plan_sha256: str
) -> None:
    """Says that a dataset is complete.

    Args:
        layout: of the run.
        totals: of all units.
        files: of all units, in their order.
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
    layout.index.put_text(_text(index, files))


def _text(index: DatasetIndex, files: Iterable[ShardFile]) -> Iterator[str]:
    yield index.model_dump_json().removesuffix(_NO_SHARDS) + "["
    for number, file in enumerate(files):
        yield f"{',' if number else ''}\n{file.model_dump_json()}"
    yield "]}\n"
