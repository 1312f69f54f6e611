"""Files that must lie on a file system, such as databases, of a folder that need not: made here, put there, fetched.

Enters: a StorePath and a folder of this machine. Leaves: a path. Where the StorePath is on a file system, it is that
path itself.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from fcaps_pipeline.storage.files import writing
from fcaps_pipeline.storage.path import StorePath


@contextmanager
def made_on_disk(path: StorePath, scratch: Path) -> Iterator[Path]:
    """A place to make a file, which is put where it belongs when it is made.

    Raises:
        OutputError: it cannot be put there.
    """
    if path.local is not None:
        yield path.local
        return
    made = _temporary(path, scratch)
    try:
        yield made
        path.put_file(made)
    finally:
        made.unlink(missing_ok=True)


def fetched_to_disk(path: StorePath, scratch: Path) -> Path:
    """A file to read from this machine: itself, or a copy that is made where there is none of that size.

    Raises:
        MissingFileError: it does not exist.
        StorageError: the storage does not give it.
        OutputError: there is no room for it here.
    """
    if path.local is not None:
        return path.local
    copy = scratch / path.name
    with path.open() as content:
        num_bytes = content.seek(0, 2)
        if copy.is_file() and copy.stat().st_size == num_bytes:
            return copy
        content.seek(0)
        made = _temporary(path, scratch)
        try:
            with writing(made), made.open("wb") as file:
                shutil.copyfileobj(content, file, 8 * 2**20)
            made.replace(copy)
        finally:
            made.unlink(missing_ok=True)
    return copy


def _temporary(path: StorePath, scratch: Path) -> Path:
    with writing(scratch):
        scratch.mkdir(parents=True, exist_ok=True)
    return scratch / f"{uuid4().hex}-{path.name}"
