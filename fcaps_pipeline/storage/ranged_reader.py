"""A far-away object as a seekable file, whose many small reads become few requests.

Enters: a Store and a key. Leaves: a file object for Parquet and decoders. A request asks for more than was asked of it,
and for ever more where one reads on; what the last few brought is kept.
"""

import io
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from fcaps_pipeline.errors import MissingFileError
from fcaps_pipeline.storage.files import reading_file
from fcaps_pipeline.storage.local_store import LocalStore
from fcaps_pipeline.storage.store import Store

FIRST_BYTES = 256 * 2**10
MOST_BYTES = 8 * 2**20
_KEPT = 4


class _Extent(NamedTuple):
    start: int
    content: bytes

    @property
    def end(self) -> int:
        return self.start + len(self.content)


class RangedReader(io.RawIOBase):
    """An object that does not change meanwhile; for one thread."""

    def __init__(self, store: Store, key: str) -> None:
        """Asks for the size.

        Raises:
            MissingFileError: there is no such object.
            StorageError: the storage does not tell.
        """
        self._store = store
        self._key = key
        size = store.num_bytes(key)
        if size is None:
            raise MissingFileError(f"{store.uri}/{key} does not exist; restore it, or correct the address")
        self.num_bytes = size
        self._position = 0
        self._extents: list[_Extent] = []
        self._ask_bytes = FIRST_BYTES

    def at(self, offset: int, num_bytes: int) -> bytes:
        """Bytes of the object; fewer at its end.

        Raises:
            StorageError: the storage does not give them.
        """
        end = min(offset + num_bytes, self.num_bytes)
        pieces = []
        while 0 <= offset < end:
            extent = self._extent(offset, end - offset)
            pieces.append(extent.content[offset - extent.start : end - extent.start])
            if not pieces[-1]:
                break  # the object became shorter meanwhile
            offset += len(pieces[-1])
        return b"".join(pieces)

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def tell(self) -> int:
        """The place of the next byte."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Goes to another place."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.num_bytes}[whence]
        self._position = max(0, base + offset)
        return self._position

    def read(self, size: int | None = -1, /) -> bytes:
        """The next bytes, all that are left without a size."""
        wanted = self.num_bytes - self._position if size is None or size < 0 else size
        content = self.at(self._position, wanted)
        self._position += len(content)
        return content

    def readall(self) -> bytes:
        """All bytes that are left."""
        return self.read()

    def readinto(self, buffer: object, /) -> int:
        """The next bytes into a buffer."""
        view = memoryview(cast("bytearray", buffer)).cast("B")
        content = self.read(len(view))
        view[: len(content)] = content
        return len(content)

    def _extent(self, offset: int, num_bytes: int) -> _Extent:
        """What holds the byte at a place, and more behind it."""
        for extent in self._extents:
            if extent.start <= offset < extent.end:
                return extent
        reads_on = bool(self._extents) and self._extents[0].end == offset
        self._ask_bytes = min(2 * self._ask_bytes, MOST_BYTES) if reads_on else FIRST_BYTES
        extent = _Extent(offset, self._store.read_range(self._key, offset, max(num_bytes, self._ask_bytes)))
        self._extents = [extent, *self._extents[: _KEPT - 1]]
        return extent


def open_ranged(store: Store, key: str) -> BinaryIO:
    """An object as a file to read from at any place.

    Raises:
        MissingFileError: there is none.
        StorageError: the storage does not give it.
    """
    if isinstance(store, LocalStore):
        return _open_local(store.path(key))
    return cast("BinaryIO", RangedReader(store, key))


def _open_local(path: Path) -> BinaryIO:
    with reading_file(path):
        return path.open("rb")
