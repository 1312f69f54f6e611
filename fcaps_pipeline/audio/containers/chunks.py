"""Containers made of chunks with a name and a length: WAV in all its forms, AIFF, W64, CAF, AU, Sphere, AVI.

The chunk that holds the samples is found and its length compared with the file. A length of 0, or one near the
largest number that the field holds, was written before the length was known: it promises nothing.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace

from fcaps_pipeline.audio.containers.outline import Outline
from fcaps_pipeline.audio.view import FileView
from fcaps_pipeline.errors import RecordingError

_STREAMED_BYTES = 0x7F00_0000
"""From here on a 32-bit length that is too long is a placeholder: 0x7F000000 (AIFF of sox), 0x7FFFF000, 0xFFFFFFFF."""
_STREAMED_BYTES_64 = 0x7FFF_0000_0000_0000
_MAX_CHUNKS = 10_000
_SMALL_TAIL_BYTES = 256
"""A rest so short behind the samples is a tag or padding, whatever it says."""
_TAGS = (b"ID3", b"TAG", b"APET")
"""What taggers append to any file."""
_WRAP_BYTES = 1 << 32
_MAX_HEAD_BYTES = 65_536
_W64_DATA = b"data\xf3\xac\xd3\x11\x8c\xd1\x00\xc0O\x8e\xdb\x8a"
_SPHERE_FIELD = re.compile(rb"^(\w+) -(?:i|r|s\d+) (.*?)\s*$", re.MULTILINE)


@dataclass(frozen=True)
class _Chunk:
    name: bytes
    start: int
    """Place of its content."""
    size: int
    size_at: int
    """Place of the length field."""


def outline_wav(view: FileView) -> Outline:
    """RIFF, RIFX, RF64 and BW64.

    Raises:
        RecordingError: the samples are spread over several chunks, of which no kept decoder reads more than the first.
    """
    order = ">" if view.at(0, 4) == b"RIFX" else "<"
    long_size: tuple[int, int] | None = None
    streamed: dict[int, bytes] = {}
    for chunk in _chunks(view, order, 12):
        if chunk.name == b"ds64" and len(content := view.at(chunk.start, 16)) == 16:
            long_size = (struct.unpack("<Q", content[8:])[0], chunk.start + 8)
        if chunk.name == b"fact" and _number(view, chunk.start, order) >= _STREAMED_BYTES:
            streamed = {chunk.start: bytes(4)}
        if chunk.name == b"data":
            if long_size is not None and view.at(0, 4) in {b"RF64", b"BW64"}:
                outline = _held_against(view, _Chunk(b"data", chunk.start, *long_size), order, "<Q")
            else:
                outline = _held_against(view, chunk, order, order + "I")
                _refuse_further_samples(view, chunk, outline, order)
            return _without_count(outline, streamed)
    return Outline()


def _refuse_further_samples(view: FileView, chunk: _Chunk, outline: Outline, order: str) -> None:
    behind = chunk.start + chunk.size + (chunk.size & 1)
    if outline.end is None and any(one.name == b"data" and one.size for one in _chunks(view, order, behind)):
        raise RecordingError(
            f"{view.name} holds its samples in several chunks (data), of which decoders read the first; write it again "
            "as one, for example by joining what `sox` or an editor exports"
        )


def _number(view: FileView, at: int, order: str) -> int:
    content = view.at(at, 4)
    return int.from_bytes(content, "big" if order == ">" else "little") if len(content) == 4 else 0


def _without_count(outline: Outline, streamed: dict[int, bytes]) -> Outline:
    """A number of samples that was written before it was known is taken away."""
    if not streamed:
        return outline
    return replace(outline, patches={**outline.patches, **streamed}, has_exact_length=False)


def outline_aiff(view: FileView) -> Outline:
    """AIFF and AIFF-C; the samples begin eight bytes into their chunk."""
    streamed: dict[int, bytes] = {}
    for chunk in _chunks(view, ">", 12):
        if chunk.name == b"COMM" and _number(view, chunk.start + 2, ">") >= _STREAMED_BYTES // 4:
            streamed = {chunk.start + 2: bytes(4)}
        if chunk.name == b"SSND":
            return _without_count(_with_form(view, _held_against(view, chunk, ">", ">I")), streamed)
    return Outline()


def outline_iff(view: FileView) -> Outline:
    """8SVX, whose samples are its body, and DSDIFF, whose chunks have lengths of eight bytes."""
    if view.at(0, 4) == b"FRM8":
        return _outline_dsdiff(view)
    for chunk in _chunks(view, ">", 12):
        if chunk.name == b"BODY":
            return _with_form(view, _held_against(view, chunk, ">", ">I"))
    return Outline()


def _outline_dsdiff(view: FileView) -> Outline:
    at = 16
    for _ in range(_MAX_CHUNKS):
        head = view.at(at, 12)
        if len(head) < 12:
            break
        size = struct.unpack(">Q", head[4:])[0]
        if head[:4] in {b"DSD ", b"DST "}:
            return _short_of(view, at + 12, at + 12 + size)
        at += 12 + size + (size & 1)
    return Outline()


def outline_dsf(view: FileView) -> Outline:
    """DSF: three chunks with lengths of eight bytes that count their heads; the last holds the samples."""
    at = 28 + int.from_bytes(view.at(32, 8), "little")
    return _short_of(view, at + 12, at + int.from_bytes(view.at(at + 4, 8), "little"))


def outline_realmedia(view: FileView) -> Outline:
    """RealMedia: chunks whose lengths count their heads; a length of 0 was never written."""
    at = 0
    for _ in range(_MAX_CHUNKS):
        head = view.at(at, 8)
        size = _number(view, at + 4, ">")
        if len(head) < 8 or size < 8:
            break
        if head[:4] == b"DATA":
            return _short_of(view, at + 18, at + size)
        at += size
    return Outline()


def outline_sox(view: FileView) -> Outline:
    """SoX's own format: a header that tells its length and the number of samples, each of four bytes."""
    order = "<" if view.at(0, 4) == b".SoX" else ">"
    start = 4 + _number(view, 4, order)
    return _short_of(view, start, start + 4 * struct.unpack(order + "Q", view.at(8, 8).ljust(8, b"\0"))[0])


