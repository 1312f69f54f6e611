"""One unit, from files to its commit, with scripted answers in place of queues and engines."""

import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from fcaps_pipeline.annotate.acoustics.measure import measure_segment
from fcaps_pipeline.annotate.captioning.errand import Errand
from fcaps_pipeline.annotate.run.desk import Desk
from fcaps_pipeline.annotate.run.dispatch import Answer, Lot
from fcaps_pipeline.annotate.run.itinerary import JobItinerary
from fcaps_pipeline.annotate.run.unit_worker import HandedBackError, UnitTry, UnitWorker
from fcaps_pipeline.annotate.run.watch.progress import Progress
from fcaps_pipeline.annotate.segmentation.report import SegmentationTally
from fcaps_pipeline.annotate.segmentation.segmenter import Preparation, Segmenter
from fcaps_pipeline.annotate.segmentation.silero import SileroDetector
from fcaps_pipeline.annotate.segmentation.speakers import SpeakerTurn
from fcaps_pipeline.errors import AccountingError, SourceGoneError, StorageError
from fcaps_pipeline.jobs.annotate_job import Job
from fcaps_pipeline.records.annotations import Annotation, CaptionSet, Rejection, WorkUnit
from fcaps_pipeline.records.audio import Cut, Recording, SegmentAudio
from fcaps_pipeline.records.captions import Granularity
from fcaps_pipeline.shards.layout import RunLayout, UnitCommit
from fcaps_pipeline.shards.outcomes import read_outcomes
from fcaps_pipeline.shards.reader import read_rows

NUM_SEGMENTS = 7

JOB = Job.model_validate(
    {
        "source": {"kind": "folder", "path": "speech"},
        "engines": {"small": {"kind": "vllm"}},
        "captions": {
            "fine": {"engine": "small", "prompt": "embedded_fine.v1"},
            "global": {"engine": "small", "prompt": "embedded_global.v1"},
        },
        "resources": {"segments_in_flight": 3, "storage_patience_s": 0},
    }
)

AnswerSegment = Callable[[SegmentAudio], tuple[CaptionSet, ...] | str]
Annotate = Callable[[SegmentAudio], Annotation]


class ScriptedQueue:
    """Answers every Segment, the last offered first, and remembers how many were open at once."""

    def __init__(self, answer: AnswerSegment) -> None:
        self._answer = answer
        self._open: list[tuple[Lot, str, Errand]] = []
        self.desk: Desk | None = None
        self.most_open = 0
        self.withdrawn: list[str] = []

    def offer(self, lots: tuple[Lot, ...]) -> str | None:
        for lot in lots:
            self._open += [(lot, one, lot.block[place]) for one, place in zip(lot.segment_ids, lot.places, strict=True)]
        self.most_open = max(self.most_open, len(self._open))
        if len(self._open) >= 3:
            self.answer_all()
        else:
            threading.Timer(0.05, self.answer_all).start()
        return "only"

    def answer_all(self) -> None:
        assert self.desk is not None
        while self._open:
            lot, segment_id, errand = self._open.pop()
            found = self._answer(errand.segment)
            answer = Answer(segment_id, (), found) if isinstance(found, str) else Answer(segment_id, found)
            self.desk.deliver("small", lot.owner, [answer])

    def withdraw(self, owner: str) -> None:
        self.withdrawn.append(owner)


class Bench:
    """A worker at its desk."""

    def __init__(
        self, root: Path, answer: AnswerSegment, prepare: Callable[[Recording], Preparation] | None = None
    ) -> None:
        self.layout = RunLayout(root)
        self.queue = ScriptedQueue(answer)
        self.reported: list[Progress] = []
        self.announced: list[tuple[str, bool]] = []
        self.written_before: list[int] = []
        """Segments that were written when each Recording was begun."""
        self.queue.desk = Desk("desk", {"small": self.queue}, JobItinerary(JOB), JOB.resources.segments_in_flight, list)
        segmenter = Segmenter(JOB.segmentation, SileroDetector(JOB.segmentation), measure_segment)
        self.worker = UnitWorker(
            JOB,
            self.layout,
            self.queue.desk,
            prepare or segmenter.prepare,
            self.reported.append,
            self._announce,
        )

    def _announce(self, _unit_index: int, recording_id: str, is_careful: bool) -> None:  # noqa: FBT001 - a callback
        self.announced.append((recording_id, is_careful))
        self.written_before.append(sum(one.num_segments for one in self.reported))

    def run(self, one: UnitTry) -> UnitCommit:
        self.worker.segment(one)
        return self.worker.finish(one.unit.unit_index)


