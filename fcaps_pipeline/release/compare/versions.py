"""The version rule of Croissant: PATCH for the same rows, MINOR for new ones beside the old, MAJOR for others.

Enters: what became different since a version. Leaves: the lowest version that says so.
Source: https://docs.mlcommons.org/croissant/docs/croissant-spec.html, "Recommended version for datasets".
"""

from collections.abc import Mapping, Sequence

from fcaps_pipeline.errors import UsageError
from fcaps_pipeline.release.compare.differences import Change, Differences, Level, Needed

_MAJOR: dict[Change, str] = {
    "removed": "removed",
    "moved": "moved to another split",
    "audio": "with other samples",
    "claims": "of which captions state something else",
    "verdict": "with other verdicts",
    "reworded": "with reworded captions",
    "columns": "edited in other columns",
}
"""Classes of rows that make it necessary."""


def needed_version(
    version: str | None, counts: Mapping[Change, int], new_columns: Sequence[str], lost_columns: Sequence[str]
) -> Needed:
    """What the version after must be at least.

    Args:
        version: of the dataset before; None where it has none.
        counts: rows by class.
        new_columns: columns of the new dataset alone.
        lost_columns: columns of the dataset before alone.
    """
    edited = [f"{_rows(counts[name])} {what}" for name, what in _MAJOR.items() if counts.get(name)]
    added = [f"{_rows(counts['added'])} added"] if counts.get("added") else []
    if edited or lost_columns:
        return _needed(version, "major", [*edited, *(f"without {name}" for name in lost_columns)])
    if added or new_columns:
        return _needed(version, "minor", [*added, *(f"with {name}" for name in new_columns)])
    return _needed(version, "patch", ["every row is as it was"])


def check_version(differences: Differences, version: str) -> None:
    """Refuses a version that says less than what became different.

    Raises:
        UsageError: it is lower than needed.
    """
    needed = differences.needed
    if needed.lowest is not None and version_numbers(version) < version_numbers(needed.lowest):
        raise UsageError(
            f"version {version} is too low after {differences.a.version}: {needed.because}; that is a "
            f"{needed.level.upper()} change, give {needed.lowest} or a higher one"
        )


def _needed(version: str | None, level: Level, because: Sequence[str]) -> Needed:
    lowest = None if version is None else _bumped(version, level)
    return Needed(level=level, because=", ".join(because), lowest=lowest)


def _bumped(version: str, level: Level) -> str:
    major, minor, patch = version_numbers(version)
    match level:
        case "major":
            return f"{major + 1}.0.0"
        case "minor":
            return f"{major}.{minor + 1}.0"
        case "patch":
            return f"{major}.{minor}.{patch + 1}"


def version_numbers(version: str) -> tuple[int, int, int]:
    """MAJOR, MINOR and PATCH."""
    major, minor, patch = map(int, version.split("."))
    return major, minor, patch


def _rows(count: int) -> str:
    return f"{count} row" if count == 1 else f"{count} rows"
