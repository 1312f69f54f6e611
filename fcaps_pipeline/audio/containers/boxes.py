"""MP4, M4A, MOV and 3GP: boxes, of which the last must end with the file."""

import struct
from collections.abc import Iterator

from fcaps_pipeline.audio.containers.outline import Outline
from fcaps_pipeline.audio.view import FileView

_MAX_BOXES = 200_000
_HEAD_BYTES = 8


def outline_mov(view: FileView) -> Outline:
    """Walks over the boxes at the top; fragments make many of them."""
    boxes = list(_boxes(view))
    names = {name for name, _, _ in boxes}
    if not names & {b"moov", b"moof"}:
        return Outline(cut="it has no index (moov), which is written last")
    last, _, end = boxes[-1]
    if 0 < view.num_bytes - end < _HEAD_BYTES:
        return Outline(cut="it ends inside the head of a box")
    missing = max(0, end - view.num_bytes)
    if missing and (last != b"mdat" or b"moof" in names):
        # Nobody knows how many fragments would have followed.
        return Outline(cut=f"it ends inside its box {last.decode('latin-1')!r}")
    return Outline(present_bytes=view.num_bytes, missing_bytes=missing)


def next_file(view: FileView) -> int | None:
    """A second beginning behind an index is another file, joined to this one."""
    has_index = False
    for name, start, _ in _boxes(view):
        if name == b"ftyp" and has_index:
            return start
        has_index |= name == b"moov"
    return None


def _boxes(view: FileView) -> Iterator[tuple[bytes, int, int]]:
    """Name, start and end of each; the last may reach beyond the file."""
    at = 0
    for _ in range(_MAX_BOXES):
        head = view.at(at, 16)
        if len(head) < _HEAD_BYTES:
            return
        size: int = struct.unpack(">I", head[:4])[0]
        if size == 1 and len(head) == 16:
            size = struct.unpack(">Q", head[8:])[0]
        if size == 0:
            size = view.num_bytes - at
        if size < _HEAD_BYTES or not all(32 <= byte < 127 or byte >= 0xA0 for byte in head[4:8]):
            return
        yield head[4:8], at, at + size
        at += size
