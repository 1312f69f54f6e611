"""The border of one Recording: what goes wrong inside it costs that Recording, never the corpus.

A RecordingError says that the file is at fault. An error nobody foresaw (of a decoder, of ours) may be held too; it
then asks to be reported. Every other FcapsError concerns more than one Recording and goes through, as do interruptions.
"""

from types import TracebackType
from typing import Literal, Self

from fcaps_pipeline.audio.location import printable
from fcaps_pipeline.errors import FcapsError, MissingFileError, RecordingError
from fcaps_pipeline.records.annotations import Failure
from fcaps_pipeline.records.audio import Recording, SegmentAudio

_OWN_FAULT = (RecordingError, MissingFileError)
"""Errors that concern the one Recording and nothing else."""
_MAX_MESSAGE_CHARACTERS = 1_000


class Border:
    """Use as `with Border(...) as border:`; afterwards `error` is what was held, or None."""

    def __init__(self, *, holds_unforeseen: bool) -> None:
        """Decides whether errors that nobody foresaw are held as well."""
        self._holds_unforeseen = holds_unforeseen
        self.error: Exception | None = None

    def __enter__(self) -> Self:
        """Returns itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        """Holds what concerns the one Recording alone."""
        if not isinstance(error, Exception):
            return False
        is_foreseen = isinstance(error, FcapsError)
        if isinstance(error, _OWN_FAULT) or (not is_foreseen and self._holds_unforeseen):
            self.error = error
            return True
        return False

    def failure(self, recording: Recording, audio: SegmentAudio | None = None) -> Failure | None:
        """What was held as a Failure; of the one Segment where one is given."""
        if self.error is None:
            return None
        stage: Literal["decode", "segment", "caption"] = "segment" if audio is None else "caption"
        if isinstance(self.error, _OWN_FAULT):
            stage = "decode"
        return Failure(
            recording=recording,
            segment=audio and audio.segment,
            acoustics=audio and audio.acoustics,
            stage=stage,
            error=type(self.error).__name__,
            message=self.message(),
        )

    def message(self) -> str:
        """What was held, in one line."""
        text = _one_line(self.error)
        if isinstance(self.error, _OWN_FAULT):
            return text
        return f"unexpected {type(self.error).__name__}: {text}; please report it"


def _one_line(error: Exception | None) -> str:
    try:
        text = str(error)
    except Exception as unspeakable:  # noqa: BLE001 - an error of a library whose text cannot be made
        text = f"(its text cannot be made: {type(unspeakable).__name__})"
    text = printable(" ".join(text.split()))
    return text if len(text) <= _MAX_MESSAGE_CHARACTERS else f"{text[:_MAX_MESSAGE_CHARACTERS]} …"
