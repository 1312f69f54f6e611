"""The border of one Recording: who is at fault, the Recording, its storage or its process."""

from collections.abc import Callable, Iterator

import pytest

from fcaps_pipeline.annotate.run.border import Visit
from fcaps_pipeline.annotate.segmentation.report import SegmentationTally
from fcaps_pipeline.annotate.segmentation.segmenter import Preparation
from fcaps_pipeline.errors import (
    FcapsError,
    MemoryShortageError,
    MissingFileError,
    OutputError,
    RecordingError,
    StorageError,
)
from fcaps_pipeline.records.audio import FileStamp, Recording, SegmentAudio

MakeAudio = Callable[..., SegmentAudio]

NEVER_SEEN = Recording(recording_id="tale_wav", location="/speech/tale.wav", source="tale.wav", duration_s=60.0)
STAMP = FileStamp(size_bytes=1, modified_ns=1, header_sha256="0" * 64)
PLANNED = NEVER_SEEN.model_copy(update={"stamp": STAMP})


class _Script:
    """A segmenter whose passes yield Segments and then raise, in turn; the last pass repeats."""

    def __init__(self, segments: list[SegmentAudio], *errors: Exception | None) -> None:
        self._segments = segments
        self._errors = list(errors)
        self.num_passes = 0
        self.waits_s: list[float] = []

    def visit(self, recording: Recording = PLANNED, patience_s: float = 10.0) -> Visit:
        return Visit(recording, self._prepare, patience_s, self.waits_s.append)

    def _prepare(self, recording: Recording) -> Preparation:
        return Preparation(recording, self._pass(), SegmentationTally())

    def _pass(self) -> Iterator[SegmentAudio]:
        self.num_passes += 1
        error = self._errors.pop(0) if len(self._errors) > 1 else self._errors[0]
        yield from self._segments
        if error is not None:
            raise error


def test_storage_that_recovers_costs_nothing_and_every_segment_comes_once(make_audio: MakeAudio) -> None:
    segments = [make_audio(0, 100), make_audio(1, 100)]
    script = _Script(segments, StorageError("EIO"), OSError(5, "EIO"), None)
    visit = script.visit()
    assert list(visit) == segments
    assert (visit.failure, script.waits_s) == (None, [0.5, 1.0])


def test_storage_that_stays_ill_convicts_no_recording() -> None:
    script = _Script([], StorageError("/speech/tale.wav: Input/output error"))
    with pytest.raises(StorageError, match=r"Input/output error; nothing was decided about tale\.wav"):
        list(script.visit())
    assert script.waits_s == [0.5, 1.0, 2.0, 4.0]


def test_a_file_that_was_seen_is_waited_for_and_one_never_seen_is_a_failure() -> None:
    with pytest.raises(StorageError, match="no such file"):
        list(_Script([], MissingFileError("no such file")).visit(patience_s=0))
    visit = _Script([], MissingFileError("no such file")).visit(NEVER_SEEN)
    assert list(visit) == []
    assert visit.failure is not None
    assert visit.failure.message == "no such file"


def test_a_bad_recording_is_a_failure_at_once() -> None:
    script = _Script([], RecordingError("truncated"))
    visit = script.visit()
    assert list(visit) == []
    assert visit.failure is not None
    assert (visit.failure.stage, visit.failure.error, script.num_passes) == ("decode", "RecordingError", 1)


@pytest.mark.parametrize(
    "error",
    [MemoryError(), RuntimeError("could not create a primitive"), RuntimeError("[enforce fail] can't allocate memory")],
)
def test_a_lack_of_memory_is_trouble_of_the_process(error: Exception) -> None:
    wrapped = RecordingError("cannot be decoded")
    wrapped.__cause__ = error
    for raised in (error, wrapped):
        with pytest.raises(MemoryShortageError, match=r"^tale\.wav"):
            list(_Script([], raised).visit())


def test_what_nobody_foresaw_is_tried_three_times_on_the_spot(make_audio: MakeAudio) -> None:
    segments = [make_audio(0, 100)]
    chance = _Script(segments, ZeroDivisionError("by chance"), None)
    assert list(visit := chance.visit()) == segments
    assert visit.failure is None
    always = _Script(segments, ZeroDivisionError("by\nnature"))
    assert list(visit := always.visit()) == segments
    assert always.num_passes == 3
    assert visit.failure is not None
    assert visit.failure.message == "unexpected ZeroDivisionError: by nature; please report it"


@pytest.mark.parametrize("error", [OutputError("disk full"), FcapsError("of all")])
def test_what_concerns_every_recording_goes_through(error: FcapsError) -> None:
    with pytest.raises(type(error)):
        list(_Script([], error).visit())
