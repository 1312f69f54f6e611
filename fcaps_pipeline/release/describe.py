"""Writes all that a release says of itself: figures, pictures, card, changes, `croissant.json`.

Enters: a release whose shards are written, and what `release.json` is going to say. Leaves: the files beside the
shards, with the records that `release.json` names them by. The same shards give the same bytes.
"""

import hashlib
from collections.abc import Iterator

from fcaps_pipeline.release.compare.differences import Differences
from fcaps_pipeline.release.layout import ReleaseFile, ReleaseLayout, ReleaseRecord
from fcaps_pipeline.release.recipe import Recipe
from fcaps_pipeline.release.statistics import measure


def describe(
    layout: ReleaseLayout, recipe: Recipe, draft: ReleaseRecord, differences: Differences | None = None
) -> tuple[ReleaseFile, ...]:
    """Writes every file of a release that is made from its shards.

    Args:
        layout: of the release, whose shards lie where they will stay.
        recipe: what it was made from.
        draft: the record to be, with shards and the files of `excluded`, but without the files written here.
        differences: from its parent; None where it has none.

    Returns:
        What `release.json` says of the files written here, in order of their names.

    Raises:
        CorruptRunError: a shard is missing or damaged.
        OutputError: the folder cannot be written.
        DependencyError: a library of the extra `release` cannot be imported.
    """
    return tuple(_written(layout, name, content) for name, content in sorted(_contents(layout, recipe, draft)))


def _contents(layout: ReleaseLayout, recipe: Recipe, draft: ReleaseRecord) -> Iterator[tuple[str, bytes]]:
    statistics = measure(layout, draft.shards)
    yield layout.statistics.name, (statistics.model_dump_json(indent=1) + "\n").encode()


def _written(layout: ReleaseLayout, name: str, content: bytes) -> ReleaseFile:
    (layout.root / name).put(content)
    return ReleaseFile(path=name, num_bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
