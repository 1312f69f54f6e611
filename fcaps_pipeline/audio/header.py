"""What a container promises about its audio, beyond what the decoding libraries report.

Enters: a path, or the log that libsndfile kept while it opened a file. Leaves: the number of
frames that a whole file would hold, or None where the container promises nothing. Libsndfile
silently shortens a cut WAV or Sphere file to what is there, and invents a length for MP3 files
without a Xing header; comparing against the promise is how a truncated file is noticed.
"""

import re
from pathlib import Path

import soundfile

_STREAMED_SIZE_BYTES = 0x7FFF_F000
"""From this size on, a WAV header was written before its length was known (0x7FFFFFFF, 0xFFFFFFFF)."""
_UNKNOWN_FRAMES = 1 << 48
"""libsndfile reports a number near 2**63 for FLAC files whose header leaves the length open."""
_SIZE_MISMATCH = re.compile(r"^\s*(data|SSND|Data Size|riff)\s*:\s*(\d+) \(should be (\d+)\)", re.MULTILINE)
_SPHERE_SAMPLES = re.compile(rb"^sample_count -i (\d+)", re.MULTILINE)
_ID3_HEADER_BYTES = 10
_MP3_FRAME_BYTES = 1_500
_HEAD_BYTES = 1_024


def promised_frames(file: soundfile.SoundFile, path: Path) -> int | None:
    """Frames that the header of an open file promises; None where it promises nothing."""
    if file.frames >= _UNKNOWN_FRAMES:
        return None
    if file.format == "MP3":
        return int(file.frames) if _has_xing_header(path) else None
    if file.format == "NIST":
        return _sphere_frames(path)
    return _frames_by_sizes(file)


def _frames_by_sizes(file: soundfile.SoundFile) -> int:
    mismatch = _SIZE_MISMATCH.search(file.extra_info)
    if mismatch is None:
        return int(file.frames)
    header_bytes, actual_bytes = int(mismatch[2]), int(mismatch[3])
    if header_bytes >= _STREAMED_SIZE_BYTES or actual_bytes == 0:
        return int(file.frames)
    return max(int(file.frames), int(file.frames) * header_bytes // actual_bytes)


def _sphere_frames(path: Path) -> int | None:
    with path.open("rb") as stream:
        found = _SPHERE_SAMPLES.search(stream.read(_HEAD_BYTES))
    return int(found[1]) if found else None


def _has_xing_header(path: Path) -> bool:
    """Whether the first MPEG frame states the number of frames.

    Source: ID3v2.4, 3.1, for the length of the tag: four bytes of seven bits each.
    """
    with path.open("rb") as stream:
        head = stream.read(_ID3_HEADER_BYTES)
        skip = 0
        if head.startswith(b"ID3") and len(head) == _ID3_HEADER_BYTES:
            skip = _ID3_HEADER_BYTES + sum(byte << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=True))
        stream.seek(skip)
        frame = stream.read(_MP3_FRAME_BYTES)
    return b"Xing" in frame or b"Info" in frame
