"""A folder that belongs to one job: locked while somebody works in it, refused to every other job.

Enters: paths, and what decides the result of a job as plain values. Leaves nothing: what is wrong is
an error of one line. The lock dies with its process.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from pydantic import BaseModel

from fcaps_pipeline.errors import CorruptRunError, JobError, OutputError, UsageError
from fcaps_pipeline.storage.files import is_temporary, write_durably, writing


@contextmanager
def locked(root: Path, lock: Path, doing: str) -> Iterator[None]:
    """Creates the folder and keeps others out.

    Args:
        root: the folder.
        lock: file inside it.
        doing: what another process would be doing there, for the message.

    Raises:
        UsageError: another process works in it.
        OutputError: it cannot be created.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        # A soft lock would outlive a killed process.
        held = FileLock(lock, blocking=False, fallback_to_soft=False).acquire()
    except Timeout:
        raise UsageError(f"another process is {doing} {root}; wait for it, or choose another --out") from None
    except OSError as error:
        raise OutputError(f"cannot create or lock {root}: {error.strerror}; choose another --out") from error
    with held:
        yield


def refuse_strangers(root: Path, *ours: Path, kind: str) -> None:
    """Makes sure that a folder without a job is empty.

    Args:
        root: the folder.
        ours: files that may be there already.
        kind: what the folder should be, for the message.

    Raises:
        UsageError: it holds something else.
    """
    known = {path.name for path in ours}
    strangers = sorted(entry.name for entry in root.iterdir() if entry.name not in known and not is_temporary(entry))
    if strangers:
        raise UsageError(f"{root} is neither empty nor {kind} (it holds {strangers[0]}); choose another --out")


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


def require_same_job(stored: object, now: dict[str, Any], path: Path) -> None:
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
    before, after = _flatten(stored), _flatten(now)
    differing = [key for key in sorted(before | after) if before.get(key) != after.get(key)]
    if differing:
        shown = ", ".join(f"{key} (was {before.get(key)!r}, is {after.get(key)!r})" for key in differing)
        raise JobError(
            f"{path.parent} was started with another job; it differs in {shown}; "
            "undo the change, or choose another folder"
        )


def _flatten(node: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in node.items():
        if isinstance(value, dict):
            flat |= _flatten(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat
