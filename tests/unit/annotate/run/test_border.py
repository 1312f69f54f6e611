"""A reader that raises everything: each error costs its recording, and only its recording."""

import builtins
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from fcaps_pipeline import errors
from fcaps_pipeline.annotate.acoustics.measure import measure_segment
from fcaps_pipeline.annotate.run.border import Border
from fcaps_pipeline.annotate.run.unit_worker import UnitTry
from fcaps_pipeline.annotate.segmentation.opening import SoundStream, open_recording
from fcaps_pipeline.annotate.segmentation.segmenter import Segmenter
from fcaps_pipeline.annotate.segmentation.silero import SileroDetector
from fcaps_pipeline.audio.stream import ChannelChoice
from fcaps_pipeline.errors import FcapsError, MissingFileError, RecordingError, StorageError
from fcaps_pipeline.records.annotations import Annotation, WorkUnit
from fcaps_pipeline.records.audio import Cut, Recording, SegmentAudio
from fcaps_pipeline.shards.layout import RunLayout, UnitCommit
from fcaps_pipeline.shards.outcomes import read_outcomes
from fcaps_pipeline.shards.reader import read_rows
from tests.unit.annotate.run.test_unit_worker import JOB, Bench


class UnspeakableError(Exception):
    """Its text cannot be made."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


def _of_python() -> list[Exception]:
    made: list[Exception] = []
    for kind in vars(builtins).values():
        if isinstance(kind, type) and issubclass(kind, Exception) and not issubclass(kind, (Warning, MemoryError)):
            try:
                made.append(kind("by chance"))
            except TypeError:
                continue
    unicode = (
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "by chance"),
        UnicodeEncodeError("utf-8", "x", 0, 1, "by chance"),
    )
    odd = (UnspeakableError(), ValueError("a\nb\udcff\x00"), ValueError("x" * 100_000))
    return [*made, *unicode, ExceptionGroup("several", [ValueError("one")]), *odd]


OF_ONE_RECORDING = (RecordingError, MissingFileError)
OF_THE_RUN = [
    kind("by chance")
    for kind in vars(errors).values()
    if isinstance(kind, type)
    and issubclass(kind, FcapsError)
    and not issubclass(kind, (*OF_ONE_RECORDING, StorageError))
]


@pytest.fixture
def run(tmp_path: Path, annotate: Callable[[SegmentAudio], Annotation]) -> Callable[[list[Exception]], UnitCommit]:
    """Annotates one recording for each error that opening it raises, with a good one before and behind them."""
    path = tmp_path / "tale.wav"
    soundfile.write(path, np.random.default_rng(0).normal(0, 0.1, 48_000), 16_000)
    cuts = (Cut(start_samples=0, end_samples=48_000),)

    def work(raised: list[Exception]) -> UnitCommit:
        names = ["first", *(str(one) for one in range(len(raised))), "last"]
        recordings = tuple(
            Recording(recording_id=name, location=str(path), source=f"{name}.wav", cuts=cuts) for name in names
        )

        def opening(recording: Recording, channels: ChannelChoice) -> SoundStream:
            if recording.recording_id.isdigit():
                raise raised[int(recording.recording_id)]
            return open_recording(recording, channels)

        segmenter = Segmenter(JOB.segmentation, SileroDetector(JOB.segmentation), measure_segment, opening)
        bench = Bench(tmp_path / "run", lambda segment: annotate(segment).caption_sets, segmenter.prepare)
        return bench.run(UnitTry(WorkUnit(unit_index=0, recordings=recordings)))

    return work


def test_whatever_a_reader_raises_costs_its_recording_alone(
    run: Callable[[list[Exception]], UnitCommit], tmp_path: Path
) -> None:
    raised = [*(kind("by chance") for kind in OF_ONE_RECORDING), *_of_python()]
    commit = run(raised)
    assert len(raised) > 50
    layout = RunLayout(tmp_path / "run")
    outcomes = [one.outcome for one in read_outcomes(layout, commit)]
    assert outcomes == ["segmented", *["failed"] * len(raised), "segmented"]
    failures = list(read_rows(layout, "failures"))
    for number, (error, failure) in enumerate(zip(raised, failures, strict=True)):
        # What Python makes of a StopIteration inside a generator.
        name = "RuntimeError" if isinstance(error, StopIteration) else type(error).__name__
        assert (failure["recording_id"], failure["error"]) == (str(number), name)
        assert failure["message"].isprintable()
        assert len(failure["message"]) < 2_000


@pytest.mark.parametrize("error", OF_THE_RUN, ids=lambda error: type(error).__name__)
def test_what_concerns_more_than_one_recording_goes_through(error: Exception) -> None:
    with pytest.raises(type(error)), Border():
        raise error
