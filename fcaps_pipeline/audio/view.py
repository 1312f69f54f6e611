"""A file of sound as decoders see it: opened once, by its bytes, with what its header should have said.

Enters: a path. Leaves: a seekable view that ends where the sound ends, shows corrected length fields and leaves out
what stands inside the sound and is none.
Decoders get this view and never the path, so no name is taken for a protocol and no file makes a decoder
open another. Errors of the storage are kept apart from errors of the file.
"""

import errno
import io
import os
import stat
from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path

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


class FileView:
    """Part of a regular file, read only; the bytes of some places can be replaced."""

    def __init__(self, path: Path) -> None:
        """Opens the file without ever waiting for it; all of it is seen.

        Raises:
            MissingFileError: there is no such file.
            StorageError: the storage refuses it, now or always.
            RecordingError: it is no regular file, or empty.
        """
        self.path = path
        self.error: OSError | None = None
        """What the storage said when a decoder read, for decoders that keep it to themselves."""
        self._patches: dict[int, bytes] = {}
        self._parts: list[tuple[int, int, int]] = []
        self._position = 0
        self._file = _open(path)
        self._start = 0
        self._file_bytes = os.fstat(self._file).st_size
        self.num_bytes = self._file_bytes
        """Of the part that is seen."""
        self._end = self.num_bytes
        """Of what is read."""

    def narrow(self, start: int, end: int | None) -> None:
        """Sees a part only, which then is the whole; `end` None means all that is left."""
        self._start += start
        self.num_bytes = self._file_bytes - self._start if end is None else end - start
        self._position, self._end, self._patches, self._parts = 0, self.num_bytes, {}, []

    def correct(self, end: int, patches: dict[int, bytes], left_out: Sequence[tuple[int, int]] = ()) -> None:
        """Sets where the sound ends, what stands at some places instead, and what is not read at all.

        Args:
            end: of the sound; `left_out` lies before it.
            patches: by place.
            left_out: stretches from their first byte to the one behind them, in order.
        """
        begins = (0, *(behind for _, behind in left_out))
        ends = (*(first for first, _ in left_out), min(end, self.num_bytes))
        self._parts, self._end = [], 0
        for first, behind in zip(begins, ends, strict=True):
            self._parts.append((self._end, first, behind))
            self._end += behind - first
        self._patches = patches

    def at(self, offset: int, num_bytes: int) -> bytes:
        """Bytes as the file holds them; fewer at its end.

        Raises:
            StorageError: the storage fails.
        """
        if not 0 <= offset < self.num_bytes:
            return b""
        try:
            return os.pread(self._file, max(0, min(num_bytes, self.num_bytes - offset)), self._start + offset)
        except OSError as error:
            raise storage_error(self.path, error) from error

    def read(self, num_bytes: int = -1) -> bytes:
        """The next bytes, fewer before something that is left out; none at the end of the sound."""
        start, end = self._place()
        wanted = end - start if num_bytes < 0 else min(num_bytes, end - start)
        if wanted <= 0:
            return b""
        try:
            content = os.pread(self._file, wanted, self._start + start)
        except OSError as error:
            self.error = error
            raise
        self._position += len(content)
        return self._patched(content, start) if self._patches else content

    def _place(self) -> tuple[int, int]:
        """Where in the file the next byte lies, and how far one may read on from there."""
        if not self._parts:
            return self._position, self._end
        position, first, behind = self._parts[bisect_right(self._parts, self._position, key=lambda one: one[0]) - 1]
        return first + self._position - position, behind

    def readinto(self, buffer: memoryview) -> int:
        """The next bytes into a buffer, for libsndfile, which can pass no error on: it stays in `error`."""
        try:
            content = self.read(len(buffer))
        except OSError:
            return 0
        buffer[: len(content)] = content
        return len(content)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Goes to another place; beyond the end there is nothing to read."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._end}[whence]
        self._position = max(0, base + offset)
        return self._position

    def tell(self) -> int:
        """The place of the next byte."""
        return self._position

    def close(self) -> None:
        """Releases the file; once is enough, twice does no harm."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _patched(self, content: bytes, start: int) -> bytes:
        changed = bytearray(content)
        for place, patch in self._patches.items():
            for index, value in enumerate(patch, place - start):
                if 0 <= index < len(changed):
                    changed[index] = value
        return bytes(changed)


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
