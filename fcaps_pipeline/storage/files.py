"""Writing files whole: durable, in one step, and with a failing disk told in one line.

Enters: paths and contents. Leaves: files that exist whole or not at all.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fcaps_pipeline.errors import OutputError


def write_durably(path: Path, content: str | bytes) -> None:
    """Writes a small file so that it exists whole or not at all, even after a power cut; text as UTF-8."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Makes the folder's entries durable: a rename is safe only after this."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def usual_rights(path: Path) -> Iterator[None]:
    """Gives a file that a library writes the rights of any new file; some make all theirs readable by the owner alone.

    Args:
        path: what is written inside; it may exist before.
    """
    with path.open("ab") as file:
        rights = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
    yield
    path.chmod(rights)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns an operating system error into one clear line.

    Args:
        path: what is written, a file or a folder; an error that names its own file keeps it.

    Raises:
        OutputError: naming the path and the cause, a full disk for instance.
    """
    try:
        yield
    except OSError as error:
        where, cause = error.filename or path, error.strerror or str(error)
        raise OutputError(
            f"cannot write {where}: {cause}; make room or access there, then run the same command again to go on"
        ) from error
