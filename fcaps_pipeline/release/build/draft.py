"""What `release.json` is going to say of rows, sources and shards.

Enters: the tables of a build, and what was written. Leaves: the record, and `tombstones.json` beside it.
"""

import hashlib
from typing import TYPE_CHECKING

from fcaps_pipeline import __version__
from fcaps_pipeline.errors import AccountingError
from fcaps_pipeline.release.build.division import split_names
from fcaps_pipeline.release.build.excluded import count_excluded
from fcaps_pipeline.release.build.inputs import Inputs
from fcaps_pipeline.release.build.taken_back import taken_back_since
from fcaps_pipeline.release.build.writing import WrittenShard
from fcaps_pipeline.release.database import fetch_rows
from fcaps_pipeline.release.layout import ReleaseFile, ReleaseLayout, ReleaseRecord, Removal, SplitSums
from fcaps_pipeline.release.writers import writers_of_sources
from fcaps_pipeline.shards.schema import SCHEMA_VERSIONS
from fcaps_pipeline.shards.tombstones import write_tombstones

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def draft_record(
    database: "DuckDBPyConnection",
    layout: ReleaseLayout,
    inputs: Inputs,
    written: list[WrittenShard],
    files: list[ReleaseFile],
) -> ReleaseRecord:
    """The record of a release whose rows are written; files that describe it are still to come.

    Raises:
        OutputError: the list of what was taken back cannot be written.
        CorruptRunError: a file of the version before, or of a source, is missing or damaged.
    """
    _account(database, written)
    recipe, parent = inputs.recipe, inputs.parent
    before: tuple[Removal, ...] = ()
    if parent is not None and isinstance(parent.content, ReleaseRecord):
        before = parent.content.removals
    shards = tuple(file for one in written for file in one.files)
    return ReleaseRecord(
        name=recipe.name,
        version=recipe.version,
        fcaps_version=__version__,
        schema_versions={table: SCHEMA_VERSIONS[table] for table in ("data", "candidates")},
        parent=inputs.parent_release,
        recipe=recipe.model_dump(mode="json"),
        sources=inputs.sources,
        lists_sha256=inputs.lists_sha256,
        splits=_sums(database, written, split_names(inputs)),
        num_excluded=count_excluded(database),
        removals=(*before, *(taken_back_since(inputs) if inputs.taken_back is None else [inputs.taken_back.removal])),
        tombstones_sha256=_bury(layout, inputs),
        writers=() if recipe.candidates else writers_of_sources(layout, shards, inputs.datasets),
        shards=shards,
        files=tuple(files),
    )


def _account(database: "DuckDBPyConnection", written: list[WrittenShard]) -> None:
    """Every row of the sources is either left out, once, or written."""
    ((num_rows, num_gone, num_left_out),) = fetch_rows(
        database,
        "SELECT (SELECT count(*) FROM rows), (SELECT count(*) FROM gone), (SELECT count(DISTINCT position) FROM gone)",
    )
    num_written = sum(one.data.num_rows for one in written)
    if num_gone != num_left_out or num_rows != num_left_out + num_written:
        raise AccountingError(
            f"the sources have {num_rows} rows, of which {num_written} were written and {num_left_out} left out for "
            f"{num_gone} reasons; nothing of it is a release, please report this defect"
        )


def _bury(layout: ReleaseLayout, inputs: Inputs) -> str | None:
    """Writes what was taken back and must not return; its sha256."""
    if inputs.tombstones is None:
        return None
    write_tombstones(layout.tombstones, inputs.tombstones)
    return hashlib.sha256(layout.tombstones.read()).hexdigest()


def _sums(database: "DuckDBPyConnection", written: list[WrittenShard], names: list[str]) -> dict[str, SplitSums]:
    found = fetch_rows(
        database,
        "SELECT split, count(*), count(DISTINCT recording_id), count(DISTINCT speaker), sum(duration_s) "
        "FROM taken JOIN divided USING (position) GROUP BY split",
    )
    sums = {}
    for split, num_rows, num_recordings, num_speakers, duration_s in sorted(found, key=lambda row: names.index(row[0])):
        own = [one for one in written if one.data.split == split]
        sums[split] = SplitSums(
            num_rows=num_rows,
            num_recordings=num_recordings,
            num_speakers=num_speakers,
            duration_s=round(duration_s or 0.0, 3),
            num_global_captions=sum(one.num_global_captions for one in own),
            num_fine_captions=sum(one.num_fine_captions for one in own),
        )
    return sums
