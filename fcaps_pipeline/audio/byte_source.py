"""Where bytes of sound come from: a file, a part of a file such as a member of a tar, or a row of a Parquet file.

Enters: a location. Leaves: a ByteSource, which gives the bytes of any place and knows what a stamp needs.
`open_bytes` is the one place that opens audio; what reads it asks for bytes and never for a path.
"""

import errno
import hashlib
import os
import stat
from contextlib import closing
from pathlib import Path, PurePath
from typing import Protocol

from fcaps_pipeline.audio.location import (
    FilePart,
    ParquetRow,
    RefusedPart,
    is_url,
    local_path,
    parts_of,
    shown_name,
)
from fcaps_pipeline.errors import FcapsError, MissingFileError, RecordingError, StorageError

_NOT_THERE = {errno.ENOENT, errno.ENOTDIR}
_NOT_A_PATH = {errno.ENAMETOOLONG, errno.EINVAL, errno.ELOOP}
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
_CHUNK_BYTES = 1 << 18


class ByteSource(Protocol):
    """Bytes that are there whole and stay as they are; never empty."""

    @property
    def name(self) -> str:
        """For messages."""
        ...

    @property
    def suffix(self) -> str:
        """Of the name that its maker gave it, in lower case with its dot; empty where there is none."""
        ...

    @property
    def num_bytes(self) -> int:
        """How many there are."""
        ...

    @property
    def modified_ns(self) -> int | None:
        """When they were last written; None where nobody knows."""
        ...

    def at(self, offset: int, num_bytes: int) -> bytes:
        """Bytes from a place on; fewer where they end.

        Raises:
            StorageError: the storage fails.
        """
        ...

    def close(self) -> None:
        """Releases what is held; once is enough, twice does no harm."""
        ...


def open_bytes(location: str) -> ByteSource:
    """Opens what lies at a location, without ever waiting for it.

    Raises:
        MissingFileError: there is no such file.
        StorageError: the storage refuses it, now or always.
        RecordingError: it is no regular file, or empty, is not where it should be in its file, or was refused when
            it was listed.
    """
    part = parts_of(location)
    if isinstance(part, FilePart):
        return _remote(location) if is_url(part.file) else PartOfFile(open_file(part.file), part)
    if isinstance(part, RefusedPart):
        file = part.file if is_url(part.file) else local_path(part.file)
        raise RecordingError(f"{shown_name(part.name)} in {file} {part.reason}")
    if isinstance(part, ParquetRow):
        from fcaps_pipeline.audio.parquet_rows import read_row

        return read_row(part)
    return open_file(part)


def open_file(location: str) -> ByteSource:
    """Opens a whole file, whatever it holds.

    Args:
        location: without a fragment.

    Raises:
        FcapsError: as `open_bytes`.
    """
    return _remote(location) if is_url(location) else _LocalFile(local_path(location))


def _remote(location: str) -> ByteSource:
    from fcaps_pipeline.audio.remote_bytes import open_remote

    return open_remote(location)


def sha256_of(location: str) -> str:
    """sha256 of the bytes at a location, which are read once.

    Raises:
        FcapsError: as `open_bytes`.
    """
    digest, offset = hashlib.sha256(), 0
    with closing(open_bytes(location)) as source:
        while content := source.at(offset, _CHUNK_BYTES):
            digest.update(content)
            offset += len(content)
    return digest.hexdigest()


class MemoryBytes:
    """Bytes in memory; see `ByteSource`."""

    def __init__(self, content: bytes | memoryview, name: str, suffix: str, modified_ns: int | None = None) -> None:
        """Takes the content as it is, without a copy."""
        self._content = memoryview(content)
        self.name, self.suffix, self.modified_ns = name, suffix, modified_ns
        self.num_bytes = len(self._content)

    def at(self, offset: int, num_bytes: int) -> bytes:
        """See `ByteSource`."""
        return bytes(self._content[offset : offset + num_bytes])

    def close(self) -> None:
        """Nothing is open."""


class _LocalFile:
    """A regular file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = _open(path)
        status = os.fstat(self._file)
        self.name, self.suffix = str(path), path.suffix.lower()
        self.num_bytes, self.modified_ns = status.st_size, status.st_mtime_ns

    def at(self, offset: int, num_bytes: int) -> bytes:
        try:
            return os.pread(self._file, num_bytes, offset)
        except OSError as error:
            raise storage_error(self._path, error) from error

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


class PartOfFile:
    """A stretch of a file that has a name of its own; see `ByteSource`."""

    def __init__(self, file: ByteSource, part: FilePart) -> None:
        """Takes the file over, which is closed with it.

        Raises:
            RecordingError: the part is empty, or the file ends before it does.
        """
        self._file, self._offset = file, part.offset
        self.name = f"{shown_name(part.name)} in {file.name}"
        self.suffix = PurePath(part.name).suffix.lower()
        self.num_bytes, self.modified_ns = part.num_bytes, file.modified_ns
        reason = None
        if not part.num_bytes:
            reason = "is empty (0 bytes); put it there again or take it out of the source"
        elif part.offset + part.num_bytes > file.num_bytes:
            reason = f"ends behind the end of the file, which has {file.num_bytes} bytes and breaks off; copy it again"
        if reason is not None:
            file.close()
            raise RecordingError(f"{self.name} {reason}")

    def at(self, offset: int, num_bytes: int) -> bytes:
        """See `ByteSource`."""
        return self._file.at(self._offset + offset, max(0, min(num_bytes, self.num_bytes - offset)))

    def close(self) -> None:
        """See `ByteSource`."""
        self._file.close()


def _open(path: Path) -> int:
    try:
        # A pipe put there between two calls must not block either.
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except ValueError as error:  # a null byte in the path
        raise RecordingError(f"{str(path)!a} is not a path ({error}); correct the source") from error
    except OSError as error:
        if error.errno == errno.ENXIO:
            raise RecordingError(
                f"{path} is a socket or a pipe, not a regular file; take it out of the source"
            ) from None
        if error.errno == errno.EACCES and os.path.isdir(path):  # noqa: PTH112 - False, not an error, where it may not look
            raise RecordingError(
                f"{path} is a folder that may not be read ({error.strerror}), and what is in it is unknown; give the "
                "permission, or take it out of the source"
            ) from error
        raise storage_error(path, error) from error
    status = os.fstat(file)
    if stat.S_ISREG(status.st_mode) and status.st_size:
        return file
    os.close(file)
    if stat.S_ISREG(status.st_mode):
        raise RecordingError(f"{path} is empty (0 bytes); copy it again or take it out of the source")
    kind = next((name for is_kind, name in _KINDS if is_kind(status.st_mode)), "something else")
    raise RecordingError(f"{path} is {kind}, not a regular file; take it out of the source")


def storage_error(path: Path, error: OSError) -> FcapsError:
    """What an error of the operating system says of a file: missing, no path at all, or trouble of the storage."""
    if error.errno in _NOT_THERE:
        return MissingFileError(f"{path} does not exist ({error.strerror}); copy it there or correct the source")
    if error.errno in _NOT_A_PATH:
        return RecordingError(f"{path} cannot be opened: {error.strerror}; correct the source")
    return StorageError(f"{path} cannot be read: {error.strerror or error}; check the storage and its permissions")