@pytest.fixture
def unit(tmp_path: Path) -> WorkUnit:
    """One recording with declared segments, one that does not exist."""
    path = tmp_path / "tale.wav"
    soundfile.write(path, np.random.default_rng(0).normal(0, 0.1, 16_000 * 3 * NUM_SEGMENTS), 16_000)
    cuts = tuple(Cut(start_samples=48_000 * one, end_samples=48_000 * (one + 1)) for one in range(NUM_SEGMENTS))
    return WorkUnit(
        unit_index=0,
        recordings=(
            Recording(recording_id="tale_wav", location=str(path), source="tale.wav", cuts=cuts),
            Recording(recording_id="gone_wav", location=str(tmp_path / "gone.wav"), source="gone.wav"),
        ),
    )


def test_segments_are_written_in_order_and_all_accounted_for(
    tmp_path: Path, unit: WorkUnit, annotate: Annotate
) -> None:
    bench = Bench(tmp_path / "run", lambda segment: annotate(segment).caption_sets)
    commit = bench.run(UnitTry(unit))
    counts = (commit.num_segments, commit.num_annotations, commit.num_recording_failures)
    assert counts == (NUM_SEGMENTS, NUM_SEGMENTS, 1)
    assert [one.outcome for one in read_outcomes(bench.layout, commit)] == ["segmented", "failed"]
    starts = [row["start_samples"] for row in read_rows(bench.layout, "data")]
    assert starts == [48_000 * one for one in range(NUM_SEGMENTS)]
    assert [row["source"] for row in read_rows(bench.layout, "failures")] == ["gone.wav"]
    assert sum(one.num_segments for one in bench.reported) == NUM_SEGMENTS
    assert sum(one.audio_s for one in bench.reported) == pytest.approx(3 * NUM_SEGMENTS)
    assert bench.announced == [("tale_wav", False), ("gone_wav", False)]