def _short_of(view: FileView, start: int, end: int) -> Outline:
    """Samples from `start` to `end`, as far as they are there."""
    return Outline(present_bytes=max(0, view.num_bytes - start), missing_bytes=max(0, end - view.num_bytes))


def outline_voc(view: FileView) -> Outline:
    """Creative Voice: blocks with lengths of three bytes, and a last one of a single 0."""
    at = int.from_bytes(view.at(20, 2), "little")
    for _ in range(_MAX_CHUNKS):
        head = view.at(at, 4)
        if view.num_bytes - at < _SMALL_TAIL_BYTES or head[0] == 0:
            break
        at += 4 + int.from_bytes(head[1:], "little")
    return Outline(present_bytes=view.num_bytes, missing_bytes=max(0, at - view.num_bytes))


def outline_w64(view: FileView) -> Outline:
    """Sony Wave64: names of 16 bytes, lengths of 8 that count the head of the chunk too."""
    at = 40
    for _ in range(_MAX_CHUNKS):
        head = view.at(at, 24)
        if len(head) < 24:
            break
        size = struct.unpack("<Q", head[16:])[0]
        if head[:16] == _W64_DATA:
            chunk = _Chunk(b"data", at + 24, max(0, size - 24), at + 16)
            outline = _held_against(view, chunk, "<", None)
            if outline.end is None:
                return outline
            whole = struct.pack("<Q", outline.end - at)
            return Outline(end=outline.end, patches={at + 16: whole}, extra=outline.extra)
        at += max(24, (size + 7) & ~7)
    return Outline()


def outline_caf(view: FileView) -> Outline:
    """Core Audio Format: lengths of 8 bytes, -1 where the samples go on to the end of the file."""
    at = 8
    for _ in range(_MAX_CHUNKS):
        head = view.at(at, 12)
        if len(head) < 12:
            break
        size = struct.unpack(">q", head[4:])[0]
        if head[:4] == b"data":
            if size < 0:
                return Outline(has_exact_length=False)
            return _held_against(view, _Chunk(b"data", at + 12, size, at + 4), ">", ">Q", size_bytes=8)
        at += 12 + max(0, size)
    return Outline()


def outline_au(view: FileView) -> Outline:
    """Sun and NeXT: one header, then samples to the end."""
    head = view.at(0, 12)
    if len(head) < 12:
        return Outline()
    start, size = struct.unpack(">II", head[4:])
    return _held_against(view, _Chunk(b"data", start, size, 8), ">", ">I", has_tail=False)


def outline_sphere(view: FileView) -> Outline:
    """NIST Sphere: a text of as many bytes as its second line says, then samples to the end.

    Raises:
        RecordingError: the samples are packed in a way that no kept decoder reads.
    """
    size_text = view.at(8, 8).strip()
    start = int(size_text) if size_text.isdigit() else 1_024
    fields = dict(_SPHERE_FIELD.findall(view.at(16, min(start, 1 << 20))))
    coding = fields.get(b"sample_coding", b"pcm").decode("latin-1")
    if "," in coding:
        raise RecordingError(
            f"{view.name} is packed as {coding!r}; unpack it first, for example with sph2pipe or w_decode"
        )
    sample_bytes = [fields.get(name, b"") for name in (b"sample_count", b"channel_count", b"sample_n_bytes")]
    if not all(value.isdigit() for value in sample_bytes):
        return Outline(has_exact_length=False)
    promised = int(sample_bytes[0]) * int(sample_bytes[1]) * int(sample_bytes[2])
    present = view.num_bytes - start
    extra = _beyond(promised, present) if present > promised + _SMALL_TAIL_BYTES else None
    return Outline(
        present_bytes=present, missing_bytes=max(0, promised - present), extra=extra, has_exact_length=extra is None
    )


