"""Tells what a file is by its bytes: the container, or what else it holds. Bare G.722 alone goes by its name.

Enters: a FileView. Leaves: a Kind, which says how FFmpeg calls the container, what its times mean and which
of its lengths can be believed; or the reason why the file is no sound. The list is the whitelist: no demuxer
that follows a text to other files (playlists, ffconcat, SDP) is on it.
"""

import codecs
import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from fcaps_pipeline.audio.view import FileView, open_view
from fcaps_pipeline.errors import FcapsError, RecordingError

Clock = Literal["counted", "zero", "first"]
"""What time is: `counted`, the samples decoded so far; `zero`, time stamps, from the zero of the media;
`first`, time stamps, from the first of any stream in the file."""

_RAW_SUFFIXES = {".raw", ".pcm", ".sln", ".ulaw", ".alaw", ".ul", ".al", ".s16", ".sw"}
"""Names of bare samples. No more than a hint for a message: what has a header is read under any name."""
GSM_FRAME_BYTES = 33
_MIN_GSM_FRAMES = 8
SCAN_BYTES = 131_072
"""So far in, a stream of MPEG frames may begin: behind padding or the rest of a frame."""
_HEAD_BYTES = 4_096


@dataclass(frozen=True)
class Kind:
    """A container and how its sound is read."""

    demuxer: str
    """FFmpeg's name."""
    clock: Clock = "counted"
    has_exact_length: bool = False
    """Whether the length that FFmpeg tells stands in the file, so that a shorter sound is cut off."""
    slack_s: float = 0.0
    """By how much that length may be too large in a whole file: some encoders count what they pad."""
    may_follow_tags: bool = False
    """Whether an ID3 tag before the sound belongs to the container; elsewhere it was put there and is left out."""
    by_libsndfile: bool = False
    """Whether libsndfile reads it, since FFmpeg does not, or reads it wrong."""
    splices: bool = False
    """Whether streams are joined with their time stamps, so that a long jump is a splice and no gap."""


_RIFF = Kind("wav", has_exact_length=True)
_RIFX = replace(_RIFF, by_libsndfile=True)
_MOV = Kind("mov", "zero", has_exact_length=True)
_MPEG_AUDIO = Kind("mp3", may_follow_tags=True)
_ADTS = Kind("aac", may_follow_tags=True)
_OLD = Kind("", has_exact_length=True, by_libsndfile=True)
_BY_SUFFIX = {".g722": Kind("g722")}
"""Bare samples whose coding leaves nothing open: G.722 is 16 kHz, one channel, 64 kbit/s."""
_OLD_MAGIC = (b"MATLAB 5.0", b" paf", b"fap ", b"ALawSoundFile**", b"PVF1", b"Extended Instrument: ", b"2BIT")
_HTK_SAMPLE_KINDS = {0, 1_024}
"""Waveform, plain or with a checksum. Source: The HTK Book, 5.10.1."""

