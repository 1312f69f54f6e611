"""What a path of a source names: something that exists, or the files that hold many recordings each.

Enters: the path of a source and the suffix of its files. Leaves: the files in the order of their paths, and the root
that names of members are shown from.
"""

import glob
import stat
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from fcaps_pipeline.annotate.sources.source_path import (
    SourcePath,
    files_below,
    files_on_store,
    is_file,
    is_folder,
    resolved,
    steps_below,
)
from fcaps_pipeline.audio.location import is_url
from fcaps_pipeline.errors import SourceError
from fcaps_pipeline.storage.path import StorePath, check_reachable

_MAGIC = frozenset("*?[")
_WHAT_TO_GIVE = "give a folder, an audio file, an archive or a list"


def existing(location: str) -> SourcePath:
    """The path of a source that is there, or a pattern that may match some.

    Raises:
        SourceError: nothing is there that could be read.
        StorageError: the store cannot be reached, or does not show it.
        UsageError: there is no such kind of store.
    """
    if is_url(location):
        check_reachable(location)
    path = resolved(location)
    if isinstance(path, StorePath):
        return _existing_on_store(path)
    if is_pattern(path) and glob.glob(str(path), recursive=True):  # noqa: PTH207 - a whole path
        return path
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise SourceError(f"{path} does not exist; {_WHAT_TO_GIVE}") from None
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}; check its permissions") from error
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        raise SourceError(f"{path} is neither a regular file nor a folder; give audio, an archive or a list")
    return path


def _existing_on_store(path: StorePath) -> StorePath:
    if is_file(path) or is_folder(path) or (is_pattern(path) and _matching(path).files):
        return path
    raise SourceError(f"{path} does not exist; {_WHAT_TO_GIVE}")


class Archives(NamedTuple):
    """Files of one kind."""

    root: SourcePath
    files: Sequence[SourcePath]


def find_archives(location: str, suffixes: tuple[str, ...], what: str) -> Archives:
    """The files of a source.

    Args:
        location: as the job gives it.
        suffixes: of files in a folder that are taken, in lower case.
        what: the files are, for messages.

    Raises:
        SourceError: there are none.
        StorageError: the store does not tell.
    """
    path = resolved(location)
    if is_folder(path):
        found = Archives(path, [file for file in files_below(path) if file.name.lower().endswith(suffixes)])
    elif is_pattern(path):
        found = _matching(path)
    else:
        found = Archives(path.parent, [path])
    if not found.files:
        raise SourceError(f"{path} has no {what}; check the path of the source")
    return found


def is_pattern(path: SourcePath) -> bool:
    """Whether a path stands for all that it matches, and is none itself."""
    text = path.key if isinstance(path, StorePath) else str(path)
    return bool(_MAGIC & set(text)) and not path.exists()


def _matching(pattern: SourcePath) -> Archives:
    """Of a pattern, what it matches, and the last folder before it begins."""
    if isinstance(pattern, Path):
        found = (Path(name) for name in glob.glob(str(pattern), recursive=True))  # noqa: PTH207 - a whole path
        folder = next(one for one in pattern.parents if not _MAGIC & set(str(one)))
        return Archives(folder, sorted(file for file in found if file.is_file()))
    root = pattern.parent
    while _MAGIC & set(root.key):
        root = root.parent
    wanted = steps_below(pattern, root)
    return Archives(root, [file for file in files_on_store(root) if _matches(file, root, wanted)])


def _matches(file: StorePath, root: StorePath, wanted: list[str]) -> bool:
    """Whether each step of the way to a file is as wanted; a star stands for part of one step."""
    steps = steps_below(file, root)
    return len(steps) == len(wanted) and all(map(fnmatchcase, steps, wanted))
