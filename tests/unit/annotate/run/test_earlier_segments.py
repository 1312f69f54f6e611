"""Segments that an earlier run found are cut out again, and nothing about them differs from finding them anew."""

import sqlite3
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import soundfile

from fcaps_pipeline.annotate.acoustics.measure import measure_segment
from fcaps_pipeline.annotate.run.border import Prepare
from fcaps_pipeline.annotate.run.earlier_segments import KnownFile, KnownSegments, build_segments
from fcaps_pipeline.annotate.run.plan import load_or_make
from fcaps_pipeline.annotate.segmentation.segmenter import Preparation, Segmenter
from fcaps_pipeline.annotate.segmentation.silero import SileroDetector
from fcaps_pipeline.errors import RecordingError
from fcaps_pipeline.jobs.annotate_job import Job
from fcaps_pipeline.jobs.identity import job_identity
from fcaps_pipeline.jobs.resources import resolve_path
from fcaps_pipeline.records.annotations import Annotation, Rejection
from fcaps_pipeline.records.audio import Recording, SegmentAudio
from fcaps_pipeline.shards.layout import RecordingOutcome, RunLayout
from fcaps_pipeline.shards.plan import load_units
from fcaps_pipeline.shards.run_folder import opened
from fcaps_pipeline.shards.writer import UnitWriter
from tests.unit.learn.training.written_runs import write_index

Annotate = Callable[[SegmentAudio], Annotation]
Reject = Callable[[SegmentAudio], Rejection]


def _job(folder: Path, **changes: object) -> Job:
    content = {
        "source": {"kind": "folder", "path": str(folder)},
        "engines": {"rules": {"kind": "cascade"}},
        "captions": {"fine": {"engine": "rules", "prompt": "embedded_fine.v1"}},
    }
    return Job.model_validate(content | changes)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """A talk of several Segments, noise without speech, and a clip."""
    folder = tmp_path / "corpus"
    folder.mkdir()
    for name in ("talk", "noise-only", "woman-soft"):
        (folder / f"{name}.flac").write_bytes(resolve_path(f"package:demo_speech/{name}.flac").read_bytes())
    return folder


def _segmenter(job: Job) -> Segmenter:
    return Segmenter(job.segmentation, SileroDetector(job.segmentation), measure_segment)


def _pass(prepare: Prepare, recording: Recording) -> tuple[Preparation, list[SegmentAudio]]:
    preparation = prepare(recording)
    return preparation, list(preparation)


@pytest.fixture
def earlier(corpus: Path, tmp_path: Path, annotate: Annotate, reject: Reject) -> Iterator[RunLayout]:
    """A finished run; every other Segment was rejected, so that two tables hold them."""
    job = _job(corpus)
    with opened(tmp_path / "earlier", job_identity(job)) as layout:
        load_or_make(layout, job)
        (unit,) = load_units(layout)
        num_segments, outcomes = 0, []
        with UnitWriter(layout, 0, row_group_bytes=1_000_000) as writer:
            for recording in unit.recordings:
                preparation, segments = _pass(_segmenter(job).prepare, recording)
                for number, one in enumerate(segments):
                    writer.add(annotate(one) if number % 2 else reject(one), one)
                num_segments += len(segments)
                outcomes.append(_outcome(preparation, recording))
            writer.commit(tuple(outcomes), num_segments, 1.0)
        write_index(layout)
        yield layout


def _outcome(preparation: Preparation, recording: Recording) -> RecordingOutcome:
    return RecordingOutcome(
        source=recording.source,
        sha256=preparation.recording.sha256,
        warnings=dict(Counter(one.name for one in preparation.recording.warnings)),
        **preparation.report.model_dump(),
    )


def _no_detector(_: Recording) -> Preparation:
    raise AssertionError("a detector runs")


def _same(one: SegmentAudio, other: SegmentAudio) -> bool:
    about = (one.recording, one.segment, one.acoustics) == (other.recording, other.segment, other.acoustics)
    return about and one.events == other.events is not None and np.array_equal(one.pcm_T, other.pcm_T)


