"""Reads the header of an audio file: rate, channels, length. Decodes nothing.

Enters: a path. Leaves: an AudioHeader, or only the duration for planning. Whether the data is
whole is found out by decoding, in `stream`.
"""

from fcaps_pipeline.audio.location import local_path
from fcaps_pipeline.audio.readers import open_reader
from fcaps_pipeline.errors import RecordingError
from fcaps_pipeline.records.base import Record


class AudioHeader(Record):
    """What the header of an audio file says."""

    rate_hz: int
    num_channels: int
    duration_s: float | None
    """None when the header does not tell; an estimate for some MP3 and AAC files."""


def probe(location: str) -> AudioHeader:
    """Reads the header of one file.

    Raises:
        RecordingError: the file is missing, unreadable, empty or not audio.
    """
    reader = open_reader(local_path(location))
    try:
        duration_s = None if reader.num_frames is None else reader.num_frames / reader.rate_hz
        return AudioHeader(rate_hz=reader.rate_hz, num_channels=reader.num_channels, duration_s=duration_s)
    finally:
        reader.close()


def probe_duration_s(location: str) -> float | None:
    """Duration by the header, in seconds; None when the file or its header cannot be read.

    Planning does not need to know why: decoding the same file later raises the RecordingError.
    """
    try:
        return probe(location).duration_s
    except RecordingError:
        return None
