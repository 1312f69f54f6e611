"""Finds where one file ends and another begins in the same file: chained Ogg, and files joined byte by byte.

Enters: the view of a file, or of what is left of it, and its Kind. Leaves: the place at which the next file of the
same kind begins; each is then read as a file of its own, with its own header, rate, channels and promise. Containers
that tell where they end are asked; in the others the whole is searched for the head of a file. Tags between the frames
of one MP3 are found on the way, to be left out.
"""

import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from fcaps_pipeline.audio.containers import boxes, elements, pages
from fcaps_pipeline.audio.kinds import SCAN_BYTES, Kind, first_mpeg_frame, id3_bytes, id3_tag_bytes, mpeg_frame_bytes
from fcaps_pipeline.audio.view import FileView

_BLOCK_BYTES = 1 << 22
_OVERLAP_BYTES = 64
_FLAC = re.compile(rb"fLaC[\x00\x80]\x00\x00\x22")
_TTA = re.compile(rb"TTA1[\x01-\x03]\x00.\x00[\x08\x10\x18\x20]\x00", re.DOTALL)
_APE = re.compile(rb"MAC [\x00-\xff][\x0e\x0f]\x00\x00[\x00-\x80]\x00\x00\x00", re.DOTALL)
_AMR = re.compile(rb"#!AMR(?:-WB)?\n")
_ASF = re.compile(re.escape(b"0&\xb2u\x8ef\xcf\x11\xa6\xd9\x00\xaa\x00b\xcel"))
_CAF = re.compile(rb"caff\x00\x01\x00\x00desc")
_FLV = re.compile(rb"FLV\x01[\x01\x04\x05]\x00\x00\x00\x09")
_SPHERE = re.compile(rb"NIST_1A\n +\d+\n")
_VOC = re.compile(rb"Creative Voice File\x1a")
_W64 = re.compile(rb"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00")
_FIRST_OF_FRAME = b"[" + re.escape(bytes(byte for byte in range(256) if byte & 8)) + b"]"
_WAVPACK = re.compile(rb"wvpk.{12}\x00{4}.{5}" + _FIRST_OF_FRAME, re.DOTALL)
"""A block at sample 0, the first of its channels. Source: WavPack 4 and 5 file format, block header."""
_MPEG_BEGINS = re.compile(rb"ID3[\x02-\x04]\x00|Xing|Info")
_XING_OFFSETS = (36, 21, 13)
"""From the head of a frame to its Xing header, by version and number of channels."""


@dataclass(frozen=True)
class Bounds:
    """How far a file goes, and what inside it is no part of it."""

    next_at: int | None = None
    """Where the next file begins; None where this one is the last."""
    left_out: tuple[tuple[int, int], ...] = ()
    """Tags between its frames, from their first byte to the one behind them, in order."""


def find_bounds(view: FileView, kind: Kind) -> Bounds:
    """Where the first file that a view shows ends.

    Raises:
        StorageError: the storage fails.
    """
    if kind.demuxer == "mp3":
        return _mpeg_bounds(view)
    finder = _FINDERS.get(kind.demuxer)
    return Bounds() if finder is None else Bounds(finder(view))


def _behind_riff(view: FileView) -> int | None:
    head = view.at(0, 8)
    size = struct.unpack("<I" if head[:4] == b"RIFF" else ">I", head[4:8])[0]
    return _if_begins(view, 8 + size + (size & 1), (b"RIFF", b"RIFX", b"FORM"))


def _behind_samples(view: FileView) -> int | None:
    """Behind the samples of an AU file."""
    start, size = struct.unpack(">II", view.at(4, 8).ljust(8, b"\0"))
    return _if_begins(view, start + size, (b".snd",))


def _if_begins(view: FileView, at: int, magics: tuple[bytes, ...]) -> int | None:
    return at if view.at(at, 4) in magics and view.at(at, 4) == view.at(0, 4) else None


def _marked(pattern: re.Pattern[bytes]) -> Callable[[FileView], int | None]:
    def find(view: FileView) -> int | None:
        return next((place for place in _places(view, pattern) if place > 0), None)

    return find


def _places(view: FileView, pattern: re.Pattern[bytes]) -> Iterator[int]:
    for start in range(0, view.num_bytes, _BLOCK_BYTES):
        block = view.at(start, _BLOCK_BYTES + _OVERLAP_BYTES)
        yield from (start + found.start() for found in pattern.finditer(block) if found.start() < _BLOCK_BYTES)


def _mpeg_bounds(view: FileView) -> Bounds:
    """A frame that tells the length begins another file, as does an ID3 tag before such a frame or another form.

    Any other tag stands inside one stream, as a segmenter or a radio station puts it there: the frames behind it go
    on with the bits that those before it left over, so a decoder must not begin anew.
    """
    start = id3_bytes(view)
    first = first_mpeg_frame(view.at(start, SCAN_BYTES))
    if first is None:
        return Bounds()
    form, tags, done = _form(view, start + first), list[tuple[int, int]](), start + first + 1
    for place in _places(view, _MPEG_BEGINS):
        if place < done:
            continue
        if view.at(place, 3) == b"ID3":
            frame = place + id3_bytes(view, place)
            if not _is_frame(view, frame):
                continue
            if _tells_length(view, frame) or _form(view, frame) != form:
                return Bounds(place, tuple(tags))
            tags.append((place, frame))
            done = frame
        elif (begin := _frame_of_xing(view, place)) is not None and begin >= done:
            return Bounds(begin, tuple(tags))
    return Bounds(None, tuple(tags))


def _form(view: FileView, at: int) -> tuple[int, int, bool]:
    """Version and layer, rate, and whether it is mono, of a frame."""
    head = view.at(at, 4)
    return head[1] & 0x1E, head[2] & 0x0C, head[3] >> 6 == 3


def _tells_length(view: FileView, at: int) -> bool:
    head = view.at(at, 40)
    return any(head[offset : offset + 4] in {b"Xing", b"Info"} for offset in _XING_OFFSETS) or head[36:40] == b"VBRI"


def _frame_of_xing(view: FileView, place: int) -> int | None:
    begins = (place - offset for offset in _XING_OFFSETS if place >= offset)
    return next((begin for begin in begins if _is_frame(view, begin)), None)


def _is_frame(view: FileView, at: int) -> bool:
    """Whether a frame stands here, and behind it another, a tag, or nothing more."""
    size = mpeg_frame_bytes(view.at(at, 4))
    behind = view.at(at + size, 10)
    return bool(size and (mpeg_frame_bytes(behind) or id3_tag_bytes(behind) or at + size == view.num_bytes))


_FINDERS: dict[str, Callable[[FileView], int | None]] = {
    "wav": _behind_riff,
    "aiff": _behind_riff,
    "avi": _behind_riff,
    "iff": _behind_riff,
    "wv": _marked(_WAVPACK),
    "au": _behind_samples,
    "mov": boxes.next_file,
    "matroska": elements.next_file,
    "ogg": pages.next_chain,
    "flac": _marked(_FLAC),
    "tta": _marked(_TTA),
    "ape": _marked(_APE),
    "amr": _marked(_AMR),
    "asf": _marked(_ASF),
    "caf": _marked(_CAF),
    "flv": _marked(_FLV),
    "nistsphere": _marked(_SPHERE),
    "voc": _marked(_VOC),
    "w64": _marked(_W64),
}
