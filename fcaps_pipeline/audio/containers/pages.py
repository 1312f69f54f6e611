"""Ogg: pages, of which the last of every stream says that it is the last.

Several streams may stand one after the other (a chain); the last must end whole.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from fcaps_pipeline.audio.containers.outline import Outline
from fcaps_pipeline.audio.view import FileView

_BEGINS, _ENDS = 2, 4
_TAIL_BYTES = 262_144
"""Four pages of the largest size."""
_MAX_PAGE_BYTES = 65_307
_SOUNDS = (b"\x01vorbis", b"OpusHead", b"Speex   ", b"\x7fFLAC", b"fLaC")


@dataclass(frozen=True)
class _Page:
    start: int
    flags: int
    stream: int
    content: bytes
    is_whole: bool

    @property
    def begins_sound(self) -> bool:
        """Whether a stream of sound begins here."""
        return bool(self.flags & _BEGINS) and self.content.startswith(_SOUNDS)

    @property
    def ends_stream(self) -> bool:
        """Whether this is the last page of its stream, and whole."""
        return bool(self.flags & _ENDS) and self.is_whole


def outline_ogg(view: FileView) -> Outline:
    """Looks at the last pages; at all of them where the last ones do not decide."""
    first = next((page for page in _pages(view.at(0, _TAIL_BYTES)) if page.begins_sound), None)
    tail = list(_pages(view.at(max(0, view.num_bytes - _TAIL_BYTES), _TAIL_BYTES)))
    if first is None or not tail:
        return Outline(cut="its last page is missing")
    if tail[-1].ends_stream and tail[-1].stream == first.stream:
        return Outline(has_exact_length=True)
    open_streams = {first.stream}
    for page in _file_pages(view):
        if page.ends_stream:
            open_streams.discard(page.stream)
    if open_streams or not tail[-1].is_whole:
        return Outline(cut="its last page, with the mark of the end of the stream, is missing")
    return Outline()


def next_chain(view: FileView) -> int | None:
    """Streams that begin once others have brought sound are the next link of a chain."""
    has_content = False
    for page in _file_pages(view):
        begins = bool(page.flags & _BEGINS)
        if begins and has_content:
            return page.start
        has_content |= not begins
    return None


def _file_pages(view: FileView) -> Iterator[_Page]:
    step = 16 * _MAX_PAGE_BYTES
    for start in range(0, view.num_bytes, step):
        block = view.at(start, step + _MAX_PAGE_BYTES)
        yield from _pages(block, start, begin_before=step)


def _pages(block: bytes, offset: int = 0, begin_before: int | None = None) -> Iterator[_Page]:
    at = block.find(b"OggS")
    limit = len(block) if begin_before is None else begin_before
    while 0 <= at < limit:
        head = block[at : at + 27]
        if len(head) < 27:
            return
        lacing = block[at + 27 : at + 27 + head[26]]
        start, size = at + 27 + head[26], sum(lacing)
        stream = struct.unpack("<I", head[14:18])[0]
        whole = len(lacing) == head[26] and start + size <= len(block)
        yield _Page(offset + at, head[5], stream, block[start : start + 8], is_whole=whole)
        at = block.find(b"OggS", start + size if whole else at + 4)
