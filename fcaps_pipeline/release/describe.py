"""Writes all that a release says of itself: figures, pictures, card, changes, `croissant.json`.

Enters: a release whose shards are written, and what `release.json` is going to say. Leaves: the files beside the
shards, with the records that `release.json` names them by. The same shards give the same bytes.
"""

import hashlib

from fcaps_pipeline.jobs.resources import resolve_store_path
from fcaps_pipeline.release.card import card_text
from fcaps_pipeline.release.changes import changes_text
from fcaps_pipeline.release.compare.differences import Differences
from fcaps_pipeline.release.croissant import croissant_text
from fcaps_pipeline.release.figures import draw_figures
from fcaps_pipeline.release.layout import ReleaseFile, ReleaseLayout, ReleaseRecord
from fcaps_pipeline.release.recipe import Recipe
from fcaps_pipeline.release.statistics import Statistics, measure


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
    statistics = measure(layout, draft)
    contents = {
        **descriptions(layout, recipe, draft, statistics),
        layout.changes.name: changes_text(draft, differences, _former_changes(recipe)).encode(),
        **{f"{layout.figures.name}/{name}.png": drawn for name, drawn in draw_figures(statistics).items()},
    }
    return tuple(_written(layout, name, content) for name, content in sorted(contents.items()))


def descriptions(
    layout: ReleaseLayout, recipe: Recipe, record: ReleaseRecord, statistics: Statistics
) -> dict[str, bytes]:
    """Files that follow from the shards alone, to the byte: who checks a release makes them again.

    Raises:
        CorruptRunError: a shard is missing or damaged.
    """
    return {
        layout.statistics.name: (statistics.model_dump_json(indent=1) + "\n").encode(),
        layout.card.name: card_text(layout, recipe, record, statistics).encode(),
        layout.croissant.name: croissant_text(layout, recipe, record, statistics).encode(),
    }


def _former_changes(recipe: Recipe) -> str | None:
    if recipe.parent is None:
        return None
    page = ReleaseLayout(resolve_store_path(recipe.parent)).changes
    return page.read_text() if page.exists() else None


def _written(layout: ReleaseLayout, name: str, content: bytes) -> ReleaseFile:
    (layout.root / name).put(content)
    return ReleaseFile(path=name, num_bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
