"""Builds a release: rows are selected and divided, shards written, the record last.

Enters: a Recipe and a folder. Leaves: the release, whose `release.json` says that it is done. The same call after an
end in the middle goes on where it was; what is done is never changed.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fcaps_pipeline.errors import UsageError
from fcaps_pipeline.release.build.captions import check_patterns
from fcaps_pipeline.release.build.columns import check_columns
from fcaps_pipeline.release.build.division import divide, split_names
from fcaps_pipeline.release.build.draft import draft_record
from fcaps_pipeline.release.build.excluded import write_excluded
from fcaps_pipeline.release.build.inputs import Inputs, TakenBack, open_inputs
from fcaps_pipeline.release.build.loading import load_rows
from fcaps_pipeline.release.build.revision import Revision
from fcaps_pipeline.release.build.selection import select
from fcaps_pipeline.release.build.shard_plan import PlannedShard, plan_shards, rows_of
from fcaps_pipeline.release.build.workplace import Workplace
from fcaps_pipeline.release.build.writing import ShardWriter, WrittenShard
from fcaps_pipeline.release.compare.compare import compare
from fcaps_pipeline.release.compare.differences import Differences
from fcaps_pipeline.release.compare.versions import check_version
from fcaps_pipeline.release.database import opened_database
from fcaps_pipeline.release.dataset import Dataset, read_release, refuse_inside
from fcaps_pipeline.release.describe import describe
from fcaps_pipeline.release.figures import check_drawing
from fcaps_pipeline.release.layout import ReleaseLayout, ReleaseRecord
from fcaps_pipeline.release.recipe import Recipe
from fcaps_pipeline.storage.lease import Lease, held
from fcaps_pipeline.storage.path import Where

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_WRITERS = 2


@dataclass(frozen=True)
class Listener:
    """Who is told how a build goes."""

    on_remark: Callable[[str], None] = lambda _: None
    """What deserves to be said, one line each."""
    on_shard: Callable[[int, int], None] = lambda _done, _all: None
    """How many shards are done, of how many."""


@dataclass(frozen=True)
class Built:
    """What a call came to."""

    record: ReleaseRecord
    is_new: bool
    """False where the release was there before."""


def build_release(
    recipe: Recipe, out: Where, listener: Listener = Listener(), taken_back: TakenBack | None = None
) -> Built:
    """Makes a release, or goes on with one.

    Args:
        recipe: what it is made of.
        out: its folder; created where it is missing.
        listener: told how it goes.
        taken_back: what it is made to be without; None where nothing is taken back.

    Raises:
        JobError: the recipe asks for what cannot be, or the folder holds a release of another.
        UsageError: the folder holds something else, another process works in it, no row is left, or the version is too
            low for what became different since the one before.
        CorruptRunError: a source is unfinished, damaged, or contradicts another.
        OutputError: the folder cannot be written, for instance because the disk is full.
        DependencyError: a package for releases is not installed.
    """
    layout = ReleaseLayout(out)
    check_columns(recipe)
    check_patterns(recipe.rows.captions)
    inputs = replace(open_inputs(recipe), taken_back=taken_back)
    for source in (*inputs.datasets, *filter(None, [inputs.parent])):
        refuse_inside(layout.root, source)
    workplace = Workplace(layout)
    if layout.record.exists():
        record = _same_release(layout, inputs)
        workplace.clear()  # of a call that ended right behind the record
        return Built(record, is_new=False)
    check_drawing()
    with held(layout.root, "building", listener.on_remark) as lease:
        workplace.claim(inputs.identity())
        with workplace.forgotten_if_nothing(), opened_database(workplace.scratch) as database:
            draft = _build(database, layout, workplace, inputs, listener, lease)
        described = describe(layout, recipe, draft, _differences(layout, workplace, inputs, draft))
        record = draft.model_copy(update={"files": (*draft.files, *described)})
        lease.check()
        if not layout.record.put_if_absent(record.model_dump_json(indent=1) + "\n"):
            raise UsageError(f"{layout.record} was written by somebody else meanwhile; choose another --out")
        workplace.clear()
    return Built(record, is_new=True)


def _build(
    database: "DuckDBPyConnection",
    layout: ReleaseLayout,
    workplace: Workplace,
    inputs: Inputs,
    listener: Listener,
    lease: Lease,
) -> ReleaseRecord:
    """Writes the rows of a release; its record, without the files that describe it."""
    revision = Revision(inputs.recipe.rows.captions, inputs.overrides)
    parts = load_rows(database, inputs, revision)
    remarks = [*select(database, inputs), *divide(database, inputs)]
    for remark in remarks:
        listener.on_remark(remark)
    planned = plan_shards(database, inputs.recipe, split_names(inputs))
    writer = ShardWriter(layout, workplace.scratch, inputs, parts, revision)
    written = []
    for one in _written(database, workplace, writer, inputs.recipe, planned):
        lease.check()
        written.append(one)
        listener.on_shard(len(written), len(planned))
    files = write_excluded(database, layout, workplace.scratch)
    return draft_record(database, layout, inputs, written, files)


def _written(
    database: "DuckDBPyConnection",
    workplace: Workplace,
    writer: ShardWriter,
    recipe: Recipe,
    planned: list[PlannedShard],
) -> Iterator[WrittenShard]:
    """Shards in order, those that are done already as they are; a few are written at a time."""

    def write(shard: PlannedShard) -> WrittenShard:
        if (done := workplace.done(shard)) is not None:
            return done
        with database.cursor() as cursor:
            rows = rows_of(cursor, recipe, shard)
        written = writer.write(shard, rows)
        workplace.finish(shard, written)
        return written

    with ThreadPoolExecutor(_WRITERS) as pool:
        try:
            yield from pool.map(write, planned)
        finally:
            pool.shutdown(cancel_futures=True)


def _differences(
    layout: ReleaseLayout, workplace: Workplace, inputs: Inputs, draft: ReleaseRecord
) -> Differences | None:
    """From the version before; None where there is none.

    Raises:
        UsageError: the version is too low for them. What is written stays, and a higher version goes on from it.
    """
    if inputs.parent is None:
        return None
    made = Dataset(layout.root, "release", draft, index_sha256="")
    differences = compare(inputs.parent, made, workplace.scratch)
    check_version(differences, draft.version)
    return differences


def _same_release(layout: ReleaseLayout, inputs: Inputs) -> ReleaseRecord:
    """What is there, if these inputs make it.

    Raises:
        UsageError: they make another.
    """
    record = read_release(layout.root)
    recipe = inputs.recipe.model_dump(mode="json")
    if (record.recipe, record.sources, record.lists_sha256) != (recipe, inputs.sources, inputs.lists_sha256):
        raise UsageError(
            f"{layout.root} holds version {record.version} of {record.name}, made of something else, and a version "
            "once written is never changed; choose another --out, and a version of its own"
        )
    return record
