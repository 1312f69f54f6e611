"""Containers whose promise stands in one place: MP3 (Xing header), ASF (file properties), FLV (the last tag)."""

import struct

from fcaps_pipeline.audio.containers.outline import Outline
from fcaps_pipeline.audio.kinds import GSM_FRAME_BYTES, id3_bytes, mpeg_frame_bytes, mpeg_frame_samples
from fcaps_pipeline.audio.view import FileView

_FRAME_BYTES = 2_048
_ASF_PROPERTIES = b"\xa1\xdc\xab\x8cG\xa9\xcf\x11\x8e\xe4\x00\xc0\x0c Se"
_ASF_DATA = b"6&\xb2u\x8ef\xcf\x11\xa6\xd9\x00\xaa\x00b\xcel"
_ASF_INDEX = {b"\x90\x08\x003", b"\xd3)\xe2\xd6", b"\xf8\x03\xb1\xfe", b"\xd0?\xb7<"}
"""First bytes of the GUIDs of the index objects that may follow the data. Source: ASF specification, 10.5."""
_FLV_TAGS = {8, 9, 18}


def outline_mpeg_audio(view: FileView) -> Outline:
    """A Xing, Info or VBRI header in the first frame tells the number of frames; without one nothing does.

    Source: Xing's header, LAME's extension of it with delay and padding, Fraunhofer's VBRI.
    """
    frame = view.at(id3_bytes(view), _FRAME_BYTES)
    num_frames, trimmed = _frames_by_tag(frame)
    if num_frames is None or not mpeg_frame_bytes(frame):
        return Outline()
    num_samples, rate_hz = mpeg_frame_samples(frame)
    return Outline(length_s=max(0, num_frames * num_samples - trimmed) / rate_hz)


def _frames_by_tag(frame: bytes) -> tuple[int | None, int]:
    """Frames, and samples of delay and padding that decoders leave out."""
    at = max(frame.find(b"Xing"), frame.find(b"Info"))
    if at >= 0 and len(frame) >= at + 144:
        flags, num_frames = struct.unpack(">II", frame[at + 4 : at + 12])
        fields = sum(size for bit, size in ((1, 4), (2, 4), (4, 100), (8, 4)) if flags & bit)
        lame = frame[at + 8 + fields : at + 8 + fields + 24]
        gaps = int.from_bytes(lame[21:24]) if lame[:4] in {b"LAME", b"Lavf", b"Lavc"} else 0
        return (num_frames if flags & 1 else None), (gaps >> 12) + (gaps & 0xFFF)
    at = frame.find(b"VBRI")
    if at >= 0 and len(frame) >= at + 18:
        return int.from_bytes(frame[at + 14 : at + 18]), 0
    return None, 0


def outline_gsm(view: FileView) -> Outline:
    """Frames of one size without a header; FFmpeg fails on a part of one."""
    return Outline(end=view.num_bytes - view.num_bytes % GSM_FRAME_BYTES)


def outline_flac(view: FileView) -> Outline:
    """The blocks before the sound must be whole; the decoder knows the rest."""
    at = id3_bytes(view) + 4
    while len(head := view.at(at, 4)) == 4:
        at += 4 + int.from_bytes(head[1:])
        if head[0] & 0x80:
            return Outline(cut="it ends before its sound begins" if at >= view.num_bytes else None)
    return Outline(cut="it ends before its sound begins")


def outline_asf(view: FileView) -> Outline:
    """The file properties tell the size of the file, unless it was a broadcast."""
    head = view.at(0, 65_536)
    patches = _asf_patches(view, head)
    at = head.find(_ASF_PROPERTIES)
    if at < 0 or len(head) < at + 92:
        return Outline(patches=patches)
    size, flags = struct.unpack("<Q", head[at + 40 : at + 48])[0], struct.unpack("<I", head[at + 88 : at + 92])[0]
    if flags & 1 or size == 0:
        return Outline(patches=patches)
    present_bytes = view.num_bytes - max(0, head.find(_ASF_DATA))
    return Outline(patches=patches, present_bytes=present_bytes, missing_bytes=max(0, size - view.num_bytes))


def _asf_patches(view: FileView, head: bytes) -> dict[int, bytes]:
    """A length of 0 is read to the end: where no index follows the data that it tells of, more of it does."""
    at = head.find(_ASF_DATA)
    if at < 0 or len(head) < at + 24:
        return {}
    end = at + struct.unpack("<Q", head[at + 16 : at + 24])[0]
    return {at + 16: bytes(8)} if view.at(end, 16) and view.at(end, 4) not in _ASF_INDEX else {}


def outline_flv(view: FileView) -> Outline:
    """Behind every tag stands its length, so the last four bytes lead to the head of the last tag."""
    (length,) = struct.unpack(">I", view.at(max(0, view.num_bytes - 4), 4).rjust(4, b"\0"))
    head = view.at(view.num_bytes - 4 - length, 4) if 11 <= length < view.num_bytes - 4 else b""
    if len(head) == 4 and head[0] & 0x1F in _FLV_TAGS and int.from_bytes(head[1:]) == length - 11:
        return Outline()
    return Outline(cut="its last tag is not whole")
