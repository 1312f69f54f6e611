"""Opens one link of a file: kind, outline and decoder, and judges its end once it has been decoded.

Enters: a FileView. Leaves: a Link, which is the whole file unless several were joined. Which decoder reads what is
decided here alone: FFmpeg every container that it reads to its end, libsndfile what FFmpeg does not know.
"""

from dataclasses import dataclass

from fcaps_pipeline.audio.containers.links import Bounds, find_bounds
from fcaps_pipeline.audio.containers.outline import Outline
from fcaps_pipeline.audio.containers.walk import walk
from fcaps_pipeline.audio.decoders import Decoder, FfmpegDecoder, SoundFileDecoder
from fcaps_pipeline.audio.kinds import Kind, find_kind, id3_bytes
from fcaps_pipeline.audio.timeline import Tally, Timeline, check_channels, check_rate
from fcaps_pipeline.audio.view import FileView
from fcaps_pipeline.audio.warnings import WarningLog
from fcaps_pipeline.errors import FcapsError, RecordingError

_TOLERANCE_S = 0.1
"""A difference below this, or below one frame of the codec, is no truncation."""

_LEAST_BIT_RATE = 100
"""Bits per second that any codec takes; a count of samples beyond that was written wrong, or is read wrong."""


@dataclass(frozen=True)
class Link:
    """One file, or one of several that were joined."""

    view: FileView
    outline: Outline
    decoder: Decoder
    timeline: Timeline
    warnings: WarningLog
    slack_s: float
    """See `Kind.slack_s`."""
    length_s: float | None
    """The promised length, in seconds of the media; None where the container makes no promise."""
    next_at: int | None
    """Where the next link begins, counted from the beginning of this one; None where it is the last."""

    def check_end(self) -> None:
        """Compares what was decoded with what the container promised.

        Raises:
            RecordingError: the link ends before its promise.
        """
        if (reason := self.cut_off()) is not None:
            raise RecordingError(reason)
        found_s = self.timeline.position_s - self.timeline.begin_s
        if self.length_s is not None and found_s > self.length_s + self._tolerance_s:
            detail = f"its header tells {self.length_s:.2f} s, {found_s:.2f} s are there and were read"
            self.warnings.add(
                "longer_than_header", detail, self.timeline.begin_s + self.length_s, found_s - self.length_s
            )

    def cut_off(self) -> str | None:
        """Why the link is not whole, as far as it has been decoded; None where it is."""
        found_s, outline = self.timeline.end_s - self.timeline.begin_s, self.outline
        if outline.cut is not None:
            return f"{self.view.name} is truncated: {outline.cut}; {found_s:.2f} s are there; copy it again"
        slack_s = 0.0 if self.decoder.keeps_samples else self.slack_s
        missing_s = 0.0 if self.length_s is None else self.length_s - slack_s - found_s
        if outline.missing_bytes:
            missing_s = max(missing_s, found_s * outline.missing_bytes / max(1, outline.present_bytes))
        if missing_s <= self._tolerance_s:
            return None
        return (
            f"{self.view.name} is truncated: its header promises {found_s + missing_s:.2f} s, found {found_s:.2f} s; "
            "copy it again"
        )

    @property
    def _tolerance_s(self) -> float:
        return _TOLERANCE_S if self.decoder.keeps_samples else max(_TOLERANCE_S, self.timeline.frame_s)


def open_link(view: FileView, warnings: WarningLog, tally: Tally, *, bounded: bool) -> Link:
    """Opens the file that a view shows, or the first of those that it shows.

    Args:
        view: closed by the caller.
        warnings: told of what is odd.
        tally: where the link begins.
        bounded: whether to look for the end of the link, which can mean to read all of the file.

    Raises:
        RecordingError: it is no sound, or cannot be sound by what its header tells.
        StorageError: the storage fails.
    """
    kind = find_kind(view)
    if not kind.may_follow_tags:
        view.narrow(id3_bytes(view), None)
    bounds = find_bounds(view, kind) if bounded else Bounds()
    if bounds.next_at is not None:
        view.narrow(0, bounds.next_at)
    outline = walk(view, kind)
    view.correct(view.num_bytes if outline.end is None else outline.end, outline.patches, bounds.left_out)
    decoder = _decoder(view, kind, outline)
    try:
        check_rate(view.name, decoder.rate_hz)
        check_channels(view.name, decoder.num_channels)
    except FcapsError:
        decoder.close()
        raise
    length_s = _promised_s(kind, outline, decoder)
    if outline.extra is not None:
        warnings.add_of_file("longer_than_header", outline.extra)
    if decoder.num_streams > 1:
        detail = f"the file holds {decoder.num_streams} streams of sound, the first was read"
        warnings.add_of_file("other_streams", detail)
    timeline = Timeline(view.name, decoder, kind, length_s, warnings, tally)
    return Link(view, outline, decoder, timeline, warnings, kind.slack_s, length_s, bounds.next_at)


def _promised_s(kind: Kind, outline: Outline, decoder: Decoder) -> float | None:
    if outline.length_s is not None:
        return outline.length_s
    is_exact = kind.has_exact_length if outline.has_exact_length is None else outline.has_exact_length
    if not is_exact or not decoder.length_s:
        return None
    is_absurd = 0 < 8 * outline.present_bytes < _LEAST_BIT_RATE * decoder.length_s
    return None if is_absurd else decoder.length_s


def _decoder(view: FileView, kind: Kind, outline: Outline) -> Decoder:
    if kind.by_libsndfile:
        return SoundFileDecoder(view)
    try:
        return FfmpegDecoder(view, kind)
    except RecordingError as error:
        if outline.cut is not None or outline.missing_bytes:
            reason = outline.cut or f"{outline.missing_bytes} bytes are missing"
            raise RecordingError(f"{view.name} is truncated: {reason}; copy it again") from error
        raise
