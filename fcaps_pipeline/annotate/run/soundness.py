"""Whether what a run wrote is still what it wrote: checksums, accounting, files nobody named, and what to do again.

Enters: a run folder. Leaves: the sound files one by one, the units to do again, and `verified.json`, the only thing
that says that a run is sound; other commands compare sizes alone.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress

from pydantic import ValidationError

from fcaps_pipeline import __version__
from fcaps_pipeline.errors import AccountingError, CorruptRunError, MissingFileError
from fcaps_pipeline.records.base import Record
from fcaps_pipeline.shards.commits import all_attempts, last_attempts, read_commit
from fcaps_pipeline.shards.layout import OUTCOME_TABLES, TABLES, RunLayout, ShardFile, Totals, UnitCommit, is_shard_name
from fcaps_pipeline.shards.outcomes import outcome_sums, read_outcomes
from fcaps_pipeline.shards.reader import check_file, read_commits, read_index, read_rows, read_unit_rows
from fcaps_pipeline.shards.sums import total
from fcaps_pipeline.storage.path import StorePath


class _Verified(Record):
    """Content of `verified.json`."""

    fcaps_version: str
    index_sha256: str


def verify(layout: RunLayout) -> Iterator[ShardFile]:
    """Reads every committed file whole and yields it when it is sound; checks the accounting at the end.

    Raises:
        CorruptRunError: a file is missing, changed or of another schema, or the index disagrees.
        AccountingError: a Segment stands in no table, or twice.
    """
    index, commits = read_index(layout), list(read_commits(layout))
    files = tuple(file for commit in commits for file in commit.files)
    if index.shards != files or index.totals != total(commits):
        raise CorruptRunError(f"{layout.index} disagrees with the commit records; run annotate again to write it anew")
    for file in files:
        check_file(layout, file)
        yield file
    _check_ids(layout, index.totals)
    for commit in commits:
        _check_candidates(layout, commit)
        _check_recordings(layout, commit)


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
    found = {}
    for unit_index, path in last_attempts(layout).items():
        try:
            for file in read_commit(path).files:
                check_file(layout, file)
        except CorruptRunError as error:
            found[unit_index] = str(error)
    return found


def drop_orphans(layout: RunLayout, files: Iterable[ShardFile]) -> list[str]:
    """Removes what no reader should find: files of former attempts, and of writers that never came to their commit.

    Nobody else may write to the run meanwhile. Files with names of other people are left.

    Args:
        layout: of the run.
        files: that stay.

    Returns:
        What was removed, relative to the run folder.

    Raises:
        OutputError: a file cannot be removed.
    """
    kept = {file.path for file in files}
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


def _check_candidates(layout: RunLayout, commit: UnitCommit) -> None:
    """Every candidate belongs to a Segment of its unit, and the captions of the rows are those that were kept."""
    columns = ["segment_id", "candidate_id"]
    found = Counter(
        (row["segment_id"], row["candidate_id"]) for row in read_unit_rows(layout, commit, "candidates", columns)
    )
    segments = {
        row["segment_id"] for table in OUTCOME_TABLES for row in read_unit_rows(layout, commit, table, ["segment_id"])
    }
    captions = {
        (row["segment_id"], one["candidate_id"])
        for row in read_unit_rows(layout, commit, "data", ["segment_id", "captions"])
        for one in row["captions"] or ()
    }
    faults = [
        *(f"candidate {one} of Segment {key} stands twice" for (key, one), count in found.items() if count > 1),
        *(f"candidate {one} is of Segment {key}, which is in no table" for key, one in found if key not in segments),
        *(f"caption {one} of Segment {key} is no candidate" for key, one in sorted(captions - found.keys())),
    ]
    if faults:
        raise AccountingError(f"{layout.root}, unit {commit.unit_index}: {faults[0]}; report this defect")


def _check_recordings(layout: RunLayout, commit: UnitCommit) -> None:
    """What became of the Recordings of a unit is what its record sums up."""
    sums = outcome_sums(list(read_outcomes(layout, commit)))
    recorded = commit.model_dump(include=set(sums))
    for name, found in sums.items():
        if found != recorded[name]:
            raise AccountingError(
                f"{layout.root}, unit {commit.unit_index}: {name} is {recorded[name]} in its record and {found} in its "
                "table of Recordings; report this defect"
            )


def _check_ids(layout: RunLayout, totals: Totals) -> None:
    seen = Counter(
        row["segment_id"]
        for table in OUTCOME_TABLES
        for row in read_rows(layout, table, ["segment_id"])
        if row["segment_id"] is not None
    )
    doubled = [segment_id for segment_id, count in seen.items() if count > 1]
    if doubled:
        raise AccountingError(
            f"{layout.root}: Segment {doubled[0]} stands {seen[doubled[0]]} times; report this defect"
        )
    if len(seen) != totals.num_segments:
        raise AccountingError(
            f"{layout.root}: {totals.num_segments} Segments recorded, {len(seen)} found in the tables"
        )