_MAGIC: tuple[tuple[int, bytes, Kind], ...] = (
    (0, b"fLaC", Kind("flac", "first", has_exact_length=True)),
    (0, b"OggS", Kind("ogg", "first")),
    (0, b"\x1aE\xdf\xa3", Kind("matroska", "zero", has_exact_length=True)),
    (0, b"riff\x2e\x91\xcf\x11", Kind("w64", has_exact_length=True)),
    (0, b"caff", Kind("caf", has_exact_length=True)),
    (0, b".snd", Kind("au", has_exact_length=True)),
    (0, b"NIST_1A", Kind("nistsphere", has_exact_length=True)),
    (0, b"#!AMR", Kind("amr")),
    (0, b"0&\xb2u\x8ef\xcf\x11", Kind("asf", "first")),
    (0, b"FLV\x01", Kind("flv", "first", splices=True)),
    (0, b"MAC ", Kind("ape", has_exact_length=True)),
    (0, b"wvpk", Kind("wv", "first", has_exact_length=True)),
    (0, b"TTA1", Kind("tta", has_exact_length=True)),
    (0, b"tBaK", Kind("tak", has_exact_length=True)),
    (0, b"MPCK", Kind("mpc8", has_exact_length=True)),
    (0, b"MP+", Kind("mpc", has_exact_length=True)),
    (0, b"Creative Voice File", Kind("voc")),
    (0, b"#!iLBC", Kind("ilbc")),
    (0, b"\x02dss", Kind("dss")),
    (0, b"\x03ds2", Kind("dss")),
    (0, b".RMF", Kind("rm", "first")),
    (0, b"\x00\x00\x01\xba", Kind("mpeg", "first", splices=True)),
    (0, b"\x06\x0e+4\x02\x05\x01\x01\r\x01\x02", Kind("mxf", "first")),
    (0, b"\x7f\xfe\x80\x01", Kind("dts")),
    (0, b"\xfe\x7f\x01\x80", Kind("dts")),
    (0, b"FRM8", Kind("iff")),
    (0, b"DSD ", Kind("dsf", has_exact_length=True)),
    (0, b"ajkg", Kind("shn")),
    (0, b"\x64\xa3", Kind("ircam")),
    (0, b"nut/multimedia container\0", Kind("nut", "zero")),
    (0, b".SoX", Kind("sox", has_exact_length=True)),
    (0, b"XoS.", Kind("sox", has_exact_length=True)),
    (4, b"\xf8\x72\x6f\xba", Kind("truehd")),
    (4, b"\xf8\x72\x6f\xbb", Kind("mlp")),
    *((0, magic, _OLD) for magic in _OLD_MAGIC),
    *((4, box, _MOV) for box in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot", b"styp")),
)
_FORMS: tuple[tuple[bytes, bytes, Kind], ...] = (
    (b"RIFF", b"WAVE", _RIFF),
    (b"RIFX", b"WAVE", _RIFX),
    (b"RF64", b"WAVE", _RIFF),
    (b"BW64", b"WAVE", _RIFF),
    (b"RIFF", b"AVI ", Kind("avi", "zero", has_exact_length=True, slack_s=0.5)),
    (b"RIFF", b"QLCM", Kind("qcp")),
    (b"RIFF", b"XWMA", Kind("xwma")),
    (b"FORM", b"AIFF", Kind("aiff", has_exact_length=True)),
    (b"FORM", b"AIFC", Kind("aiff", has_exact_length=True)),
    (b"FORM", b"8SVX", Kind("iff")),
    (b"FORM", b"16SV", Kind("iff", by_libsndfile=True)),
)
"""First four bytes, then those at 8."""


def find_kind(view: FileView) -> Kind:
    """The container, by its magic number or by frames that follow one another.

    Raises:
        RecordingError: the file is something else.
        StorageError: the storage fails.
    """
    start = id3_bytes(view)
    head = view.at(start, _HEAD_BYTES)
    for offset, magic, kind in _MAGIC:
        if head[offset : offset + len(magic)] == magic:
            return kind
    for first, form, kind in _FORMS:
        if head[:4] == first and head[8:12] == form:
            return kind
    if _is_htk(head, view.num_bytes):
        return _OLD
    if view.suffix in _RAW_SUFFIXES:
        raise RecordingError(
            f"{view.name} holds raw samples, which have no header that tells rate and channels; convert it first, for "
            "example with sox to WAV"
        )
    _refuse(view.name, head)
    of_frames = _kind_of_frames(view.at(start, SCAN_BYTES)) or _BY_SUFFIX.get(view.suffix)
    if of_frames is None:
        raise RecordingError(
            f"{view.name} is not audio that FFmpeg or libsndfile can read; check that it is whole, or convert it first"
        )
    return of_frames


def looks_like_audio(path: str) -> bool:
    """Whether a file of whatever name begins as sound does; False where that cannot be found out."""
    try:
        view = open_view(path)
    except FcapsError:
        return False
    try:
        find_kind(view)
    except FcapsError:
        return False
    else:
        return True
    finally:
        view.close()


def id3_bytes(view: FileView, at: int = 0) -> int:
    """Length of the ID3v2 tags that follow one another from here on; from 0 on they stand before the sound."""
    end = at
    while length := id3_tag_bytes(view.at(end, 10)):
        end += length
    return end - at


def id3_tag_bytes(head: bytes) -> int:
    """Length of one ID3v2 tag by its first ten bytes; 0 where they begin none.

    Source: ID3v2.4, 3.1: four bytes of seven bits each, and a footer where a flag says so.
    """
    if len(head) < 10 or not head.startswith(b"ID3"):
        return 0
    length = sum((byte & 0x7F) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True))
    return 10 + length + (10 if head[5] & 0x10 else 0)


