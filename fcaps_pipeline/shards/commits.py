"""Commit records: written with a checksum over themselves, read back as the last attempt at each unit.

Enters: what a unit came to. Leaves: records in unit order. Whether the files that a record names are still what it
says is looked at in `reader`.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from fcaps_pipeline.errors import CorruptRunError
from fcaps_pipeline.records.base import Record
from fcaps_pipeline.shards.layout import RunLayout, UnitCommit
from fcaps_pipeline.storage.files import write_durably, writing

_NAME = re.compile(r"(\d+)\.(\d+)\.json")
_FORMER_FIELD = "recordings"
"""Versions before 2 kept what became of each Recording in the record."""


class _Sealed(Record):
    """Content of the file of a commit record."""

    sha256: str
    """Over the record as JSON with sorted keys."""
    record: dict[str, Any]


def write_commit(layout: RunLayout, commit: UnitCommit) -> None:
    """Makes an attempt at a unit count.

    Raises:
        OutputError: the run folder cannot be written.
    """
    path = layout.commit(commit.unit_index, commit.attempt)
    with writing(path):
        write_durably(path, commit_text(commit))


def commit_text(commit: UnitCommit) -> str:
    """Content of the file of a commit record."""
    record = commit.model_dump(mode="json")
    return _Sealed(sha256=_seal(record), record=record).model_dump_json(indent=1)


def read_commit(path: Path) -> UnitCommit:
    """One commit record.

    Raises:
        CorruptRunError: it is not what was written.
    """
    sealed = None
    try:
        sealed = _Sealed.model_validate_json(path.read_bytes())
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


def last_attempts(layout: RunLayout) -> dict[int, Path]:
    """The record that counts, for each unit that has one, in unit order."""
    found: dict[int, tuple[int, Path]] = {}
    for path in _records(layout):
        unit_index, attempt = _numbers(path)
        found[unit_index] = max(found.get(unit_index, (0, path)), (attempt, path))
    return {unit_index: found[unit_index][1] for unit_index in sorted(found)}


def former_attempts(layout: RunLayout) -> Iterator[tuple[Path, list[Path]]]:
    """For each unit that was done again, the record that counts and those that no longer do."""
    last = last_attempts(layout)
    former: dict[int, list[Path]] = {}
    for path in _records(layout):
        unit_index, _ = _numbers(path)
        if path != last[unit_index]:
            former.setdefault(unit_index, []).append(path)
    for unit_index in sorted(former):
        yield last[unit_index], former[unit_index]


def all_attempts(layout: RunLayout) -> list[Path]:
    """Every record, those that no longer count included."""
    return sorted(_records(layout))


def last_attempt(layout: RunLayout, unit_index: int) -> int:
    """Number of the record that counts for a unit; 0 where it has none."""
    attempt = 0
    while layout.commit(unit_index, attempt + 1).is_file():
        attempt += 1
    return attempt


def next_attempt(layout: RunLayout, unit_index: int) -> tuple[int, str | None]:
    """Number of the attempt that comes next at a unit, and the sha256 of the record before it."""
    last = last_attempt(layout, unit_index)
    before = layout.commit(unit_index, last)
    return last + 1, hashlib.sha256(before.read_bytes()).hexdigest() if last else None


def _records(layout: RunLayout) -> Iterator[Path]:
    return (path for path in layout.commits.glob("*.json") if _NAME.fullmatch(path.name))


def _numbers(path: Path) -> tuple[int, int]:
    match = _NAME.fullmatch(path.name)
    assert match is not None
    return int(match[1]), int(match[2])


def _seal(record: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()