def outline_avi(view: FileView) -> Outline:
    """AVI, with the RIFF chunks of 1 GiB that OpenDML strings together."""
    end = 0
    for _ in range(_MAX_CHUNKS):
        head = view.at(end, 8)
        if len(head) < 8 or head[:4] != b"RIFF":
            break
        size = struct.unpack("<I", head[4:])[0]
        if size == 0 or (size >= _STREAMED_BYTES and end + size > view.num_bytes):
            return Outline(has_exact_length=False)
        end += 8 + size + (size & 1)
    return _short_of(view, max(0, view.at(0, _MAX_HEAD_BYTES).find(b"movi")), end - 1)


def _chunks(view: FileView, order: str, at: int) -> Iterator[_Chunk]:
    for _ in range(_MAX_CHUNKS):
        head = view.at(at, 8)
        if len(head) < 8:
            return
        size = struct.unpack(order + "I", head[4:])[0]
        yield _Chunk(head[:4], at + 8, size, at + 4)
        at += 8 + size + (size & 1)


def _held_against(
    view: FileView, chunk: _Chunk, order: str, field: str | None, *, size_bytes: int = 4, has_tail: bool = True
) -> Outline:
    """Compares the length of the chunk of samples with the file.

    Args:
        view: the file.
        chunk: that holds the samples, and the place of its length.
        order: byte order of the chunks that may follow.
        field: `struct` code of its length; None where the caller corrects it.
        size_bytes: of the lengths of the chunks that may follow.
        has_tail: whether other chunks may follow.
    """
    present = max(0, view.num_bytes - chunk.start)
    placeholder = _STREAMED_BYTES if field is None or struct.calcsize(field) == 4 else _STREAMED_BYTES_64
    if chunk.size > present:
        if chunk.size >= placeholder:
            return _corrected(view, chunk, view.num_bytes, field, None)
        return Outline(present_bytes=present, missing_bytes=chunk.size - present)
    end = _true_end(view, chunk, order, size_bytes, has_tail=has_tail)
    if end == chunk.start + chunk.size:
        return Outline(present_bytes=chunk.size)
    extra = None if chunk.size == 0 else _beyond(chunk.size, end - chunk.start)
    return _corrected(view, chunk, end, field, extra)


def _true_end(view: FileView, chunk: _Chunk, order: str, size_bytes: int, *, has_tail: bool) -> int:
    """The end by the header if what follows can follow, 4 GiB behind it where the length wrapped, or the file's."""
    end = chunk.start + chunk.size
    while True:
        if view.num_bytes - end <= _SMALL_TAIL_BYTES and chunk.size:
            return end
        if chunk.size and has_tail and _is_chain(view, end + (end - chunk.start & 1), order, size_bytes):
            return end
        if not chunk.size or end + _WRAP_BYTES > view.num_bytes:
            return view.num_bytes
        end += _WRAP_BYTES


def _is_chain(view: FileView, at: int, order: str, size_bytes: int) -> bool:
    """Whether named chunks, and nothing else, follow up to the end of the file."""
    for _ in range(_MAX_CHUNKS):
        if view.num_bytes - at <= _SMALL_TAIL_BYTES // 8:
            return True
        head = view.at(at, 4 + size_bytes)
        if head.startswith(_TAGS):
            return True
        if len(head) < 4 + size_bytes or not all(32 <= byte < 127 for byte in head[:4]):
            return False
        size = struct.unpack(order + ("I" if size_bytes == 4 else "Q"), head[4:])[0]
        at += 4 + size_bytes + size + (size & 1 if size_bytes == 4 else 0)
        if at > view.num_bytes + 1:
            return False
    return False


def _corrected(view: FileView, chunk: _Chunk, end: int, field: str | None, extra: str | None) -> Outline:
    size = max(0, end - chunk.start)
    if field is None:
        return Outline(end=end, extra=extra)
    largest = (1 << 8 * struct.calcsize(field)) - 1
    patch = struct.pack(field, min(size, largest))
    return Outline(end=end, patches={chunk.size_at: patch}, extra=extra, present_bytes=size)


def _with_form(view: FileView, outline: Outline) -> Outline:
    """FFmpeg looks no further than the whole, whose length is as wrong as that of the samples."""
    if not outline.patches and int.from_bytes(view.at(4, 4)) >= view.num_bytes - 9:
        return outline
    whole = struct.pack(">I", min(view.num_bytes - 8, 0xFFFF_FFFF))
    is_exact = None if not outline.patches else False  # the number of frames elsewhere is as wrong
    return replace(outline, patches={**outline.patches, 4: whole}, has_exact_length=is_exact)


def _beyond(promised: int, present: int) -> str:
    return f"its header tells {promised} bytes of samples, {present - promised} more lie behind them and were read too"
