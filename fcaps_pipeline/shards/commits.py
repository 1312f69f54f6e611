"""Commit records: written with a checksum over themselves, read back as the last attempt at each unit.

Enters: what a unit came to. Leaves: records in unit order. Whether the files that a record names are still what it
says is looked at in `reader`.
"""

import hashlib
import json
import re
from typing import Any

from pydantic import ValidationError

from fcaps_pipeline.errors import CorruptRunError
from fcaps_pipeline.records.base import Record
from fcaps_pipeline.shards.layout import RunLayout, UnitCommit
from fcaps_pipeline.storage.path import StorePath

_NAME = re.compile(r"(\d+)\.(\d+)\.json")
_FORMER_FIELD = "recordings"
"""Versions before 2 kept what became of each Recording in the record."""


class _Sealed(Record):
    """Content of the file of a commit record."""

    sha256: str
    """Over the record as JSON with sorted keys."""
    record: dict[str, Any]


def write_commit(layout: RunLayout, commit: UnitCommit) -> UnitCommit:
    """Makes an attempt at a unit count, unless another writer's record of the same attempt is there already.

    Returns:
        The commit that counts.

    Raises:
        OutputError: the run folder cannot be written.
        CorruptRunError: the record of the other writer is unreadable.
    """
    path = layout.commit(commit.unit_index, commit.attempt)
    return commit if path.put_if_absent(commit_text(commit)) else read_commit(path)


def commit_text(commit: UnitCommit) -> str:
    """Content of the file of a commit record."""
    record = commit.model_dump(mode="json")
    return _Sealed(sha256=_seal(record), record=record).model_dump_json(indent=1)


def read_commit(path: StorePath) -> UnitCommit:
    """One commit record.

    Raises:
        CorruptRunError: it is not what was written.
    """
    sealed = None
    try:
        sealed = _Sealed.model_validate_json(path.read())
        commit = UnitCommit.model_validate(sealed.record)
    except ValidationError as error:
        if sealed is not None and _FORMER_FIELD in sealed.record:
            raise CorruptRunError(
                f"commit record {path} was written by an earlier version, which this one cannot go on with; use that "
                "version, or annotate into another folder"
            ) from error
        raise CorruptRunError(
            f"commit record {path} is unreadable ({error.error_count()} mistakes); restore it, or run annotate again "
            "with --repair to do its unit again"
        ) from error
    if _seal(sealed.record) != sealed.sha256:
        raise CorruptRunError(
            f"commit record {path} was changed after it was written; restore it, or run annotate again with --repair "
            "to do its unit again"
        )
    return commit


def last_attempts(layout: RunLayout) -> dict[int, StorePath]:
    """The record that counts, for each unit that has one, in unit order."""
    return {unit_index: layout.commit(unit_index, max(found)) for unit_index, found in _attempts(layout).items()}


def all_attempts(layout: RunLayout) -> list[StorePath]:
    """Every record, those that no longer count included."""
    return [layout.commit(unit_index, one) for unit_index, found in _attempts(layout).items() for one in sorted(found)]


def last_attempt(layout: RunLayout, unit_index: int) -> int:
    """Number of the record that counts for a unit; 0 where it has none."""
    attempt = 0
    while layout.commit(unit_index, attempt + 1).exists():
        attempt += 1
    return attempt


def next_attempt(layout: RunLayout, unit_index: int) -> tuple[int, str | None]:
    """Number of the attempt that comes next at a unit, and the sha256 of the record before it."""
    last = last_attempt(layout, unit_index)
    before = layout.commit(unit_index, last)
    return last + 1, hashlib.sha256(before.read()).hexdigest() if last else None


def _attempts(layout: RunLayout) -> dict[int, set[int]]:
    """Numbers of the attempts at each unit, in unit order."""
    names = (_NAME.fullmatch(path.name) for path in layout.commits.list())
    found: dict[int, set[int]] = {}
    for name in filter(None, names):
        found.setdefault(int(name[1]), set()).add(int(name[2]))
    return dict(sorted(found.items()))


def _seal(record: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()
