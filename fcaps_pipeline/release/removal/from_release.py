"""The whole of a removal from a release: a new version is built from it, without what falls.

Enters: a release, a request, and a folder. Leaves: the next MAJOR version there, whose parent is the release; rows stay
in their splits, and shards of which nothing falls are the same bytes. What the release before had left out, and why, is
not told again: who spoke there is not known any more.
"""

import hashlib
import hmac
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fcaps_pipeline.errors import UsageError
from fcaps_pipeline.release.build.inputs import TakenBack
from fcaps_pipeline.release.build.release import Listener, build_release
from fcaps_pipeline.release.dataset import Dataset, open_dataset
from fcaps_pipeline.release.layout import ReleaseLayout, ReleaseRecord, Removal
from fcaps_pipeline.release.recipe import Recipe, RowRules, SplitRules
from fcaps_pipeline.release.removal.account import Account
from fcaps_pipeline.release.removal.copies import by_hand
from fcaps_pipeline.release.removal.needles import left_in_release, of_release, of_request, without_shared
from fcaps_pipeline.release.removal.proof import prove
from fcaps_pipeline.release.removal.request import Request
from fcaps_pipeline.release.removal.search import Search
from fcaps_pipeline.shards.layout import Table
from fcaps_pipeline.shards.reader import open_parquet, reading
from fcaps_pipeline.shards.schema import with_all_columns
from fcaps_pipeline.shards.tombstones import COLUMN_OF, KINDS, Kind, Tombstone, Tombstones, no_tombstones
from fcaps_pipeline.storage.path import Where, store_path

_COLUMNS = [COLUMN_OF[kind] for kind in KINDS]


@dataclass
class ReleaseFalling:
    """What of a release falls."""

    segments: set[str] = field(default_factory=set)
    recordings: set[str] = field(default_factory=set)
    """Those of which no row stays."""
    samples: set[str] = field(default_factory=set)
    files: set[str] = field(default_factory=set)
    """Of which no row stays."""
    num_rows: Counter[Table] = field(default_factory=Counter)


def take_back_from_release(
    where: Where,
    request: Request,
    out: Where,
    *,
    version: str | None = None,
    proves: bool = False,
    is_dry: bool = False,
    told: Callable[[str], None] = lambda _: None,
) -> Account:
    """Makes a version of a release without what is taken back.

    Args:
        where: the release.
        request: what is taken back.
        out: folder of the new version.
        version: of it; None for the next MAJOR.
        proves: whether the new version is searched; of a dry run, the old one for the values of the request alone.
        is_dry: whether nothing is written.
        told: about each step.

    Raises:
        UsageError: a value matches nothing, no row would be left, or the folder holds another release.
        CorruptRunError: the release cannot be read.
        OutputError: the new one cannot be written.
    """
    dataset = open_dataset(where)
    assert isinstance(dataset.content, ReleaseRecord)
    _refuse_unmatched(dataset, request)
    tombstones = _tombstones(dataset, request)
    found = _falling(dataset, tombstones)
    root = dataset.root if is_dry else store_path(out)
    account = Account(str(root), len(found.recordings), len(found.segments), dict(found.num_rows))
    needles = of_request(request)
    if not is_dry:
        needles += of_release(dataset, found.segments) if proves else []
        recipe = _recipe(dataset, dataset.content, version)
        if ReleaseLayout(out).record.exists():
            _refuse_other(open_dataset(out), request)
        else:
            _build(dataset, recipe, out, request, tombstones, found, told)
        account.is_changed = True
        new = open_dataset(out)
        needles, account.num_shared = without_shared(needles, left_in_release(new))
        account.by_hand = by_hand(
            dataset.root, dataset.index_sha256, [one.where for one in dataset.content.sources], is_release=True
        )
    if proves:
        account.num_needles = len(needles)
        account.proof = prove(root, Search(needles))
    return account


def _build(
    dataset: Dataset,
    recipe: Recipe,
    out: Where,
    request: Request,
    tombstones: Tombstones,
    found: ReleaseFalling,
    told: Callable[[str], None],
) -> None:
    removal = Removal(version=recipe.version, what=request.what, num_rows=found.num_rows["data"], reason=request.reason)
    text = "\0".join((request.what, *sorted(request.values)))
    digest = hmac.digest(bytes.fromhex(dataset.index_sha256), text.encode(), hashlib.sha256).hex()
    listener = Listener(told, lambda done, all_: told(f"shard {done} of {all_}"))
    build_release(recipe, out, listener, TakenBack(tombstones, removal, digest))


