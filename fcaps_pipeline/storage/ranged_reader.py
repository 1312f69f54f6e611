"""A far-away object as a seekable file: read in large blocks, of which the last few are kept.

Enters: a Store and a key. Leaves: a file object for Parquet and decoders, whose many small reads become few requests.
"""

import io
from collections import OrderedDict
from pathlib import Path
from typing import BinaryIO, cast

from fcaps_pipeline.errors import MissingFileError
from fcaps_pipeline.storage.files import reading_file
from fcaps_pipeline.storage.local_store import LocalStore
from fcaps_pipeline.storage.store import Store

BLOCK_BYTES = 4 * 2**20
_KEPT_BLOCKS = 4


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
        self._blocks: OrderedDict[int, bytes] = OrderedDict()

    def at(self, offset: int, num_bytes: int) -> bytes:
        """Bytes of the object; fewer at its end.

        Raises:
            StorageError: the storage does not give them.
        """
        end = min(offset + num_bytes, self.num_bytes)
        if not 0 <= offset < end:
            return b""
        first, last = offset // BLOCK_BYTES, (end - 1) // BLOCK_BYTES
        if last - first >= _KEPT_BLOCKS:
            return self._store.read_range(self._key, offset, end - offset)
        content = b"".join(map(self._block, range(first, last + 1)))
        return content[offset - first * BLOCK_BYTES : end - first * BLOCK_BYTES]

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

    def _block(self, number: int) -> bytes:
        if number in self._blocks:
            self._blocks.move_to_end(number)
            return self._blocks[number]
        content = self._store.read_range(self._key, number * BLOCK_BYTES, BLOCK_BYTES)
        self._blocks[number] = content
        if len(self._blocks) > _KEPT_BLOCKS:
            self._blocks.popitem(last=False)
        return content


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
