"""Matroska and WebM: elements with a number and a length, of which the last must end with the file.

A live recording leaves the length of its segment and clusters open; then their children are walked over, so
that a file which ends inside one is found to be cut off.
"""

from fcaps_pipeline.audio.containers.outline import Outline
from fcaps_pipeline.audio.view import FileView

_EBML = 0x1A45_DFA3
_SEGMENT = 0x1853_8067
_CLUSTER = 0x1F43_B675
_TOP = {0x114D_9B74, 0x1549_A966, 0x1654_AE6B, _CLUSTER, 0x1C53_BB6B, 0x1941_A469, 0x1043_A770, 0x1254_C367}
"""What stands in a segment: seek head, info, tracks, cluster, cues, attachments, chapters, tags."""
_ANYWHERE = {0xEC, 0xBF}
_IN_CLUSTER = {0xE7, 0x5854, 0xA7, 0xAB, 0xA3, 0xA0, 0xAF}
_MAX_HEAD_BYTES = 12
_WINDOW_BYTES = 65_536


class _Window:
    """Reads small pieces of a file through one larger piece."""

    def __init__(self, view: FileView) -> None:
        self._view = view
        self._start = 0
        self._content = b""

    def at(self, offset: int, num_bytes: int) -> bytes:
        inside = offset - self._start
        if inside < 0 or inside + num_bytes > len(self._content):
            self._start, self._content = offset, self._view.at(offset, _WINDOW_BYTES)
            inside = 0
        return self._content[inside : inside + num_bytes]


def outline_matroska(view: FileView) -> Outline:
    """Walks over the elements as far as they are known."""
    window = _Window(view)
    at = end = 0
    is_live = False
    while at < view.num_bytes:
        element = _element(window, at)
        if element is None:
            if is_live and view.num_bytes - at < _MAX_HEAD_BYTES:
                return Outline(cut="it ends inside the head of an element")
            break
        number, size, start = element
        if number in {_SEGMENT, _CLUSTER} and size is None:
            at, is_live = start, is_live or number == _SEGMENT
            continue
        if size is None:
            break
        at = end = start + size
        if number not in _TOP | _ANYWHERE | _IN_CLUSTER and number not in {_SEGMENT, _EBML}:
            # Garbage between elements; FFmpeg looks for the next cluster by itself.
            return Outline(present_bytes=view.num_bytes)
    if is_live and end > view.num_bytes:
        return Outline(cut="it was recorded live and ends inside an element")
    return Outline(present_bytes=view.num_bytes, missing_bytes=max(0, end - view.num_bytes))


def next_file(view: FileView) -> int | None:
    """A second EBML head is another file, joined to this one."""
    window = _Window(view)
    at = 0
    while at < view.num_bytes and (element := _element(window, at)) is not None:
        number, size, start = element
        if number == _EBML and at:
            return at
        if size is None and number not in {_SEGMENT, _CLUSTER}:
            return None
        at = start if size is None else start + size
    return None


def _element(window: _Window, at: int) -> tuple[int, int | None, int] | None:
    """Number, length (None where it is open) and place of the content; None where no whole head stands."""
    head = window.at(at, _MAX_HEAD_BYTES)
    if not head or not head[0]:
        return None
    number_bytes = 9 - head[0].bit_length()
    if number_bytes > 4 or len(head) <= number_bytes or not head[number_bytes]:
        return None
    size_bytes = 9 - head[number_bytes].bit_length()
    if len(head) < number_bytes + size_bytes:
        return None
    number = int.from_bytes(head[:number_bytes])
    mask = (1 << 7 * size_bytes) - 1
    size = int.from_bytes(head[number_bytes : number_bytes + size_bytes]) & mask
    return number, None if size == mask else size, at + number_bytes + size_bytes
