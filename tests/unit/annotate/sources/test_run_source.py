"""A run as the corpus of another: its Segments as they are, from its rows or from where they refer to."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
import soundfile

from fcaps_pipeline.annotate.acoustics.measure import measure_acoustics, measure_segment
from fcaps_pipeline.annotate.segmentation.segmenter import Segmenter
from fcaps_pipeline.annotate.segmentation.silero import SileroDetector
from fcaps_pipeline.annotate.sources.detection import detect_source
from fcaps_pipeline.annotate.sources.listing import Listing, list_recordings
from fcaps_pipeline.errors import CorruptRunError, RecordingError, SourceError
from fcaps_pipeline.jobs.annotate_job import SegmentationConfig
from fcaps_pipeline.jobs.sources import RunSource
from fcaps_pipeline.records.annotations import Annotation, Rejection
from fcaps_pipeline.records.audio import Recording, Segment, SegmentAudio
from fcaps_pipeline.shards.layout import RecordingOutcome, RunLayout
from fcaps_pipeline.shards.writer import UnitWriter
from fcaps_pipeline.storage.path import StorePath, store_path
from tests.hub_server import contents, entered, hub_server
from tests.mapped_run import SPANS, write_mapped_run, write_plan
from tests.outcomes import segmented
from tests.unit.learn.training.written_runs import write_index

MakeAudio = Callable[..., SegmentAudio]
Annotate = Callable[[SegmentAudio], Annotation]
Reject = Callable[[SegmentAudio], Rejection]
WriteRun = Callable[..., RunLayout]
CONFIG = SegmentationConfig()
NUM_SAMPLES = 40_000


@pytest.fixture
def whole_T() -> np.ndarray:
    return np.random.default_rng(0).integers(-3000, 3000, 400_000, np.int16)


@pytest.fixture
def write_run(
    tmp_path: Path, make_audio: MakeAudio, annotate: Annotate, reject: Reject, whole_T: np.ndarray
) -> WriteRun:
    """Three annotated Segments of two recordings, two of them overlapping, and a rejected one."""

    def write(*, embed: bool) -> RunLayout:
        layout = RunLayout(tmp_path / "run")
        with UnitWriter(layout, 0, row_group_bytes=100_000, embed_audio=embed) as writer:
            for name, start in (("a", 0), ("a", 30_000), ("b", 200_000)):
                audio = _segment(make_audio(), tmp_path / f"{name}.wav", whole_T, start)
                writer.add(annotate(audio), audio)
            audio = _segment(make_audio(), tmp_path / "b.wav", whole_T, 300_000)
            writer.add(reject(audio), audio)
            writer.commit((_outcome("a", 2), _outcome("b", 2)), 4, 1.0)
        write_index(layout)
        write_plan(layout, [])
        return layout

    return write


def _outcome(name: str, num_segments: int) -> RecordingOutcome:
    return segmented(num_segments).model_copy(update={"recording_id": name, "duration_s": 25.0})


def _segment(template: SegmentAudio, path: Path, whole_T: np.ndarray, start: int) -> SegmentAudio:
    soundfile.write(path, whole_T, 16_000)
    end, name = start + NUM_SAMPLES, path.stem
    about = {"source_rate_hz": 44_100, "num_channels": 2, "sha256": name * 64, "extra": '{"mood": "gay"}'}
    recording = template.recording.model_copy(update={"recording_id": name, "location": str(path), **about})
    segment = Segment(
        segment_id=Segment.make_id(name, 0, start, end),
        recording_id=name,
        channel=0,
        start_samples=start,
        end_samples=end,
        transcript="Good day.",
        speaker="anna",
    )
    pcm_T = whole_T[start:end]
    acoustics = measure_acoustics(pcm_T).model_copy(update={"clipped_share": 0.25})
    return replace(template, recording=recording, segment=segment, acoustics=acoustics, pcm_T=pcm_T)


def _listed(layout: RunLayout) -> tuple[list[Recording], Listing]:
    listing = list_recordings(RunSource(kind="run", path=str(layout.root)))
    return list(listing), listing


def _heard(recording: Recording) -> list[SegmentAudio]:
    return list(Segmenter(CONFIG, SileroDetector(CONFIG), measure_segment).prepare(recording))


def test_rows_that_hold_their_audio_need_no_file(write_run: WriteRun, tmp_path: Path, whole_T: np.ndarray) -> None:
    layout = write_run(embed=True)
    for name in "ab":
        (tmp_path / f"{name}.wav").unlink()
    (first, second), listing = _listed(layout)
    segments = [*_heard(first), *_heard(second)]
    assert [one.segment.segment_id for one in segments] == [
        "a-c0-000000000-000040000",
        "a-c0-000030000-000070000",
        "b-c0-000200000-000240000",
    ]
    for one in segments:
        start, end = one.segment.start_samples, one.segment.end_samples
        assert np.array_equal(one.pcm_T, whole_T[start:end])
        assert (one.segment.transcript, one.segment.speaker) == ("Good day.", "anna")
        assert one.acoustics == measure_acoustics(one.pcm_T).model_copy(update={"clipped_share": 0.25})
        assert (one.recording.source_rate_hz, one.recording.num_channels) == (44_100, 2)
        assert one.recording.sha256 == one.recording.recording_id * 64
        assert one.recording.extra == '{"mood": "gay"}'
    assert (first.duration_s, first.tags, first.location) == (25.0, ("calm",), str(tmp_path / "a.wav"))
    assert listing.passed_over.notes == [
        f"{layout.root}: 1 segments that it did not annotate are no part of this source"
    ]


@pytest.fixture(params=["memory", "hub"])
def moved(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path], StorePath]]:
    """Puts a folder on a store."""

    def on_memory(folder: Path) -> StorePath:
        far = store_path(f"memory://runs-{uuid4()}/one")
        for name, content in contents(folder).items():
            (far / name).put(content)
        return far

    if request.param == "memory":
        yield on_memory
    else:
        with hub_server() as hub, entered(hub, monkeypatch):
            yield lambda folder: store_path(hub.repository(contents(folder)).uri)


def test_a_run_on_a_store_is_a_source(write_run: WriteRun, moved: Callable[[Path], StorePath]) -> None:
    layout = write_run(embed=True)
    far = moved(layout.root.on_disk())
    assert detect_source(str(far)) == RunSource(kind="run", path=str(far))
    here, there = ([one for found in _listed(one)[0] for one in _heard(found)] for one in (layout, RunLayout(far)))
    assert [one.segment for one in there] == [one.segment for one in here]
    assert all(np.array_equal(one.pcm_T, other.pcm_T) for one, other in zip(there, here, strict=True))


def test_rows_by_reference_are_cut_out_of_their_files(write_run: WriteRun, whole_T: np.ndarray) -> None:
    recordings, _ = _listed(write_run(embed=False))
    segments = [one for recording in recordings for one in _heard(recording)]
    assert len(segments) == 3
    assert all(np.array_equal(one.pcm_T, whole_T[one.segment.start_samples :][:NUM_SAMPLES]) for one in segments)


def test_channels_are_read_where_the_plan_says_they_lie(
    tmp_path: Path, make_audio: MakeAudio, annotate: Annotate
) -> None:
    recordings, _ = _listed(write_mapped_run(tmp_path, make_audio, annotate))
    heard = [(one.segment.recording_id, one.segment.channel) for recording in recordings for one in _heard(recording)]
    assert heard == [(name, channel) for name, channel, _ in SPANS], "each with the recorded sha256"


@pytest.mark.parametrize("embed", [True, False])
def test_without_its_plan_a_run_must_hold_its_audio(write_run: WriteRun, *, embed: bool) -> None:
    layout = write_run(embed=embed)
    layout.plan.on_disk().unlink()
    if embed:
        assert len(_listed(layout)[0]) == 2
    else:
        with pytest.raises(CorruptRunError, match=r"plan\.json is gone.*recording a lie; restore it.*`audio: embed`"):
            _listed(layout)


def test_a_file_that_became_another_gives_no_segment(write_run: WriteRun, tmp_path: Path, whole_T: np.ndarray) -> None:
    recordings, _ = _listed(write_run(embed=False))
    soundfile.write(tmp_path / "a.wav", whole_T[::-1], 16_000)
    with pytest.raises(RecordingError, match="samples 0 to 40000 are not those that the earlier run recorded"):
        _heard(recordings[0])


def test_a_shard_that_went_or_broke_is_named(write_run: WriteRun) -> None:
    layout = write_run(embed=True)
    recordings, _ = _listed(layout)
    shard = next((layout.root / "data").on_disk().iterdir())
    shard.write_bytes(shard.read_bytes()[:-20_000])
    with pytest.raises(CorruptRunError, match="its commit record says"):
        _listed(layout)
    with pytest.raises(RecordingError, match="cannot be read"):
        _heard(recordings[0])
    shard.unlink()
    with pytest.raises(Exception, match="bring the run back"):
        _heard(recordings[0])


def test_an_unfinished_run_is_no_corpus(write_run: WriteRun) -> None:
    layout = write_run(embed=True)
    assert detect_source(layout.root.on_disk()) == RunSource(kind="run", path=str(layout.root))
    layout.index.on_disk().unlink()
    with pytest.raises(SourceError, match=r"is no run folder: it has neither index\.json nor job\.json"):
        _listed(layout)
    layout.job.on_disk().write_text("{}")
    with pytest.raises(CorruptRunError, match=r"has no index\.json: the run is not finished"):
        _listed(layout)
