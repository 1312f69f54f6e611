"""Reads the header of an audio file: rate, channels, length, what is odd about it. Decodes nothing.

Enters: a location. Leaves: an AudioHeader, or only the duration for planning. Whether the data is whole is found out by
decoding, in `stream`.
"""

from fcaps_pipeline.audio.opening import open_link
from fcaps_pipeline.audio.timeline import Tally
from fcaps_pipeline.audio.view import open_view
from fcaps_pipeline.audio.warnings import WarningLog
from fcaps_pipeline.errors import RecordingError, StorageError
from fcaps_pipeline.records.audio import AudioWarning
from fcaps_pipeline.records.base import Record


class AudioHeader(Record):
    """What the header of an audio file says."""

    rate_hz: int
    num_channels: int
    duration_s: float | None
    """The length that the container promises; None where it makes no promise."""
    estimate_s: float | None
    """The promised length, or else a guess by the bit rate; None where there is not even that."""
    num_bytes: int
    """Size of the file."""
    warnings: tuple[AudioWarning, ...]
    """What shows without decoding; there may be more."""


def probe(location: str) -> AudioHeader:
    """Reads the header of one file.

    Raises:
        RecordingError: the file is unreadable, empty or not audio.
        StorageError: the storage does not give it.
    """
    view = open_view(location)
    try:
        link = open_link(view, WarningLog(), Tally(), bounded=False)
        link.decoder.close()
        return AudioHeader(
            rate_hz=link.decoder.rate_hz,
            num_channels=link.decoder.num_channels,
            duration_s=link.length_s,
            estimate_s=link.decoder.length_s,
            num_bytes=view.num_bytes,
            warnings=link.warnings.records(),
        )
    finally:
        view.close()


def probe_duration_s(location: str) -> float | None:
    """Duration by the header, in seconds; None when the file or its header cannot be read, or promises nothing.

    Planning does not need to know why: decoding the same file later raises the error.
    """
    try:
        return probe(location).duration_s
    except (RecordingError, StorageError):
        return None