class EverySecond:
    """Hears two speakers in every second Segment."""

    def __init__(self) -> None:
        self._num_heard = 0

    def turns(self, pcm_T: npt.NDArray[np.int16]) -> tuple[SpeakerTurn, ...]:
        self._num_heard += 1
        edges = [0, len(pcm_T) // 2, len(pcm_T)] if self._num_heard % 2 == 0 else [0, len(pcm_T)]
        return tuple(
            SpeakerTurn(speaker=one, start_samples=start, end_samples=end, confidence=1.0)
            for one, (start, end) in enumerate(pairwise(edges))
        )


def test_segments_of_several_speakers_are_rejections_that_say_so(
    tmp_path: Path, unit: WorkUnit, annotate: Annotate
) -> None:
    config = JOB.segmentation.model_copy(update={"speakers": "detect"})
    segmenter = Segmenter(config, SileroDetector(config), measure_segment, speakers=EverySecond())
    bench = Bench(tmp_path / "run", lambda segment: annotate(segment).caption_sets, segmenter.prepare)
    commit = bench.run(UnitTry(unit))
    assert (commit.num_segments, commit.num_annotations, commit.num_rejections) == (7, 4, 3)
    rows = list(read_rows(bench.layout, "rejections"))
    assert [(row["start_samples"], row["reason"]) for row in rows] == [
        (48_000 * place, "multi_speaker") for place in (1, 3, 5)
    ]
    (warning,) = rows[0]["warnings"]
    assert (warning["name"], warning["start_samples"], warning["end_samples"]) == ("multi_speaker", 72_000, 96_000)
    assert next(iter(read_outcomes(bench.layout, commit))).warnings == {"multi_speaker": 3}


def test_unanswered_segments_are_bounded(tmp_path: Path, unit: WorkUnit, annotate: Annotate) -> None:
    bench = Bench(tmp_path / "run", lambda segment: annotate(segment).caption_sets)
    bench.run(UnitTry(unit))
    assert 0 < bench.queue.most_open <= JOB.resources.segments_in_flight


def test_a_segment_that_nobody_can_be_asked_about_is_a_failure_with_its_reason(
    tmp_path: Path, unit: WorkUnit, annotate: Annotate
) -> None:
    def answer(segment: SegmentAudio) -> tuple[CaptionSet, ...] | str:
        is_poison = segment.segment.start_samples == 96_000
        return "tried 3 times: its process died" if is_poison else annotate(segment).caption_sets

    bench = Bench(tmp_path / "run", answer)
    commit = bench.run(UnitTry(unit))
    assert (commit.num_annotations, commit.num_segment_failures) == (NUM_SEGMENTS - 1, 1)
    (row,) = [row for row in read_rows(bench.layout, "failures") if row["segment_id"]]
    assert (row["error"], row["start_samples"]) == ("EngineDeadError", 96_000)
    assert "tried 3 times: its process died" in str(row["message"])


def test_an_answer_about_the_wrong_granularities_is_a_defect_not_a_row(
    tmp_path: Path, unit: WorkUnit, annotate: Annotate
) -> None:
    bench = Bench(tmp_path / "run", lambda segment: annotate(segment).caption_sets[:1])
    with pytest.raises(AccountingError):
        bench.run(UnitTry(unit))
    assert [path for path in bench.layout.root.on_disk().rglob("*") if path.is_file()] == []


def test_storage_that_is_ill_leaves_no_trace_of_the_unit_and_the_worker_can_run_it_again(
    tmp_path: Path, unit: WorkUnit, annotate: Annotate
) -> None:
    is_ill = True
    inner = Segmenter(JOB.segmentation, SileroDetector(JOB.segmentation), measure_segment)

    def prepare(recording: Recording) -> Preparation:
        if is_ill and recording.recording_id == "gone_wav":
            return _ill(recording)
        return inner.prepare(recording)

    bench = Bench(tmp_path / "run", lambda segment: annotate(segment).caption_sets, prepare)
    with pytest.raises(StorageError, match=r"Stale file handle; nothing was decided about gone\.wav") as raised:
        bench.worker.segment(UnitTry(unit))
    assert not isinstance(raised.value, SourceGoneError), "the other recording can be opened"
    assert [path for path in bench.layout.root.on_disk().rglob("*") if path.is_file()] == []
    is_ill = False
    assert bench.run(UnitTry(unit)).num_annotations == NUM_SEGMENTS


def test_a_unit_of_which_nothing_opens_says_so(tmp_path: Path, unit: WorkUnit, annotate: Annotate) -> None:
    bench = Bench(tmp_path / "run", lambda one: annotate(one).caption_sets, _ill)
    with pytest.raises(SourceGoneError, match="none of its recordings can be opened"):
        bench.worker.segment(UnitTry(unit))


def _ill(recording: Recording) -> Preparation:
    def segments() -> Iterator[SegmentAudio]:
        raise StorageError("cannot read: Stale file handle")
        yield

    return Preparation(recording, segments(), SegmentationTally())


def test_a_convicted_recording_fails_untouched(tmp_path: Path, unit: WorkUnit, annotate: Annotate) -> None:
    bench = Bench(tmp_path / "run", lambda segment: annotate(segment).caption_sets)
    commit = bench.run(UnitTry(unit, is_careful=True, convicted={"tale_wav": "tried 3 times: its process died"}))
    assert (commit.num_segments, commit.num_recording_failures, bench.queue.most_open) == (0, 2, 0)
    assert all(is_careful for _, is_careful in bench.announced)
    messages = {row["source"]: str(row["message"]) for row in read_rows(bench.layout, "failures")}
    assert messages["tale.wav"].startswith("tried 3 times: its process died; look at the file")


def test_a_recording_alone_begins_when_all_before_it_is_written(
    tmp_path: Path, unit: WorkUnit, annotate: Annotate
) -> None:
    bench = Bench(tmp_path / "run", lambda segment: annotate(segment).caption_sets)
    bench.run(UnitTry(unit, alone=frozenset({"gone_wav"})))
    assert bench.written_before == [0, NUM_SEGMENTS]


def test_a_worker_that_is_told_to_stop_hands_back_what_it_segments(
    tmp_path: Path, unit: WorkUnit, annotate: Annotate
) -> None:
    bench = Bench(tmp_path / "run", lambda segment: annotate(segment).caption_sets)
    bench.worker.stop()
    with pytest.raises(HandedBackError):
        bench.worker.segment(UnitTry(unit))
    assert [path for path in bench.layout.root.on_disk().rglob("*") if path.is_file()] == []


def test_to_wait_for_answers_is_to_get_on_and_to_hang_is_not(
    tmp_path: Path, unit: WorkUnit, annotate: Annotate
) -> None:
    goes_on = threading.Event()

    def answer(segment: SegmentAudio) -> tuple[CaptionSet, ...]:
        goes_on.wait(60)
        return annotate(segment).caption_sets

    bench = Bench(tmp_path / "run", answer)
    small = unit.recordings[0].model_copy(update={"cuts": (Cut(start_samples=0, end_samples=48_000),)})
    bench.worker.segment(UnitTry(unit.model_copy(update={"recordings": (small,)})))
    seen = [bench.worker.idle_s()]
    while seen[-1] < seen[0] + 0.3:
        seen.append(bench.worker.idle_s())
    assert seen == sorted(seen), "nobody does anything about the unit"
    finishing = threading.Thread(target=bench.worker.finish, args=(0,))
    finishing.start()
    while bench.worker.idle_s() >= seen[-1]:
        time.sleep(0.01)
    goes_on.set()
    finishing.join()
    assert bench.worker.idle_s() == 0, "nothing in hand"


def test_only_what_failed_is_done_again_and_the_rest_is_taken_over_as_it_is(
    tmp_path: Path, unit: WorkUnit, annotate: Annotate, reject: Callable[[SegmentAudio], Rejection]
) -> None:
    asked: list[int] = []
    is_ill = True

    def answer(segment: SegmentAudio) -> tuple[CaptionSet, ...] | str:
        asked.append(segment.segment.start_samples)
        if is_ill and segment.segment.start_samples in (48_000, 240_000):
            return "tried 3 times: its process died"
        if segment.segment.start_samples == 96_000:
            dropped = reject(segment).caption_sets[0]
            return dropped, dropped.model_copy(update={"granularity": Granularity.GLOBAL})
        return annotate(segment).caption_sets

    soundfile.write(tmp_path / "whole.wav", np.random.default_rng(1).normal(0, 0.1, 16_000 * 3), 16_000)
    cuts = (Cut(start_samples=0, end_samples=48_000),)
    whole = Recording(recording_id="whole_wav", location=str(tmp_path / "whole.wav"), source="whole.wav", cuts=cuts)
    unit = unit.model_copy(update={"recordings": (whole, *unit.recordings)})
    bench = Bench(tmp_path / "run", answer)
    first = bench.run(UnitTry(unit))
    assert (first.num_annotations, first.num_segment_failures, first.num_recording_failures) == (5, 2, 1)
    rows = {row["segment_id"]: row for row in read_rows(bench.layout, "data")}
    candidates = list(read_rows(bench.layout, "candidates"))
    asked.clear()
    is_ill = False
    again = bench.run(UnitTry(unit, earlier=first))
    assert sorted(asked) == [48_000, 240_000]
    assert (again.attempt, again.num_annotations, again.num_rejections, again.num_segment_failures) == (2, 7, 1, 0)
    assert again.num_recording_failures == 1, "the file is still not there"
    found = list(read_rows(bench.layout, "data"))
    starts = [row["start_samples"] for row in found]
    assert starts == [0, *(48_000 * one for one in range(NUM_SEGMENTS) if one != 2)]
    assert all(rows.get(row["segment_id"], row) == row for row in found)
    kept = list(read_rows(bench.layout, "candidates"))
    assert [row for row in kept if row in candidates] == candidates
    assert len({row["segment_id"] for row in kept}) == NUM_SEGMENTS + 1
    assert again.num_output_tokens == sum(row["num_output_tokens"] for row in kept)
