"""A file of lines that only grows, also where files cannot: there it is a row of parts, each put whole again and again.

Enters: lines from one process. Leaves: on a file system one file, to which each line is appended in one write; on an
object store parts of about a mebibyte, `NAME.00001`, `NAME.00002`, of which the last is put again while it grows.
"""

import errno
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from fcaps_pipeline.errors import OutputError
from fcaps_pipeline.storage.files import writing
from fcaps_pipeline.storage.path import StorePath

_PART_BYTES = 2**20
_PUT_S = 10.0


class GrowingFile(Protocol):
    """Takes lines; may be written from several threads of one process."""

    def __enter__(self) -> Self:
        """Opens it.

        Raises:
            OutputError: it cannot be written.
        """
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Makes sure that all lines are there."""
        ...

    def append(self, line: bytes) -> None:
        """Adds a line, given without its end.

        Raises:
            OutputError: the disk is full, for instance.
        """
        ...


def growing_file(path: StorePath) -> GrowingFile:
    """The file, to be opened by `with`."""
    return _LocalFile(path.local) if path.local is not None else _Parts(path)


def read_lines(path: StorePath) -> Iterator[bytes]:
    """Lines in the order of their writing, each with its end unless it is torn; none where there is no file.

    Raises:
        StorageError: the storage does not give them.
    """
    if path.local is not None:
        if path.local.is_file():
            with path.open() as file:
                yield from file
        return
    number = 1
    while (part := _part(path, number)).exists():
        yield from part.read().splitlines(keepends=True)
        number += 1


class _LocalFile:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._descriptor: int | None = None

    def __enter__(self) -> Self:
        """Also ends a line that a killed process left torn."""
        with writing(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
            size = os.fstat(self._descriptor).st_size
            if size and os.pread(self._descriptor, 1, size - 1) != b"\n":
                os.write(self._descriptor, b"\n")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            assert self._descriptor is not None
            os.close(self._descriptor)
            self._descriptor = None

    def append(self, line: bytes) -> None:
        with self._lock, writing(self._path):
            assert self._descriptor is not None
            if os.write(self._descriptor, line + b"\n") <= len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class _Parts:
    def __init__(self, path: StorePath) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._number = 0
        self._content = bytearray()
        self._is_put = True
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._keep_putting, daemon=True, name=f"puts {path}")

    def __enter__(self) -> Self:
        """Begins a new part: what an earlier process wrote is never touched again."""
        self._number = 1
        while _part(self._path, self._number).exists():
            self._number += 1
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over.set()
        self._thread.join()
        self._put()

    def append(self, line: bytes) -> None:
        with self._lock:
            if len(self._content) > _PART_BYTES and self._is_put:
                self._number, self._content = self._number + 1, bytearray()
            self._content += line + b"\n"
            self._is_put = False

    def _keep_putting(self) -> None:
        while not self._is_over.wait(_PUT_S):
            with suppress(OutputError):  # the next put brings these lines too, and the last one tells
                self._put()

    def _put(self) -> None:
        with self._lock:
            if not self._is_put:
                _part(self._path, self._number).put(bytes(self._content))
                self._is_put = True


def _part(path: StorePath, number: int) -> StorePath:
    return path.parent / f"{path.name}.{number:05d}"
