"""Opens one file: view, kind, outline and decoder, and judges its end once it has been decoded.

Enters: a path. Leaves: an OpenFile. Which decoder reads what is decided here alone: FFmpeg every container that it is
known to read to its end, libsndfile what FFmpeg does not know.
"""

from dataclasses import dataclass
from pathlib import Path

from fcaps_pipeline.audio.containers.outline import Outline
from fcaps_pipeline.audio.containers.walk import walk
from fcaps_pipeline.audio.decoders import Decoder, FfmpegDecoder, SoundFileDecoder
from fcaps_pipeline.audio.kinds import LIBSNDFILE, Kind, find_kind
from fcaps_pipeline.audio.timeline import Timeline, check_channels, check_rate
from fcaps_pipeline.audio.view import FileView
from fcaps_pipeline.audio.warnings import WarningLog
from fcaps_pipeline.errors import FcapsError, RecordingError

_TOLERANCE_S = 0.1
"""A difference below this, or below one frame of the codec, is no truncation."""


@dataclass(frozen=True)
class OpenFile:
    """Everything about one open file."""

    path: Path
    view: FileView
    outline: Outline
    decoder: Decoder
    timeline: Timeline
    warnings: WarningLog
    length_s: float | None
    """The promised length, in seconds of the media; None where the container makes no promise."""

    def close(self) -> None:
        """Releases the decoder and the file."""
        self.decoder.close()
        self.view.close()

    def check_end(self) -> None:
        """Compares what was decoded with what the container promised.

        Raises:
            RecordingError: the file ends before its promise, or holds no sound.
        """
        if (reason := self.cut_off()) is not None:
            raise RecordingError(reason)
        if not self.timeline.sound_s:
            what = "nothing in it can be decoded" if self.timeline.damaged_s else "holds no sample"
            raise RecordingError(f"{self.path}: {what}; take it out of the source")
        found_s = self.timeline.position_s
        if self.length_s is not None and found_s > self.length_s + self._tolerance_s:
            detail = f"its header tells {self.length_s:.2f} s, {found_s:.2f} s are there and were read"
            self.warnings.add("longer_than_header", detail, self.length_s, found_s - self.length_s)

    def cut_off(self) -> str | None:
        """Why the file is not whole, as far as it has been decoded; None where it is."""
        found_s, outline = self.timeline.end_s, self.outline
        if outline.cut is not None:
            return f"{self.path} is truncated: {outline.cut}; {found_s:.2f} s are there; copy it again"
        missing_s = 0.0 if self.length_s is None else self.length_s - found_s
        if outline.missing_bytes:
            missing_s = max(missing_s, found_s * outline.missing_bytes / max(1, outline.present_bytes))
        if missing_s <= self._tolerance_s:
            return None
        return (
            f"{self.path} is truncated: its header promises {found_s + missing_s:.2f} s, found {found_s:.2f} s; "
            "copy it again"
        )

    @property
    def _tolerance_s(self) -> float:
        return _TOLERANCE_S if self.decoder.keeps_samples else max(_TOLERANCE_S, self.timeline.frame_s)


def open_file(path: Path) -> OpenFile:
    """Opens a file with the decoder for its container.

    Raises:
        RecordingError: it is no sound, or cannot be sound by what its header tells.
        StorageError: the storage does not give it.
    """
    view = FileView(path)
    try:
        return _opened(path, view)
    except BaseException:
        view.close()
        raise


def _opened(path: Path, view: FileView) -> OpenFile:
    kind = find_kind(view)
    outline = walk(view, kind)
    view.correct(view.num_bytes if outline.end is None else outline.end, outline.patches)
    decoder = _decoder(view, kind, outline)
    try:
        check_rate(path, decoder.rate_hz)
        check_channels(path, decoder.num_channels)
    except FcapsError:
        decoder.close()
        raise
    is_exact = kind.has_exact_length if outline.has_exact_length is None else outline.has_exact_length
    length_s = decoder.length_s if is_exact and outline.length_s is None else outline.length_s
    length_s = length_s if length_s is not None and length_s > 0 else None
    warnings = WarningLog()
    if outline.extra is not None:
        warnings.add("longer_than_header", outline.extra, 0.0)
    if decoder.num_streams > 1:
        warnings.add("other_streams", f"the file holds {decoder.num_streams} streams of sound, the first was read", 0.0)
    timeline = Timeline(path, decoder, kind, length_s, warnings)
    return OpenFile(path, view, outline, decoder, timeline, warnings, length_s)


def _decoder(view: FileView, kind: Kind, outline: Outline) -> Decoder:
    if kind.demuxer == LIBSNDFILE:
        return SoundFileDecoder(view)
    try:
        return FfmpegDecoder(view, kind)
    except RecordingError as error:
        if outline.cut is not None or outline.missing_bytes:
            reason = outline.cut or f"{outline.missing_bytes} bytes are missing"
            raise RecordingError(f"{view.path} is truncated: {reason}; copy it again") from error
        raise
