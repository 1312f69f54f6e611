"""Sound as decoders see it: by its bytes, with what its header should have said.

Enters: a ByteSource. Leaves: a seekable view that ends where the sound ends, shows corrected length fields and leaves
out what stands inside the sound and is none.
Decoders get this view and never a path, so no name is taken for a protocol and no file makes a decoder
open another. Errors of the storage are kept apart from errors of the sound.
"""

import errno
import io
from bisect import bisect_right
from collections.abc import Sequence

from fcaps_pipeline.audio.byte_source import ByteSource, open_bytes
from fcaps_pipeline.errors import FcapsError


class FileView:
    """Part of a ByteSource, read only; the bytes of some places can be replaced."""

    def __init__(self, source: ByteSource) -> None:
        """Sees all of it.

        Args:
            source: closed with the view.
        """
        self.name, self.suffix = source.name, source.suffix
        self.error: FcapsError | None = None
        """What the storage said when a decoder read, for decoders that keep it to themselves."""
        self.closed = False
        """As files of the `io` module have it."""
        self._patches: dict[int, bytes] = {}
        self._parts: list[tuple[int, int, int]] = []
        self._position = 0
        self._source = source
        self._start = 0
        self.num_bytes = source.num_bytes
        """Of the part that is seen."""
        self._end = self.num_bytes
        """Of what is read."""

    def narrow(self, start: int, end: int | None) -> None:
        """Sees a part only, which then is the whole; `end` None means all that is left."""
        self._start += start
        self.num_bytes = self._source.num_bytes - self._start if end is None else end - start
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
        """Bytes as the source holds them; fewer at its end.

        Raises:
            StorageError: the storage fails.
        """
        if not 0 <= offset < self.num_bytes:
            return b""
        return self._source.at(self._start + offset, max(0, min(num_bytes, self.num_bytes - offset)))

    def read(self, num_bytes: int = -1) -> bytes:
        """The next bytes, fewer before something that is left out; none at the end of the sound."""
        start, end = self._place()
        wanted = end - start if num_bytes < 0 else min(num_bytes, end - start)
        if wanted <= 0:
            return b""
        try:
            content = self._source.at(self._start + start, wanted)
        except FcapsError as error:
            self.error = error
            raise OSError(errno.EIO, str(error)) from error
        self._position += len(content)
        return self._patched(content, start) if self._patches else content

    def _place(self) -> tuple[int, int]:
        """Where in the source the next byte lies, and how far one may read on from there."""
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
        """Releases the source; once is enough, twice does no harm."""
        self.closed = True
        self._source.close()

    def _patched(self, content: bytes, start: int) -> bytes:
        changed = bytearray(content)
        for place, patch in self._patches.items():
            for index, value in enumerate(patch, place - start):
                if 0 <= index < len(changed):
                    changed[index] = value
        return bytes(changed)


def open_view(location: str) -> FileView:
    """A view of what lies at a location.

    Raises:
        FcapsError: as `open_bytes`.
    """
    return FileView(open_bytes(location))
