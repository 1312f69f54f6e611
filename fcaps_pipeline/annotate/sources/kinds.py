"""Which files are taken for audio: by suffix where that tells, by their first bytes where it does not.

Enters: a path. Leaves: whether it becomes a Recording. A known suffix of audio is believed, so that a broken file fails
by name instead of being passed over; a known suffix of something else is not looked into.
"""

from pathlib import Path


def _suffixes(words: str) -> frozenset[str]:
    return frozenset(f".{word}" for word in words.split())


AUDIO_SUFFIXES = _suffixes(
    """
    3g2 3ga 3gp aac ac3 aif aifc aiff alaw amr ape asf au avi awb caf dsf dts eac3 f4v flac flv m1a m2a m2ts m4a
    m4b m4r  m4v mka mkv mov mp1 mp2 mp3 mp4 mp4a mpa mpeg mpg mpga mts nist oga ogg ogm ogv opus qt ra rf64 rm
    shn snd sph  spx tta ts ulaw vob voc w64 wav wave webm weba wma wmv wv wv1 wv2
    """
)
"""Suffixes, in lower case, of what libsndfile or FFmpeg may read, sound of videos among them."""

_OTHER_SUFFIXES = _suffixes(
    """
    7z arrow bin bmp bz2 c cfg cha csv ctm ctl cue dat db doc docx eaf flist gif gz h heic html ini ipynb jpeg jpg
    js  json jsonl lab list log lst m3u m3u8 md mid midi mlf npy npz par parquet pdf phn pickle pkl png pptx ps pt
    py rar  rst rtf scp seg sgml sh sha256 sql srt stm svg tar textgrid tex tgz tif tiff toml trs tsv txt utt vtt
    webp wrd  xls xlsx xml yaml yml zip zst
    """
)
"""Suffixes, in lower case, of what commonly lies beside audio and is none."""

_HEAD_BYTES = 8_192
_RIFF_FORMS = (b"WAVE", b"AVI ")
_IMAGE_BRANDS = (b"heic", b"heix", b"mif1", b"avif")
_MAGIC = (
    b"fLaC",
    b"OggS",
    b"ID3",
    b"\x1aE\xdf\xa3",
    b"NIST_1A",
    b"caff",
    b".snd",
    b"#!AMR",
    b"ADIF",
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11",
    b"wvpk",
    b"MAC ",
    b"TTA1",
    b"ajkg",
    b"Creative Voice File",
    b"riff\x2e\x91\xcf\x11",
    b"FLV\x01",
    b"\x00\x00\x01\xba",
    b"DSD ",
    b".RMF",
)
"""How files begin. Source: FFmpeg, the probe functions of libavformat; libsndfile, src/sndfile.c."""


def is_taken(path: Path) -> bool:
    """Whether a regular file is taken for audio."""
    suffix = path.suffix.lower()
    return suffix in AUDIO_SUFFIXES or (suffix not in _OTHER_SUFFIXES and looks_like_audio(path))


def looks_like_audio(path: Path) -> bool:
    """Whether the first bytes of a regular file are those of a container of sound; False where it cannot be read."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError:
        return False
    if head[:4] in (b"RIFF", b"RIFX", b"RF64", b"BW64"):
        return head[8:12] in _RIFF_FORMS
    if head[:4] == b"FORM":
        return head[8:12] in (b"AIFF", b"AIFC")
    if head[4:8] == b"ftyp":
        return head[8:12] not in _IMAGE_BRANDS
    return head.startswith(_MAGIC) or head[4:8] in (b"moov", b"mdat", b"wide") or _is_mpeg_audio(head)


def _is_mpeg_audio(head: bytes) -> bool:
    """Two frames of MP3 or AAC (ADTS), the second where the first one says."""
    length = _frame_bytes(head)
    return length is not None and _frame_bytes(head[length : length + 7]) is not None


def _frame_bytes(head: bytes) -> int | None:
    """Length of the MPEG audio frame that begins here; None when none does.

    Source: ISO 11172-3, 2.4.1.3 and 2.4.2.3; ISO 13818-7, 6.2 (ADTS).
    """
    if len(head) < 7 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer = head[1] >> 3 & 3, head[1] >> 1 & 3
    if layer == 0 and head[1] & 0xF0 == 0xF0:
        length = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
        return length if length > 7 else None
    index, rate_index = head[2] >> 4, head[2] >> 2 & 3
    if layer == 0 or version == 1 or rate_index == 3 or index in (0, 15):
        return None
    rate_hz = (44_100, 48_000, 32_000)[rate_index] >> {3: 0, 2: 1, 0: 2}[version]
    kbps = _kbps(version, layer)[index - 1]
    padding = head[2] >> 1 & 1
    if layer == 3:
        return (12_000 * kbps // rate_hz + padding) * 4
    return (144_000 if layer == 2 or version == 3 else 72_000) * kbps // rate_hz + padding


def _kbps(version: int, layer: int) -> tuple[int, ...]:
    if version != 3:
        low = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
        return (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256) if layer == 3 else low
    return {
        3: tuple(range(32, 449, 32)),
        2: (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
        1: (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    }[layer]
