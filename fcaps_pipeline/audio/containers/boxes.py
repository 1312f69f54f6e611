"""MP4, M4A, MOV and 3GP: boxes, of which the last must end with the file."""

import struct

from fcaps_pipeline.audio.containers.outline import Outline
from fcaps_pipeline.audio.view import FileView

_MAX_BOXES = 200_000


def outline_mov(view: FileView) -> Outline:
    """Walks over the boxes at the top; fragments make many of them."""
    at, has_index, last = 0, False, b""
    for _ in range(_MAX_BOXES):
        head = view.at(at, 16)
        if len(head) < 8:
            if head and at:
                return Outline(cut="it ends inside the head of a box")
            break
        size: int = struct.unpack(">I", head[:4])[0]
        if size == 1 and len(head) == 16:
            size = struct.unpack(">Q", head[8:])[0]
        if size == 0:
            break
        if size < 8 or not all(32 <= byte < 127 or byte >= 0xA0 for byte in head[4:8]):
            break
        last = head[4:8]
        has_index |= last in {b"moov", b"moof"}
        at += size
    missing = max(0, at - view.num_bytes)
    if not has_index:
        return Outline(cut="it has no index (moov), which is written last")
    if missing and last != b"mdat":
        return Outline(cut=f"it ends inside its box {last.decode('latin-1')!r}")
    return Outline(present_bytes=view.num_bytes, missing_bytes=missing)
