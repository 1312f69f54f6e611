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
    """Looks at the first and the last pages; at all of them where the last ones do not decide."""
    first = next((page for page in _pages(view.at(0, _TAIL_BYTES)) if page.begins_sound), None)
    tail = list(_pages(view.at(max(0, view.num_bytes - _TAIL_BYTES), _TAIL_BYTES)))
    if first is None or not tail:
        return Outline(cut="its last page is missing")
    last = tail[-1]
    if last.ends_stream and last.stream == first.stream:
        num_begun = sum(page.begins_sound for page in tail)
        return Outline(has_exact_length=num_begun <= (view.num_bytes <= _TAIL_BYTES))
    return _by_all_pages(view)


def _by_all_pages(view: FileView) -> Outline:
    open_streams: set[int] = set()
    num_begun = 0
    is_whole = True
    for page in _file_pages(view):
        if page.begins_sound:
            open_streams.add(page.stream)
            num_begun += 1
        if page.ends_stream:
            open_streams.discard(page.stream)
        is_whole = page.is_whole
    if open_streams or not is_whole:
        return Outline(cut="its last page, with the mark of the end of the stream, is missing")
    return Outline(has_exact_length=num_begun == 1)


def _file_pages(view: FileView) -> Iterator[_Page]:
    step = 16 * _MAX_PAGE_BYTES
    for start in range(0, view.num_bytes, step):
        block = view.at(start, step + _MAX_PAGE_BYTES)
        yield from _pages(block, begin_before=step)


def _pages(block: bytes, begin_before: int | None = None) -> Iterator[_Page]:
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
        yield _Page(head[5], stream, block[start : start + 8], is_whole=whole)
        at = block.find(b"OggS", start + size if whole else at + 4)