def _is_htk(head: bytes, num_bytes: int) -> bool:
    """HTK has no magic number: four fields that must agree with the size of the file."""
    if len(head) < 12:
        return False
    num_samples, _, sample_bytes, kind = struct.unpack(">IIHH", head[:12])
    return sample_bytes == 2 and kind in _HTK_SAMPLE_KINDS and num_bytes == 12 + 2 * num_samples


def _kind_of_frames(content: bytes) -> Kind | None:
    """Streams without a header: three frames in a row are no accident."""
    if content[:1] == b"G" and all(content[at : at + 1] == b"G" for at in (188, 376, 564)):
        return Kind("mpegts", "first", splices=True)
    if content[4:5] == b"G" and all(content[at : at + 1] == b"G" for at in (196, 388, 580)):
        return Kind("mpegts", "first", splices=True)
    if _is_gsm(content):
        return Kind("gsm")
    found: list[tuple[int, Kind]] = []
    for sync, length, kind in _FRAME_KINDS:
        place = _first_frames(content, sync, length)
        if place is not None:
            found.append((place, kind))
    return min(found, key=lambda one: one[0])[1] if found else None


def _is_gsm(content: bytes) -> bool:
    """GSM 06.10 has no header: every frame begins with the same four bits. Source: RFC 3551, 4.5.8."""
    begins = content[: len(content) - GSM_FRAME_BYTES + 1 : GSM_FRAME_BYTES]
    is_frame = [byte >> 4 == 0xD for byte in begins]
    # Random bytes agree eight times in a row once in four thousand million files; a frame or two may be damaged.
    return len(begins) >= _MIN_GSM_FRAMES and all(is_frame[:_MIN_GSM_FRAMES]) and sum(is_frame) > 0.9 * len(begins)


def first_mpeg_frame(content: bytes) -> int | None:
    """Place of the first of three MPEG audio frames in a row; None where there is none."""
    return _first_frames(content, b"\xff", mpeg_frame_bytes)


def _first_frames(content: bytes, sync: bytes, length: Callable[[bytes], int]) -> int | None:
    place = content.find(sync)
    while place >= 0:
        at, count = place, 0
        while count < 3 and (size := length(content[at : at + 8])):
            at, count = at + size, count + 1
        # A file of fewer frames counts if they reach exactly to its end.
        if count == 3 or (count and at == len(content)):
            return place
        place = content.find(sync, place + 1)
    return None


