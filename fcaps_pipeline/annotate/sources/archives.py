"""What a path of a source names: something that exists, or the files that hold many recordings each.

Enters: the path of a source and the suffix of its files. Leaves: the files in the order of their paths, and the root
that names of members are shown from.
"""

import glob
import os
import stat
from pathlib import Path
from typing import NamedTuple

from fcaps_pipeline.audio.location import is_url
from fcaps_pipeline.errors import SourceError
from fcaps_pipeline.jobs.resources import resolve_path
from fcaps_pipeline.shards.layout import RunLayout

_MAGIC = frozenset("*?[")


def existing(location: str) -> Path:
    """The path of a source that is there, or a pattern that may match some.

    Raises:
        SourceError: nothing is there that could be read.
    """
    if is_url(location):
        raise SourceError(f"{location} is an address, and sources are read from file systems only; copy or mount it")
    path = resolve_path(location)
    if is_pattern(path) and glob.glob(str(path), recursive=True):  # noqa: PTH207 - a whole path
        return path
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise SourceError(f"{path} does not exist; give a folder, an audio file, an archive or a list") from None
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}; check its permissions") from error
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        raise SourceError(f"{path} is neither a regular file nor a folder; give audio, an archive or a list")
    return path


class Archives(NamedTuple):
    """Files of one kind."""

    root: Path
    files: list[Path]


def find_archives(location: str, suffixes: tuple[str, ...], what: str) -> Archives:
    """The files of a source.

    Args:
        location: as the job gives it.
        suffixes: of files in a folder that are taken, in lower case.
        what: the files are, for messages.

    Raises:
        SourceError: there are none.
    """
    path = resolve_path(location)
    if path.is_dir():
        found = Archives(path, [file for file in _below(path) if file.name.lower().endswith(suffixes)])
    elif is_pattern(path):
        files = (Path(name) for name in glob.glob(str(path), recursive=True))  # noqa: PTH207 - a whole path
        found = Archives(_fixed_part(path), sorted(file for file in files if file.is_file()))
    else:
        found = Archives(path.parent, [path])
    if not found.files:
        raise SourceError(f"{path} has no {what}; check the path of the source")
    return found


def is_pattern(path: Path) -> bool:
    """Whether a path stands for all that it matches, and is none itself."""
    return bool(_MAGIC & set(str(path))) and not path.exists()


def _below(folder: Path) -> list[Path]:
    """Files below a folder, but neither hidden ones nor those of runs; links to folders are not followed."""
    found: list[Path] = []
    for parent, folders, files in os.walk(folder, onerror=_refuse):
        folders[:] = [name for name in folders if not (name.startswith(".") or _is_of_run(Path(parent, name)))]
        found += [Path(parent, name) for name in files if not name.startswith(".")]
    return sorted(found)


def _is_of_run(folder: Path) -> bool:
    """Whether a run keeps its files there, which are Parquet too and no sound of the corpus."""
    return RunLayout(folder).job.exists()


def _refuse(error: OSError) -> None:
    raise SourceError(f"folder {error.filename} cannot be read: {error.strerror}; check its permissions") from error


def _fixed_part(pattern: Path) -> Path:
    """The last folder before a pattern begins."""
    fixed = pattern
    while _MAGIC & set(str(fixed)):
        fixed = fixed.parent
    return fixed
