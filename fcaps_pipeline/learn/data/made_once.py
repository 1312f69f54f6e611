"""What is dear to compute and the same for every process of a node: made by one of them, kept, and mapped by all.

Enters: a name that tells the content, and how to make it. Leaves: a folder in the cache, which is whole or not there.
The cache is `FCAPS_CACHE`, by default `~/.cache/fcaps`; on storage that all nodes share, one node makes it for all.
What lies in it can be deleted whenever nobody trains.
"""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

import numpy as np
import numpy.typing as npt

from fcaps_pipeline.storage.files import writing

CACHE = "FCAPS_CACHE"
"""Variable that names the cache."""
_DEFAULT = "~/.cache/fcaps"
MANY_ROWS = 1_000_000
"""What follows from fewer rows each process computes sooner than it shares it."""

Arrays = Mapping[str, npt.NDArray[np.generic]]


def made_once(name: str, make: Callable[[Path], None]) -> Path:
    """The folder of a name, made where it is not there.

    Args:
        name: below the cache; tells everything that decides the content.
        make: fills an empty folder. One process at a time does, where the file system has locks; else the first counts.

    Raises:
        OutputError: the cache cannot be written.
    """
    folder = _folder(name)
    if folder.is_dir():
        return folder
    with writing(folder), _locked(folder):
        if folder.is_dir():
            return folder
        for left_behind in folder.parent.glob(f"{folder.name}.*.new"):
            shutil.rmtree(left_behind, ignore_errors=True)
        scratch = folder.parent / f"{folder.name}.{uuid4().hex}.new"
        scratch.mkdir()
        try:
            make(scratch)
            with suppress(FileExistsError):
                scratch.rename(folder)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    return folder


def arrays_made_once(name: str, make: Callable[[], Arrays]) -> dict[str, npt.NDArray[np.generic]]:
    """Arrays of a name, mapped: processes of a node have them in memory once.

    Raises:
        OutputError: the cache cannot be written.
    """
    return mapped_arrays(made_once(name, lambda folder: save_arrays(folder, make())))


def forget(name: str) -> None:
    """Deletes what nobody will ask for again; whoever has it mapped keeps it."""
    shutil.rmtree(_folder(name), ignore_errors=True)
    Path(f"{_folder(name)}.lock").unlink(missing_ok=True)


def save_arrays(folder: Path, arrays: Arrays) -> None:
    """Writes arrays into a folder."""
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)


def mapped_arrays(folder: Path) -> dict[str, npt.NDArray[np.generic]]:
    """The arrays of a folder."""
    return {path.stem: _mapped(path) for path in sorted(folder.glob("*.npy"))}


def _folder(name: str) -> Path:
    return Path(os.environ.get(CACHE) or _DEFAULT).expanduser().absolute() / name


def _mapped(path: Path) -> npt.NDArray[np.generic]:
    mapped: npt.NDArray[np.generic] = np.load(path, mmap_mode="r")
    return mapped


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Waits for whoever makes the same; on a file system without locks nobody waits, and the first counts."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with Path(f"{folder}.lock").open("w") as file:
        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
