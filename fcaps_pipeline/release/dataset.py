"""A finished run or a release as one thing to read: parts that hold the files of each table.

Enters: a path or URI. Leaves: its parts, in order. Everything that takes either, exports, comparisons, removal and
training, reads it here; what is in the files is read with `shards.reader`.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import Literal

from pydantic import ValidationError

from fcaps_pipeline.errors import CorruptRunError, UsageError
from fcaps_pipeline.release.layout import RELEASED_TABLES, ReleaseLayout, ReleaseRecord, ReleaseShard
from fcaps_pipeline.shards.layout import DatasetIndex, RunLayout, ShardFile, Table
from fcaps_pipeline.shards.reader import read_index, read_json
from fcaps_pipeline.shards.schema import SCHEMA_VERSIONS, version_mismatch
from fcaps_pipeline.shards.tombstones import Tombstones, read_tombstones, refuse_unfinished
from fcaps_pipeline.storage.path import StorePath, Where, store_path

_PART = re.compile(r"[^/]+/(?P<name>unit-\d+|.+-\d+)")
"""Files of one unit of a run, and those of one number in a split, are called alike in each table."""


@dataclass(frozen=True)
class Part:
    """The files of a unit of a run, or of one number in a split of a release."""

    name: str
    split: str | None
    """None in a run."""
    files: dict[Table, ShardFile]


@dataclass(frozen=True)
class Dataset:
    """A finished run or a release."""

    root: StorePath
    kind: Literal["run", "release"]
    content: DatasetIndex | ReleaseRecord
    """What its index says; a `ReleaseRecord` where it is a release."""
    index_sha256: str

    @cached_property
    def tombstones(self) -> Tombstones | None:
        """What was taken back and must not return; None where nothing was."""
        return read_tombstones(self.root / "tombstones.json")

    def parts(self) -> Iterator[Part]:
        """Its parts, in order.

        Raises:
            CorruptRunError: the index names files as no version of this package does.
        """
        for name, files in groupby(self.content.shards, _part_name):
            of_part = list(files)
            split = of_part[0].split if isinstance(of_part[0], ReleaseShard) else None
            yield Part(name, split, {file.table: file for file in of_part})


def index_of(where: Where) -> StorePath:
    """The file whose existence says that a run or a release is whole."""
    release = ReleaseLayout(where).record
    return release if release.exists() else RunLayout(where).index


def is_dataset(where: Where) -> bool:
    """Whether a run or a release is there, finished or not, whatever else of it is gone."""
    run = RunLayout(where)
    return index_of(where).exists() or run.job.exists() or next(run.commits.list(), None) is not None


def open_dataset(where: Where) -> Dataset:
    """The run or release at a place.

    Raises:
        UsageError: there is neither.
        CorruptRunError: it is not finished, damaged, or of another schema version, or a removal was begun there and not
            finished.
    """
    run, release = RunLayout(where), ReleaseLayout(where)
    if release.record.exists():
        return Dataset(release.root, "release", read_release(where), _sha256(release.record))
    if not is_dataset(where):
        raise UsageError(
            f"{run.root} is neither a run nor a release: it has no index.json and no release.json; give the --out "
            "folder of `fcaps annotate` or of `fcaps release build`"
        )
    refuse_unfinished(run.tombstones)
    index = read_index(run)
    _require_all_shards(run, index)
    return Dataset(run.root, "run", index, _sha256(run.index))


def refuse_inside(out: StorePath, dataset: Dataset) -> None:
    """Makes sure that what is made of a dataset does not become a part of it.

    Raises:
        UsageError: the folder lies in that of the dataset.
    """
    if str(out).startswith(f"{dataset.root}/"):
        raise UsageError(
            f"{out} lies inside the {dataset.kind} {dataset.root}, which it is made from; choose another --out"
        )


def read_release(where: Where) -> ReleaseRecord:
    """What `release.json` says.

    Raises:
        UsageError: there is none.
        CorruptRunError: it is unreadable, or of another schema version.
    """
    path = ReleaseLayout(where).record
    content = read_json(path)
    if content is None:
        raise UsageError(
            f"{store_path(where)} is not a release: it has no release.json; run its `fcaps release build` (again), or "
            "give the folder that it wrote"
        )
    versions = content.get("schema_versions") if isinstance(content, dict) else None
    versions = versions if isinstance(versions, dict) else {}
    for table in RELEASED_TABLES:
        found = versions.get(table, SCHEMA_VERSIONS[table])
        if isinstance(found, int) and (mismatch := version_mismatch(table, found)) is not None:
            raise CorruptRunError(f"{path} {mismatch}")
    try:
        return ReleaseRecord.model_validate(content)
    except ValidationError as error:
        raise CorruptRunError(
            f"{path} is not a release record of this version ({error.error_count()} mistakes); restore it from a copy"
        ) from error


def _require_all_shards(run: RunLayout, index: DatasetIndex) -> None:
    """The shards of an index hold as many rows as it says."""
    found = sum(file.num_rows for file in index.shards if file.table == "data")
    if found != index.totals.num_annotations:
        raise CorruptRunError(
            f"{run.index} names shards with {found} rows of data, but its totals say {index.totals.num_annotations}; "
            f"restore it from a copy, `fcaps verify {run.root}` compares it with the commit records"
        )


def _part_name(file: ShardFile) -> str:
    found = _PART.match(file.path)
    if found is None:
        raise CorruptRunError(f"{file.path} is no name of a shard; restore the index from a copy")
    return found["name"]


def _sha256(path: StorePath) -> str:
    return hashlib.sha256(path.read()).hexdigest()
