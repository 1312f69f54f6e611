"""Writing files whole: durable, in one step, and with a failing disk told in one line.

Enters: paths and contents. Leaves: files that exist whole or not at all.
"""

import errno
import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from fcaps_pipeline.errors import MissingFileError, OutputError, StorageError

_NOT_THERE = {errno.ENOENT, errno.ENOTDIR}
_NO_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.EACCES, errno.EPERM, errno.EBADF, errno.EISDIR, errno.ENOSYS}
_TEMPORARY_SUFFIX = ".tmp"


def write_durably(path: Path, content: str | bytes | Iterable[bytes]) -> None:
    """Writes a file so that it exists whole or not at all, even after a power cut; text as UTF-8."""
    if isinstance(content, str):
        content = content.encode()
    with written_beside(path, [content] if isinstance(content, bytes) else content) as temporary:
        temporary.replace(path)
    sync_folder(path.parent)


@contextmanager
def written_beside(path: Path, pieces: Iterable[bytes]) -> Iterator[Path]:
    """A synced file beside the path, to be put in its place; nothing is left of it afterwards."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_beside(path)
    try:
        with temporary.open("xb") as file:
            file.writelines(pieces)
            file.flush()
            os.fsync(file.fileno())
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def temporary_beside(path: Path) -> Path:
    """A name in the same folder that nobody else has."""
    return path.with_name(f".{uuid4().hex}{_TEMPORARY_SUFFIX}")


def is_temporary(name: str) -> bool:
    """Whether a file of that name is in the making, or what a killed process left of one."""
    return name.startswith(".") and name.endswith(_TEMPORARY_SUFFIX)


class HashedFile:
    """A binary file that is hashed while it is written, so that nothing reads it again for its checksum."""

    def __init__(self, path: Path) -> None:
        """Begins the file, in place of any that is there."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._file = path.open("wb")
        self._digest = hashlib.sha256()
        self._num_bytes = 0

    def write(self, content: bytes) -> int:
        """Adds bytes."""
        self._digest.update(content)
        num_bytes = self._file.write(content)
        self._num_bytes += num_bytes
        return num_bytes

    def flush(self) -> None:
        """Hands what was written to the system."""
        self._file.flush()

    def finish(self) -> tuple[int, str]:
        """Makes the file durable; its size and sha256."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self.close()
        sync_folder(self._path.parent)
        return self._num_bytes, self._digest.hexdigest()

    def close(self) -> None:
        """Ends writing; may be called again."""
        self._file.close()

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._file.closed


def sync_folder(folder: Path) -> None:
    """Makes the folder's entries durable, where the file system does that: a rename is safe only after this."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise


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


@contextmanager
def reading_file(path: Path) -> Iterator[None]:
    """Turns an operating system error into one clear line.

    Raises:
        MissingFileError: there is no such file.
        StorageError: it cannot be read.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _NOT_THERE:
            raise MissingFileError(f"{path} does not exist; restore it, or correct the path") from error
        raise StorageError(
            f"{path} cannot be read: {error.strerror or error}; check the storage and its permissions"
        ) from error
