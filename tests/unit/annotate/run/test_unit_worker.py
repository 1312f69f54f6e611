"""One unit, from files to its commit, with scripted answers in place of an engine."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from fcaps_pipeline.annotate.run.unit_worker import PendingCaptions, UnitWorker
from fcaps_pipeline.annotate.run.watch.progress import Progress
from fcaps_pipeline.errors import AccountingError, EngineDeadError
from fcaps_pipeline.jobs.annotate_job import Job
from fcaps_pipeline.records.annotations import Annotation, CaptionSet, WorkUnit
from fcaps_pipeline.records.audio import Cut, Recording, SegmentAudio
from fcaps_pipeline.shards.layout import RunLayout
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
        "resources": {"segments_in_flight": 3},
    }
)


class ScriptedPool:
    """Answers every Segment with the same captions, and remembers how many were open at once."""

    def __init__(self, answer: Callable[[SegmentAudio], tuple[CaptionSet, ...]]) -> None:
        self._answer = answer
        self._num_open = 0
        self.most_open = 0

    def submit(self, segment: SegmentAudio) -> PendingCaptions:
        self._num_open += 1
        self.most_open = max(self.most_open, self._num_open)

        def wait() -> tuple[CaptionSet, ...]:
            self._num_open -= 1
            return self._answer(segment)

        return wait

    def forget(self) -> None:
        self._num_open = 0


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
    tmp_path: Path, unit: WorkUnit, annotate: Callable[[SegmentAudio], Annotation]
) -> None:
    layout = RunLayout(tmp_path / "run")
    pool = ScriptedPool(lambda segment: annotate(segment).caption_sets)
    reported: list[Progress] = []
    commit = UnitWorker(JOB, layout, pool, reported.append).run(unit)
    assert (commit.num_segments, commit.num_annotations, commit.num_recording_failures) == (
        NUM_SEGMENTS,
        NUM_SEGMENTS,
        1,
    )
    assert [one.outcome for one in commit.recordings] == ["segmented", "failed"]
    assert [row["start_samples"] for row in read_rows(layout, "data")] == [48_000 * one for one in range(NUM_SEGMENTS)]
    assert [row["source"] for row in read_rows(layout, "failures")] == ["gone.wav"]
    assert sum(one.num_segments for one in reported) == NUM_SEGMENTS
    assert sum(one.audio_s for one in reported) == pytest.approx(3 * NUM_SEGMENTS)


def test_waiting_segments_are_bounded(
    tmp_path: Path, unit: WorkUnit, annotate: Callable[[SegmentAudio], Annotation]
) -> None:
    pool = ScriptedPool(lambda segment: annotate(segment).caption_sets)
    UnitWorker(JOB, RunLayout(tmp_path / "run"), pool, lambda _: None).run(unit)
    assert pool.most_open == JOB.resources.segments_in_flight + 1


def test_a_dead_engine_leaves_no_trace_of_the_unit_and_the_worker_can_run_it_again(
    tmp_path: Path, unit: WorkUnit, annotate: Callable[[SegmentAudio], Annotation]
) -> None:
    answered = 0

    def dies_once(segment: SegmentAudio) -> tuple[CaptionSet, ...]:
        nonlocal answered
        answered += 1
        if answered == 4:
            raise EngineDeadError("gone")
        return annotate(segment).caption_sets

    layout = RunLayout(tmp_path / "run")
    worker = UnitWorker(JOB, layout, ScriptedPool(dies_once), lambda _: None)
    with pytest.raises(EngineDeadError):
        worker.run(unit)
    assert [path for path in layout.root.rglob("*") if path.is_file()] == []
    assert worker.run(unit).num_annotations == NUM_SEGMENTS


def test_an_answer_about_the_wrong_granularities_is_a_defect_not_a_row(
    tmp_path: Path, unit: WorkUnit, annotate: Callable[[SegmentAudio], Annotation]
) -> None:
    pool = ScriptedPool(lambda segment: annotate(segment).caption_sets[:1])
    with pytest.raises(AccountingError):
        UnitWorker(JOB, RunLayout(tmp_path / "run"), pool, lambda _: None).run(unit)
    assert not RunLayout(tmp_path / "run").commit(0).exists()


def test_on_the_last_try_an_unexpected_error_costs_one_segment_not_the_unit(
    tmp_path: Path, unit: WorkUnit, annotate: Callable[[SegmentAudio], Annotation]
) -> None:
    def stumbles(segment: SegmentAudio) -> tuple[CaptionSet, ...]:
        if segment.segment.start_samples == 96_000:
            raise ZeroDivisionError("by chance")
        return annotate(segment).caption_sets

    layout = RunLayout(tmp_path / "run")
    worker = UnitWorker(JOB, layout, ScriptedPool(stumbles), lambda _: None)
    with pytest.raises(ZeroDivisionError):
        worker.run(unit)
    commit = worker.run(unit, isolate=True)
    assert (commit.num_annotations, commit.num_segment_failures) == (NUM_SEGMENTS - 1, 1)
    messages = [row["message"] for row in read_rows(layout, "failures") if row["segment_id"]]
    assert messages == ["unexpected ZeroDivisionError: by chance; please report it"]


def test_the_recording_in_progress_has_its_name_in_a_file_until_it_is_done(
    tmp_path: Path, unit: WorkUnit, annotate: Callable[[SegmentAudio], Annotation]
) -> None:
    layout = RunLayout(tmp_path / "run")
    named: list[str] = []

    def answer(segment: SegmentAudio) -> tuple[CaptionSet, ...]:
        if layout.in_progress(0).exists():
            named.append(layout.in_progress(0).read_text())
        return annotate(segment).caption_sets

    UnitWorker(JOB, layout, ScriptedPool(answer), lambda _: None).run(unit)
    # The last answers are waited for when no Recording is in progress any more.
    assert named == ["tale_wav"] * (NUM_SEGMENTS - JOB.resources.segments_in_flight)
    assert not layout.in_progress(0).exists()


def test_a_recording_that_took_every_process_down_fails_alone_and_untouched(
    tmp_path: Path, unit: WorkUnit, annotate: Callable[[SegmentAudio], Annotation]
) -> None:
    layout = RunLayout(tmp_path / "run")
    pool = ScriptedPool(lambda segment: annotate(segment).caption_sets)
    commit = UnitWorker(JOB, layout, pool, lambda _: None).run(unit, isolate=True, deadly="gone_wav")
    assert (commit.num_annotations, commit.num_recording_failures) == (NUM_SEGMENTS, 1)
    (failure,) = read_rows(layout, "failures")
    assert failure["message"] == "every process that came to it died; look at the file, or give the machine more memory"
    commit = UnitWorker(JOB, RunLayout(tmp_path / "other"), pool, lambda _: None).run(unit, deadly="tale_wav")
    assert (commit.num_segments, commit.num_recording_failures, pool.most_open) == (0, 2, 4)