_MPEG_KBPS = {
    (1, 1): (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""Bit rates by version (2 stands for 2.5 too) and layer. Source: ISO 11172-3 and 13818-3, 2.4.2.3."""
_MPEG_RATES_HZ = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
"""By the two version bits."""


def mpeg_frame_bytes(head: bytes) -> int:
    """Length of an MPEG audio frame by its first four bytes; 0 where they begin none."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return 0
    version, layer = head[1] >> 3 & 3, 4 - (head[1] >> 1 & 3)
    bit_rate, rate = head[2] >> 4, head[2] >> 2 & 3
    if version == 1 or layer == 4 or rate == 3 or bit_rate in {0, 15}:
        return 0
    kbps = _MPEG_KBPS[1 if version == 3 else 2, layer][bit_rate]
    rate_hz, padding = _MPEG_RATES_HZ[version][rate], head[2] >> 1 & 1
    if layer == 1:
        return (12_000 * kbps // rate_hz + padding) * 4
    return (72_000 if layer == 3 and version != 3 else 144_000) * kbps // rate_hz + padding


def mpeg_frame_samples(head: bytes) -> tuple[int, int]:
    """Samples of an MPEG audio frame, and their rate in Hz."""
    version, layer = head[1] >> 3 & 3, 4 - (head[1] >> 1 & 3)
    num_samples = 384 if layer == 1 else 576 if layer == 3 and version != 3 else 1_152
    return num_samples, _MPEG_RATES_HZ[version][head[2] >> 2 & 3]


def _adts_frame_bytes(head: bytes) -> int:
    if len(head) < 6 or head[0] != 0xFF or head[1] & 0xF6 != 0xF0 or head[2] >> 2 & 15 > 12:
        return 0
    length = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
    return length if length > 7 else 0


def _loas_frame_bytes(head: bytes) -> int:
    if len(head) < 3 or head[0] != 0x56 or head[1] & 0xE0 != 0xE0:
        return 0
    return ((head[1] & 0x1F) << 8 | head[2]) + 3


_AC3_KBPS = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640)


def _ac3_frame_bytes(head: bytes) -> int:
    """Source: ETSI TS 102 366, 4.4.1 and E.1.3.1."""
    if len(head) < 6 or head[:2] != b"\x0bw":
        return 0
    if head[5] >> 3 > 10:
        return 2 * ((head[2] & 7) << 8 | head[3]) + 2
    rate, size = head[4] >> 6, head[4] & 63
    if rate == 3 or size >= 2 * len(_AC3_KBPS):
        return 0
    words = _AC3_KBPS[size // 2] * 96_000 // (48_000, 44_100, 32_000)[rate]
    return 2 * (words + (size & 1 if rate == 1 else 0))


_FRAME_KINDS: tuple[tuple[bytes, Callable[[bytes], int], Kind], ...] = (
    (b"\xff", mpeg_frame_bytes, _MPEG_AUDIO),
    (b"\xff", _adts_frame_bytes, _ADTS),
    (b"\x0bw", _ac3_frame_bytes, Kind("ac3")),
    (b"\x56", _loas_frame_bytes, Kind("loas")),
)

OWN_BYTES: dict[str, Callable[[bytes], int]] = {
    kind.demuxer: length for _, length, kind in _FRAME_KINDS if length is not _loas_frame_bytes
}
"""By demuxer: how long a frame is by its own head, so that what a parser put behind it is seen."""

_TEXTS: tuple[tuple[bytes, str], ...] = (
    (b"version https://git-lfs", "is a Git LFS pointer, not audio: run git lfs pull where the corpus was cloned"),
    (b"ffconcat version", "is an ffconcat script that names other files; list those files instead"),
    (b"#extm3u", "is a playlist that names other files; list those files instead"),
    (b"[playlist]", "is a playlist that names other files; list those files instead"),
    (b"<?wpl", "is a playlist that names other files; list those files instead"),
    (b"<asx", "is a playlist that names other files; list those files instead"),
    (b"[reference]", "is a playlist that names other files; list those files instead"),
    (b"v=0", "is an SDP description that names a network stream, not audio; take it out of the source"),
    (b"<!doctype html", "holds HTML, a web page, not audio: the download went wrong; fetch it again"),
    (b"<html", "holds HTML, a web page, not audio: the download went wrong; fetch it again"),
    (b"<", "holds XML, not audio: the download went wrong; fetch it again"),
    (b"{", "holds JSON text, not audio: the download went wrong; fetch it again"),
)


def _refuse(name: str, head: bytes) -> None:
    """Names what is text, since no decoder could say more than that it is no sound."""
    begin = head.removeprefix(codecs.BOM_UTF8).lstrip().lower()
    text = _as_text(head)
    for words, reason in _TEXTS:
        if begin.startswith(words) or (text is not None and text.lower().startswith(words.decode())):
            raise RecordingError(f"{name} {reason}")
    if text is not None:
        raise RecordingError(
            f"{name} is not audio: it holds text that begins {text[:40]!r}; check where it was copied from"
        )


def _as_text(head: bytes) -> str | None:
    """The beginning of a file if all of it is text; None otherwise."""
    is_utf16 = head[:2] in {codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE}
    decoder = codecs.getincrementaldecoder("utf-16" if is_utf16 else "utf-8-sig")()
    try:
        text = decoder.decode(head).strip()
    except ValueError:
        return None
    return text if text and all(one.isprintable() or one.isspace() for one in text) else None