def _recipe(dataset: Dataset, before: ReleaseRecord, version: str | None) -> Recipe:
    """All rows of the release, as they are and where they are."""
    former = Recipe.model_validate(before.recipe)
    major = int(before.version.partition(".")[0])
    return former.model_copy(
        update={
            "version": f"{major + 1}.0.0" if version is None else version,
            "runs": (str(dataset.root),),
            "parent": str(dataset.root),
            "rows": RowRules(duplicates="keep"),
            "splits": SplitRules(by="source"),
            "overrides": None,
        }
    )


def _refuse_unmatched(dataset: Dataset, request: Request) -> None:
    """Makes sure that each value stands somewhere.

    Raises:
        UsageError: naming the first that does not.
    """
    name, left = COLUMN_OF[request.what], set(request.values)
    for rows in (*_rows(dataset), *_excluded(dataset)):
        if name in rows.column_names and left:
            left -= set(pc.unique(rows[name].filter(_is_in(rows[name], left))).to_pylist())
    if left:
        raise UsageError(
            f"{dataset.root} has no {request.what} {min(left)!r}; nothing was written; values must be spelt as the "
            f"column `{name}` of its tables has them"
        )


def _refuse_other(there: Dataset, request: Request) -> None:
    """Makes sure that a release which is there already is that of the same request.

    Raises:
        UsageError: it holds what is taken back, or may.
    """
    known = there.tombstones
    if known is None or any(known.find(request.what, value) is None for value in request.values):
        raise UsageError(
            f"{there.root} holds another release already, and a version once written stays; choose another --out"
        )


def _tombstones(dataset: Dataset, request: Request) -> Tombstones:
    """Those of a release with what a request adds; see `entries_for` of runs."""
    own = dataset.tombstones or no_tombstones()
    named = [request.tombstone(own, value) for value in request.values]
    if request.what == "license":
        return own.having(named, is_unfinished=False)
    found = _falling(dataset, Tombstones(key=own.key, entries=tuple(named)))
    same = _falling(dataset, Tombstones(key=own.key, entries=tuple(_entries(own, request, "audio", found.samples))))
    recordings = found.recordings if request.what != "segment" else set[str]()
    values: dict[Kind, set[str]] = {
        "recording": recordings,
        "file": found.files if recordings else set(),
        "segment": found.segments | same.segments,
        "audio": found.samples,
    }
    others = [entry for kind, some in values.items() for entry in _entries(own, request, kind, some)]
    return own.having([*named, *others], is_unfinished=False)


def _entries(own: Tombstones, request: Request, kind: Kind, values: set[str]) -> Iterator[Tombstone]:
    for value in sorted(values):
        yield Tombstone(what=kind, digest=own.digest(kind, value), reason=request.reason)


def _falling(dataset: Dataset, tombstones: Tombstones) -> ReleaseFalling:
    found, staying, staying_files = ReleaseFalling(), set[str](), set[str]()
    for rows in _rows(dataset):
        falls = np.zeros(len(rows), bool)
        for kind in KINDS:
            falls |= tombstones.fallen(kind, rows[COLUMN_OF[kind]]).to_numpy()
        fallen = rows.filter(pa.array(falls))
        found.segments.update(fallen["segment_id"].to_pylist())
        found.samples.update(fallen["audio_sha256"].to_pylist())
        found.recordings.update(fallen["recording_id"].to_pylist())
        found.files.update(pc.drop_null(fallen["recording_sha256"]).to_pylist())
        found.num_rows["data"] += len(fallen)
    for rows in _rows(dataset) if found.segments else ():
        stays = rows.filter(pc.invert(_is_in(rows["segment_id"], found.segments)))
        staying.update(pc.unique(stays["recording_id"]).to_pylist())
        staying_files.update(pc.unique(stays["recording_sha256"]).to_pylist())
    found.recordings -= staying
    found.files -= staying_files
    return found


def _rows(dataset: Dataset) -> Iterator[pa.Table]:
    """What tombstones tell rows by, a row group at a time."""
    for part in dataset.parts():
        path = dataset.root / part.files["data"].path
        with reading(path), open_parquet(path) as parquet:
            there = [name for name in _COLUMNS if name in parquet.schema_arrow.names]
            for group in range(parquet.num_row_groups):
                yield with_all_columns("data", parquet.read_row_group(group, columns=there), _COLUMNS)


def _excluded(dataset: Dataset) -> Iterator[pa.Table]:
    """What the release left out, which may be what is asked for."""
    assert isinstance(dataset.content, ReleaseRecord)
    for file in dataset.content.files:
        if file.path.startswith("excluded/"):
            path = dataset.root / file.path
            with reading(path), open_parquet(path) as parquet:
                yield parquet.read(columns=["segment_id", "recording_id", "source"])


def _is_in(column: pa.ChunkedArray, values: set[str]) -> pa.ChunkedArray:
    return pc.is_in(column, value_set=pa.array(values, pa.string()))
