"""Finds what travels with the package: prompts, jobs, the embedded captioner, the demo speech.

In a checkout `prompts/` and `jobs/` stand beside the package; a wheel carries them inside it.
"""

import os
from pathlib import Path

from fcaps_pipeline.errors import UsageError
from fcaps_pipeline.storage.path import StorePath, store_path

_PACKAGE = Path(__file__).parents[1]
_SCHEME = "package:"
WORKING_FOLDER = "FCAPS_WORKING_FOLDER"
"""Variable that tells the processes of a run where relative paths start: in the working folder of the command."""


def working_folder() -> Path:
    """Where relative paths of a job start: in the working folder of the command, also in processes on other nodes."""
    return Path(os.environ.get(WORKING_FOLDER) or Path.cwd())


def resolve_path(location: str) -> Path:
    """Absolute path behind a location of a job: `package:NAME` is shipped with the package, `~` is the home.

    Raises:
        UsageError: the package ships nothing of that name, or it is no path.
    """
    if "\0" in location:
        raise UsageError(f"{location} is no path: it holds a null byte")
    if not location.startswith(_SCHEME):
        return Path(os.path.normpath(working_folder() / Path(location).expanduser()))
    name = location.removeprefix(_SCHEME)
    path = _PACKAGE / "assets" / name
    if not path.exists():
        shipped = sorted(entry.name for entry in (_PACKAGE / "assets").iterdir() if entry.is_dir())
        raise UsageError(f"{location} is not shipped with the package; it has {', '.join(shipped)}")
    return path


def shipped_folder(name: str) -> Path:
    """Folder `prompts`, `jobs` or `schemas` of the checkout, or its copy inside an installed wheel."""
    inside = _PACKAGE / "_shipped" / name
    return inside if inside.is_dir() else _PACKAGE.parent / name


def resolve_store_path(location: str) -> StorePath:
    """The file or folder that a path or URI of a job names; relative paths as `resolve_path` has them.

    Raises:
        UsageError: nothing can be stored there.
    """
    return store_path(location if "://" in location else resolve_path(location))
