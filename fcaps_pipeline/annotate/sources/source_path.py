"""The path of a source, on this machine or on a store, and the files below it.

Enters: a location as the job gives it. Leaves: a Path where it is on a file system, a StorePath where it is on a store:
what a file system alone has (links, devices, folders that may not be read) is asked of a Path where it matters.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from fcaps_pipeline.audio.location import is_url
from fcaps_pipeline.errors import SourceError
from fcaps_pipeline.jobs.resources import resolve_path, resolve_store_path
from fcaps_pipeline.shards.layout import RunLayout
from fcaps_pipeline.storage.path import StorePath

SourcePath = Path | StorePath


def resolved(location: str) -> SourcePath:
    """The absolute path behind a location of a job.

    Raises:
        UsageError: it is no path, or there is no such store.
    """
    return resolve_store_path(location) if is_url(location) else resolve_path(location)


def opened(path: SourcePath) -> BinaryIO:
    """A file to read from.

    Raises:
        OSError: it is on a file system, which does not give it.
        StorageError: it is on a store, which does not give it.
    """
    return path.open("rb") if isinstance(path, Path) else path.open()


def is_file(path: SourcePath) -> bool:
    """Whether there is such a file.

    Raises:
        StorageError: the store does not tell.
    """
    return path.is_file() if isinstance(path, Path) else bool(path.key) and path.exists()


def is_folder(path: SourcePath) -> bool:
    """Whether files may lie below it; on a store, whether any does.

    Raises:
        StorageError: the store does not tell.
    """
    return path.is_dir() if isinstance(path, Path) else next(path.list(), None) is not None


def files_below(folder: SourcePath) -> Sequence[SourcePath]:
    """Files below a folder in the order of their paths, but neither hidden ones nor those of runs.

    Links to folders are not followed.

    Raises:
        SourceError: a folder may not be read.
        StorageError: the store does not tell.
    """
    return _on_disk(folder) if isinstance(folder, Path) else files_on_store(folder)


def is_below(path: StorePath, folder: StorePath) -> bool:
    """Whether a file lies in a folder of the same store, or further down."""
    return path.store is folder.store and (not folder.key or path.key.startswith(f"{folder.key}/"))


def steps_below(path: StorePath, folder: StorePath) -> list[str]:
    """The parts of the way from a folder of a store to a file below it."""
    return path.key.split("/")[len(folder.key.split("/")) if folder.key else 0 :]


def is_hidden(path: StorePath, folder: StorePath) -> bool:
    """Whether a file or a folder on the way to it has a name that begins with a dot."""
    return any(step.startswith(".") for step in steps_below(path, folder))


def _on_disk(folder: Path) -> list[Path]:
    found: list[Path] = []
    for parent, folders, files in os.walk(folder, onerror=_refuse):
        folders[:] = [name for name in folders if not (name.startswith(".") or _is_of_run(Path(parent, name)))]
        found += [Path(parent, name) for name in files if not name.startswith(".")]
    return sorted(found)


def files_on_store(folder: StorePath) -> list[StorePath]:
    """Of a folder of a store, what `files_below` tells; its prefix is listed once.

    Raises:
        StorageError: the store does not tell.
    """
    found = [path for path in folder.list() if not is_hidden(path, folder)]
    job = RunLayout(folder).job.name
    runs = {path.parent.key for path in found if path.name == job and path.parent != folder}
    found.sort(key=lambda path: path.key.split("/"))
    return [path for path in found if runs.isdisjoint(_folders_of(path))] if runs else found


def _folders_of(path: StorePath) -> Iterator[str]:
    """Keys of all folders that a file lies in."""
    folder = path.parent
    while folder.key:
        yield folder.key
        folder = folder.parent


def _is_of_run(folder: Path) -> bool:
    """Whether a run keeps its files there, which are Parquet too and no sound of the corpus."""
    return RunLayout(folder).job.exists()


def _refuse(error: OSError) -> None:
    raise SourceError(f"folder {error.filename} cannot be read: {error.strerror}; check its permissions") from error