def test_known_files_need_no_detector_and_give_the_same(earlier: RunLayout, corpus: Path, tmp_path: Path) -> None:
    job = _job(corpus)
    build_segments(tmp_path / "segments.sqlite", [earlier], job)
    known = KnownSegments(tmp_path / "segments.sqlite", _no_detector, measure_segment)
    (unit,) = load_units(earlier)
    numbers = []
    for recording in unit.recordings:
        renamed = recording.model_copy(update={"recording_id": f"{recording.recording_id}-2", "speaker": "anna"})
        anew, expected = _pass(_segmenter(job).prepare, renamed)
        again, found = _pass(known.prepare, renamed)
        assert len(found) == len(expected)
        assert all(map(_same, found, expected))
        assert again.report == anew.report
        assert again.recording.sha256 == anew.recording.sha256
        numbers.append(len(found))
    assert sum(numbers) > 3
    assert 0 in numbers


def test_other_rules_of_segmentation_find_nothing(earlier: RunLayout, corpus: Path, tmp_path: Path) -> None:
    job = _job(corpus, segmentation={"max_pause_s": 0.3})
    build_segments(tmp_path / "segments.sqlite", [earlier], job)
    (unit,) = load_units(earlier)
    with pytest.raises(AssertionError, match="a detector runs"):
        _pass(KnownSegments(tmp_path / "segments.sqlite", _no_detector, measure_segment).prepare, unit.recordings[0])


def test_a_file_with_other_bytes_is_not_known(earlier: RunLayout, corpus: Path, tmp_path: Path) -> None:
    job = _job(corpus)
    build_segments(tmp_path / "segments.sqlite", [earlier], job)
    (unit,) = load_units(earlier)
    talk = next(one for one in unit.recordings if one.source == "talk.flac").model_copy(update={"stamp": None})
    audio_T, rate_hz = soundfile.read(corpus / "talk.flac", dtype="int16")
    soundfile.write(corpus / "talk.flac", audio_T // 2, rate_hz)
    known = KnownSegments(tmp_path / "segments.sqlite", _segmenter(job).prepare, measure_segment)
    _, expected = _pass(_segmenter(job).prepare, talk)
    _, found = _pass(known.prepare, talk)
    assert all(map(_same, found, expected))


def _sound_otherwise(index: Path, first: int) -> None:
    """Has the index know other samples, from a Segment of each file on."""
    with closing(sqlite3.connect(index)) as database, database:
        for key, content in database.execute("SELECT sha256, content FROM files").fetchall():
            known = KnownFile.model_validate_json(zlib.decompress(content))
            others = (one.model_copy(update={"samples_sha256": "0" * 64}) for one in known.segments[first:])
            changed = known.model_copy(update={"segments": (*known.segments[:first], *others)}).model_dump_json()
            database.execute("UPDATE files SET content = ? WHERE sha256 = ?", (zlib.compress(changed.encode()), key))


def test_samples_that_sound_otherwise_later_on_double_no_segment(
    earlier: RunLayout, corpus: Path, tmp_path: Path
) -> None:
    job, index = _job(corpus), tmp_path / "segments.sqlite"
    build_segments(index, [earlier], job)
    _sound_otherwise(index, first=1)
    known = KnownSegments(index, _no_detector, measure_segment)
    (unit,) = load_units(earlier)
    talk = next(one for one in unit.recordings if one.source == "talk.flac")
    with pytest.raises(RecordingError, match="annotate it without --reuse"):
        _pass(known.prepare, talk)


def test_samples_that_decode_otherwise_are_segmented_anew(earlier: RunLayout, corpus: Path, tmp_path: Path) -> None:
    job, index = _job(corpus), tmp_path / "segments.sqlite"
    build_segments(index, [earlier], job)
    _sound_otherwise(index, first=0)
    known_segments = KnownSegments(index, _segmenter(job).prepare, measure_segment)
    (unit,) = load_units(earlier)
    for recording in unit.recordings:
        preparation, found = _pass(known_segments.prepare, recording)
        anew, expected = _pass(_segmenter(job).prepare, recording)
        assert len(found) == len(expected)
        assert all(map(_same, found, expected))
        assert preparation.report == anew.report
