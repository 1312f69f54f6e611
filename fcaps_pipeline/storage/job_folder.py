"""A folder that belongs to one job: refused to every other.

Enters: paths, and what decides the result of a job as plain values. Leaves nothing: what is wrong is
an error of one line. That one process at a time works in a folder is left to `lease`.
"""

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from fcaps_pipeline.errors import CorruptRunError, JobError, UsageError
from fcaps_pipeline.storage.files import write_durably, writing
from fcaps_pipeline.storage.lease import FOLDER
from fcaps_pipeline.storage.path import StorePath


def refuse_strangers(root: StorePath, *ours: StorePath, kind: str) -> None:
    """Makes sure that a folder without a job is empty.

    Args:
        root: the folder.
        ours: files that may be there already.
        kind: what the folder should be, for the message.

    Raises:
        UsageError: it holds something else.
    """
    lease, known = root / FOLDER, set(ours)
    stranger = next((path for path in root.list() if path not in known and path.parent != lease), None)
    if stranger is not None:
        name = str(stranger).removeprefix(f"{root}/")
        raise UsageError(f"{root} is neither empty nor {kind} (it holds {name}); choose another --out")


def claim(path: Path, settings: BaseModel) -> None:
    """Notes what decides the content of a folder, or makes sure that it is what the folder was begun with.

    Args:
        path: the note inside the folder.
        settings: what decides the content.

    Raises:
        JobError: the folder was begun with other settings.
        CorruptRunError: the note cannot be read.
        OutputError: it cannot be written.
    """
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        with writing(path):
            write_durably(path, settings.model_dump_json(indent=1) + "\n")
        return
    except (OSError, ValueError) as error:
        raise CorruptRunError(
            f"{path} cannot be read as a note of settings ({error}); choose another folder"
        ) from error
    require_same_job(stored, settings.model_dump(mode="json"), path)


def require_same_job(stored: object, now: dict[str, Any], path: Path | StorePath) -> None:
    """Compares a job with the one that the folder was started with.

    Args:
        stored: content of the file `path`.
        now: what the job is now, as JSON would give it back.
        path: where the folder keeps its job.

    Raises:
        JobError: naming every key that differs, with both values.
        CorruptRunError: the file does not hold a job.
    """
    if not isinstance(stored, dict):
        raise CorruptRunError(f"{path} does not hold a job; restore it from a copy")
    if differing := differences(stored, now):
        raise JobError(
            f"{path.parent} was started with another job; it differs in {', '.join(differing)}; "
            "undo the change, or choose another folder"
        )


def differences(stored: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Every key that differs, with both values."""
    before, after = _flatten(stored), _flatten(now)
    differing = [key for key in sorted(before | after) if before.get(key) != after.get(key)]
    return [f"{key} (was {before.get(key)!r}, is {after.get(key)!r})" for key in differing]


def _flatten(node: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in node.items():
        if isinstance(value, dict):
            flat |= _flatten(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat
