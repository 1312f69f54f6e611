"""Whether what a run wrote is still what it wrote: checksums, accounting, files nobody named, and what to do again.

Enters: a run folder. Leaves: the sound files one by one, the units to do again, and `verified.json`, the only thing
that says that a run is sound; other commands compare sizes alone.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from contextlib import suppress
from itertools import islice

import numpy as np
import pyarrow as pa
from pydantic import ValidationError

from fcaps_pipeline import __version__
from fcaps_pipeline.annotate.run.unit_soundness import check_unit, segment_ids, side_by_side
from fcaps_pipeline.errors import AccountingError, CorruptRunError, MissingFileError
from fcaps_pipeline.records.base import Record
from fcaps_pipeline.shards.commits import all_attempts, last_attempts, read_commit
from fcaps_pipeline.shards.layout import TABLES, RunLayout, ShardFile, UnitCommit, is_shard_name
from fcaps_pipeline.shards.reader import check_file, read_commits, stream_index
from fcaps_pipeline.shards.recording_table import Hashes, id_hashes
from fcaps_pipeline.shards.sums import CommitSums
from fcaps_pipeline.shards.tombstones import refuse_unfinished
from fcaps_pipeline.storage.path import StorePath


class _Verified(Record):
    """Content of `verified.json`."""

    fcaps_version: str
    index_sha256: str


def verify(layout: RunLayout) -> Iterator[ShardFile]:
    """Reads every committed file whole, units side by side, and yields those of units that are sound.

    Raises:
        CorruptRunError: a file is missing, changed or of another schema, or the index disagrees; or a removal was begun
            and not finished.
        AccountingError: a Segment stands in no table, or twice.
    """
    refuse_unfinished(layout.tombstones)
    _check_index(layout)
    hashes: list[Hashes] = []

    def check(commit: UnitCommit) -> tuple[UnitCommit, Hashes]:
        return commit, check_unit(layout, commit)

    for commit, found in side_by_side(check, read_commits(layout)):
        hashes.append(found)
        yield from commit.files
    _check_once(layout, np.concatenate([*hashes, np.empty(0, np.uint64)]))


def keep_verified(layout: RunLayout) -> None:
    """Writes down that the run as its index describes it was found sound.

    Raises:
        OutputError: the run folder cannot be written.
    """
    found = _Verified(fcaps_version=__version__, index_sha256=_index_sha256(layout))
    layout.verified.put(found.model_dump_json(indent=1))


def last_verified(layout: RunLayout) -> str | None:
    """Version of this package that verified the index as it is; None where none did."""
    try:
        found = _Verified.model_validate_json(layout.verified.read())
    except (MissingFileError, ValidationError):
        return None
    is_same = layout.index.exists() and found.index_sha256 == _index_sha256(layout)
    return found.fcaps_version if is_same else None


def strays(layout: RunLayout) -> list[str]:
    """Files in the folders of the tables that no commit record names, relative to the run folder."""
    return sorted(set(_in_tables(layout)) - _files(all_attempts(layout)))


def damaged_units(layout: RunLayout) -> dict[int, str]:
    """Units whose record or files are no longer what was committed, each with what is wrong; reads every file."""

    def check(record: tuple[int, StorePath]) -> tuple[int, str | None]:
        unit_index, path = record
        try:
            for file in read_commit(path).files:
                check_file(layout, file)
        except CorruptRunError as error:
            return unit_index, str(error)
        return unit_index, None

    checked = side_by_side(check, last_attempts(layout).items())
    return {unit_index: fault for unit_index, fault in checked if fault is not None}


def drop_orphans(layout: RunLayout, kept: AbstractSet[str]) -> list[str]:
    """Removes what no reader should find: files of former attempts, and of writers that never came to their commit.

    Nobody else may write to the run meanwhile. Files with names of other people are left.

    Args:
        layout: of the run.
        kept: paths of the files that stay, relative to the run folder.

    Returns:
        What was removed, relative to the run folder.

    Raises:
        OutputError: a file cannot be removed.
    """
    orphans = [name for name in _in_tables(layout) if name not in kept and is_shard_name(name)]
    for name in orphans:
        (layout.root / name).delete()
    return orphans


def _in_tables(layout: RunLayout) -> list[str]:
    return sorted(f"{table}/{name}" for table in TABLES for name in (layout.root / table).sizes())


def _files(records: Iterable[StorePath]) -> set[str]:
    """What readable records name."""
    names: set[str] = set()
    for path in records:
        with suppress(CorruptRunError):
            names |= {file.path for file in read_commit(path).files}
    return names


def _index_sha256(layout: RunLayout) -> str:
    return hashlib.sha256(layout.index.read()).hexdigest()


def _check_index(layout: RunLayout) -> None:
    """The index names the files of the records, and their totals."""
    (index, named), sums = stream_index(layout), CommitSums()
    is_same = True
    for commit in read_commits(layout):
        sums.add(commit)
        is_same = is_same and commit.files == tuple(islice(named, len(commit.files)))
    if not is_same or next(named, None) is not None or index.totals != sums.totals():
        raise CorruptRunError(f"{layout.index} disagrees with the commit records; run annotate again to write it anew")


def _check_once(layout: RunLayout, hashes: Hashes) -> None:
    """No two Segments of a run have one id; that there are as many as recorded is known of each unit."""
    ordered = np.sort(hashes)
    doubled = ordered[1:][ordered[1:] == ordered[:-1]]
    if not len(doubled):
        return
    seen: Counter[str] = Counter()
    for commit in read_commits(layout):
        ids = segment_ids(layout, commit)
        seen.update(ids.filter(pa.array(np.isin(id_hashes(ids), doubled))).to_pylist())
    for segment_id, count in seen.most_common(1):
        if count > 1:
            raise AccountingError(f"{layout.root}: Segment {segment_id} stands {count} times; report this defect")
