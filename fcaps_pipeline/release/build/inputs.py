"""What a build starts from: sources, the version before, lists, and what of them decides the result.

Enters: a Recipe. Leaves: opened sources, checked; lists of values; a note that tells one build from another.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from fcaps_pipeline.errors import CorruptRunError, JobError, UsageError
from fcaps_pipeline.jobs.resources import resolve_store_path
from fcaps_pipeline.release.compare.versions import version_numbers
from fcaps_pipeline.release.dataset import Dataset, open_dataset
from fcaps_pipeline.release.layout import ParentRelease, ReleaseRecord, ReleaseSource, Removal
from fcaps_pipeline.release.overrides import Override, read_overrides
from fcaps_pipeline.release.recipe import Recipe
from fcaps_pipeline.shards.layout import DatasetIndex
from fcaps_pipeline.shards.schema import version_mismatch
from fcaps_pipeline.shards.tombstones import Tombstones, joined_tombstones

_NOT_OF_SHARDS = ("version", "parent", "card")
"""Keys of a recipe that decide nothing in a shard, so that a build may go on when they change."""


@dataclass(frozen=True)
class TakenBack:
    """What a version is made to be without."""

    tombstones: Tombstones
    """Those of the version before, and what is new."""
    removal: Removal
    digest: str
    """Tells one request from another while the release is in the making."""


@dataclass(frozen=True)
class Inputs:
    """What a recipe names, opened."""

    recipe: Recipe
    datasets: tuple[Dataset, ...]
    parent: Dataset | None
    taken_back: TakenBack | None = None
    """None where a build takes nothing back."""

    @cached_property
    def lists_sha256(self) -> dict[str, str]:
        """Of each list and table that the recipe names, by name; read when it is first asked for."""
        rules = self.recipe
        named = [one.list for one in rules.rows.held_out] + [*rules.splits.lists.values()]
        named += [] if rules.overrides is None else [rules.overrides]
        return {name: hashlib.sha256(resolve_store_path(name).read()).hexdigest() for name in named}

    @property
    def sources(self) -> tuple[ReleaseSource, ...]:
        """What the record says of the sources."""
        named = zip(self.recipe.runs, self.datasets, strict=True)
        return tuple(_source(where, dataset) for where, dataset in named)

    @property
    def parent_release(self) -> ParentRelease | None:
        """What the record says of the version before."""
        if self.parent is None:
            return None
        assert isinstance(self.parent.content, ReleaseRecord)
        before = self.parent.content
        return ParentRelease(name=before.name, version=before.version, release_sha256=self.parent.index_sha256)

    @cached_property
    def overrides(self) -> tuple[Override, ...]:
        """Corrections of captions by people."""
        return () if self.recipe.overrides is None else read_overrides(resolve_store_path(self.recipe.overrides))

    @cached_property
    def tombstones(self) -> Tombstones | None:
        """What was taken back from a source or from the version before, or is now; None where nothing was."""
        if self.taken_back is not None:
            return self.taken_back.tombstones
        before = () if self.parent is None else (self.parent,)
        joined = joined_tombstones(one.tombstones for one in (*before, *self.datasets))
        return None if joined is None else Tombstones(key=joined.key, entries=joined.entries)

    def identity(self) -> dict[str, Any]:
        """What decides the shards of a release."""
        recipe = self.recipe.model_dump(mode="json", exclude=set(_NOT_OF_SHARDS))
        sources = {one.where: one.index_sha256 for one in self.sources}
        return {"recipe": recipe, "sources": sources, "lists": self.lists_sha256, "taken_back": self._fallen()}

    def _fallen(self) -> str | None:
        """Tells what must not be in the release from what another call wants out of it."""
        if self.taken_back is not None:
            return self.taken_back.digest
        fallen = self.tombstones
        return None if fallen is None else hashlib.sha256(fallen.model_dump_json().encode()).hexdigest()

    def values(self, name: str) -> list[str]:
        """The values of a list, one a line.

        Raises:
            UsageError: it holds none, or is no text.
            MissingFileError: there is no such file.
        """
        path = resolve_store_path(name)
        try:
            found = [line.strip() for line in path.read_text().splitlines()]
        except UnicodeDecodeError as error:
            raise UsageError(f"{path} is no text in UTF-8, expected one value a line") from error
        values = list(dict.fromkeys(filter(None, found)))
        if not values:
            raise UsageError(f"{path} holds no value, expected one a line; take it out of the recipe, or fill it")
        return values


def open_inputs(recipe: Recipe) -> Inputs:
    """The sources of a recipe.

    Raises:
        UsageError: one is missing, or stands there twice, or the version does not come after that of the parent.
        CorruptRunError: a run is not finished, damaged, or of another schema version.
    """
    datasets = [open_dataset(resolve_store_path(where)) for where in recipe.runs]
    roots = [dataset.root for dataset in datasets]
    for where, root in zip(recipe.runs, roots, strict=True):
        if roots.count(root) > 1:
            raise JobError(f"runs: {where} stands there twice; name each run once")
    for dataset in datasets:
        _check_version(dataset)
    parent = None if recipe.parent is None else open_dataset(resolve_store_path(recipe.parent))
    if parent is not None and parent.kind != "release":
        raise JobError(f"parent: {recipe.parent} is a run, expected the folder of the release before")
    inputs = Inputs(recipe, tuple(datasets), parent)
    before = inputs.parent_release
    if before is not None and version_numbers(recipe.version) <= version_numbers(before.version):
        raise JobError(
            f"version: {recipe.version} does not come after {before.version} of the parent; give a higher one"
        )
    return inputs


def _check_version(dataset: Dataset) -> None:
    for table, found in dataset.content.schema_versions.items():
        if mismatch := version_mismatch(table, found):
            raise CorruptRunError(f"{dataset.root} {mismatch}")


def _source(where: str, dataset: Dataset) -> ReleaseSource:
    job = dataset.content.job_sha256 if isinstance(dataset.content, DatasetIndex) else None
    return ReleaseSource(
        where=where,
        kind=dataset.kind,
        index_sha256=dataset.index_sha256,
        job_sha256=job,
        fcaps_version=dataset.content.fcaps_version,
    )
