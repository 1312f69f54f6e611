"""The border of one Recording: whatever goes wrong inside it becomes its Failure, or is passing trouble.

A Recording enters, its Segments leave, then either its report or its Failure. A bad Recording is a Failure at
once. Storage that is ill is waited for, then it is trouble of the unit: `StorageError`. Too little memory is
trouble of the process: `MemoryShortageError`. An error that nobody foresaw is tried again on the spot, and is
a Failure of this Recording when it happens every time.
"""

import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Literal, Self

from fcaps_pipeline.annotate.run.ladder import DEATHS_UNTIL_CONVICTED
from fcaps_pipeline.annotate.segmentation.report import SegmentationReport
from fcaps_pipeline.annotate.segmentation.segmenter import Preparation
from fcaps_pipeline.errors import (
    FcapsError,
    MemoryShortageError,
    MissingFileError,
    RecordingError,
    StorageError,
    printable,
)
from fcaps_pipeline.records.annotations import Failure
from fcaps_pipeline.records.audio import Recording, SegmentAudio

_MAX_MESSAGE_CHARACTERS = 1_000
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 30.0
_MEMORY_PHRASES = ("could not create a primitive", "out of memory", "allocate memory", "bad_alloc", "bad allocation")
"""What torch and oneDNN say in a plain RuntimeError."""

Prepare = Callable[[Recording], Preparation]


class Border:
    """Use as `with Border() as border:`; afterwards `error` is what was held, or None.

    Holds what concerns one Recording or its storage, and errors that nobody foresaw. Every other FcapsError concerns
    all of them and goes through, as do interruptions.
    """

    def __init__(self) -> None:
        self.error: Exception | None = None

    def __enter__(self) -> Self:
        """Returns itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        """Holds the error, or lets it through."""
        is_of_all = isinstance(error, FcapsError) and not isinstance(error, RecordingError | StorageError)
        if not isinstance(error, Exception) or is_of_all:
            return False
        self.error = error
        return True


class Visit:
    """One Recording on its way through the border: iterate once, then read `failure` and `report`."""

    def __init__(
        self,
        recording: Recording,
        prepare: Prepare,
        patience_s: float,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Opens nothing yet.

        Args:
            recording: to be segmented.
            prepare: starts a pass over a Recording.
            patience_s: how long ill storage is waited for.
            sleep: waits so many seconds.
        """
        self.failure: Failure | None = None
        self._recording = recording
        self._prepare = prepare
        self._patience_s = patience_s
        self._sleep = sleep
        self._pause_s = _FIRST_PAUSE_S
        self._num_stumbles = 0
        self._given: set[str] = set()
        self._preparation = prepare(recording)

    @property
    def recording(self) -> Recording:
        """The Recording with what reading it added; complete after the iteration."""
        return self._preparation.recording

    @property
    def report(self) -> SegmentationReport:
        """The account so far; complete after the iteration."""
        return self._preparation.report

    def __iter__(self) -> Iterator[SegmentAudio]:
        """Yields each Segment once, however often the Recording is begun anew.

        Raises:
            StorageError: the storage stays ill; nothing is known about the Recording.
            MemoryShortageError: this process should give way to a fresh one.
            FcapsError: something that would meet every Recording alike.
        """
        while True:
            with Border() as border:
                for segment in self._preparation:
                    if segment.segment.segment_id not in self._given:
                        self._given.add(segment.segment.segment_id)
                        yield segment
            if border.error is None:
                return
            self.failure = self._judged(border.error)
            if self.failure is not None:
                return
            self._preparation = self._prepare(self._recording)

    def _judged(self, error: Exception) -> Failure | None:
        """A Failure, or None where the Recording is to be begun anew."""
        if _is_lack_of_memory(error):
            raise MemoryShortageError(f"{self._recording.source}: {_one_line(error)}") from error
        if isinstance(error, RecordingError) or self._was_never_there(error):
            return failure_of(self._recording, error)
        if isinstance(error, StorageError) or (isinstance(error, OSError) and error.errno is not None):
            self._wait(error)
            return None
        self._num_stumbles += 1
        return failure_of(self._recording, error) if self._num_stumbles == DEATHS_UNTIL_CONVICTED else None

    def _was_never_there(self, error: Exception) -> bool:
        """A file that was read at planning and is missing now is trouble of the storage, one never seen is not."""
        return isinstance(error, MissingFileError) and self._recording.stamp is None

    def _wait(self, error: Exception) -> None:
        if self._pause_s > self._patience_s:
            raise StorageError(
                f"{_one_line(error)}; nothing was decided about {self._recording.source}: bring the storage back and "
                "run the same command again, or put an empty file there to have it counted as failed"
            ) from error
        self._sleep(self._pause_s)
        self._patience_s -= self._pause_s
        self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)


def failure_of(recording: Recording, error: Exception) -> Failure:
    """The Failure of a whole Recording, with what is known in one line."""
    stage: Literal["decode", "segment"] = "decode" if isinstance(error, FcapsError) else "segment"
    text = _one_line(error)
    message = text if isinstance(error, FcapsError) else f"unexpected {type(error).__name__}: {text}; please report it"
    return Failure(recording=recording, segment=None, stage=stage, error=type(error).__name__, message=message)


def _is_lack_of_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError):
        return True
    is_torch = isinstance(error, RuntimeError) and any(phrase in str(error).lower() for phrase in _MEMORY_PHRASES)
    return is_torch or (error.__cause__ is not None and _is_lack_of_memory(error.__cause__))


def _one_line(error: Exception) -> str:
    try:
        text = str(error)
    except Exception as unspeakable:  # noqa: BLE001 - an error of a library whose text cannot be made
        text = f"(its text cannot be made: {type(unspeakable).__name__})"
    text = printable(" ".join(text.split()))
    return text if len(text) <= _MAX_MESSAGE_CHARACTERS else f"{text[:_MAX_MESSAGE_CHARACTERS]} …"
