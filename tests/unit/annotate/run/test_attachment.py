"""Rows by reference: their samples are found again where they lie, or the row says what is wrong."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from fcaps_pipeline.annotate.run.attachment import AudioState, attach_audio, check_audio
from fcaps_pipeline.annotate.run.soundness import verify
from fcaps_pipeline.audio.flac import decode_flac
from fcaps_pipeline.errors import CorruptRunError
from fcaps_pipeline.records.annotations import Annotation
from fcaps_pipeline.records.audio import Segment, SegmentAudio
from fcaps_pipeline.shards.layout import RunLayout
from fcaps_pipeline.shards.reader import read_rows
from fcaps_pipeline.shards.writer import UnitWriter
from tests.mapped_run import SPANS, write_mapped_run
from tests.outcomes import segmented
from tests.unit.learn.training.written_runs import write_index

MakeAudio = Callable[..., SegmentAudio]
Annotate = Callable[[SegmentAudio], Annotation]
_NUM_SAMPLES = 8_000
_FILES = ("a.wav", "b.wav")


@pytest.fixture
def run(tmp_path: Path, make_audio: MakeAudio, annotate: Annotate) -> RunLayout:
    """Two files, two Segments of each, all in one unit, by reference."""
    layout = RunLayout(tmp_path / "run")
    with UnitWriter(layout, 0, row_group_bytes=1_000, embed_audio=False) as writer:
        for number, name in enumerate(_FILES):
            whole_T = np.random.default_rng(number).integers(-3000, 3000, 4 * _NUM_SAMPLES, np.int16)
            soundfile.write(tmp_path / name, whole_T, 16_000)
            for start in (0, 2 * _NUM_SAMPLES):
                audio = _cut(make_audio(), tmp_path / name, whole_T, start)
                writer.add(annotate(audio), audio)
        writer.commit((segmented(4),), 4, 1.0)
    write_index(layout)
    return layout


def _cut(template: SegmentAudio, path: Path, whole_T: np.ndarray, start: int) -> SegmentAudio:
    end, stem = start + _NUM_SAMPLES, path.stem
    recording = template.recording.model_copy(update={"recording_id": stem, "location": str(path), "num_channels": 1})
    segment_id = Segment.make_id(stem, 0, start, end)
    segment = Segment(segment_id=segment_id, recording_id=stem, channel=0, start_samples=start, end_samples=end)
    return replace(template, recording=recording, segment=segment, pcm_T=whole_T[start:end])


def _states(run: RunLayout) -> list[AudioState]:
    return [one.state for one in check_audio(run)]


def test_rows_by_reference_have_no_audio_and_are_found_again(run: RunLayout) -> None:
    rows = list(read_rows(run, "data"))
    assert [row["audio"] for row in rows] == [None] * 4
    assert [Path(row["location"]).name for row in rows] == ["a.wav", "a.wav", "b.wav", "b.wav"]
    assert _states(run) == [AudioState.SAME] * 4


def test_attached_rows_hold_their_samples_and_the_run_is_sound(run: RunLayout) -> None:
    sums = [row["audio_sha256"] for row in read_rows(run, "data")]
    assert [one.state for one in attach_audio(run, 1_000_000)] == [AudioState.SAME] * 4
    rows = list(read_rows(run, "data"))
    assert [row["audio_sha256"] for row in rows] == sums
    assert [len(decode_flac(row["audio"]["bytes"])) for row in rows] == [_NUM_SAMPLES] * 4
    assert [file.path[:-21] for file in verify(run)] == [
        "data/unit-00000-2",
        "candidates/unit-00000-1",
        "recordings/unit-00000-1",
    ]
    assert [path.name[:12] for path in (run.root / "data").on_disk().iterdir()] == ["unit-00000-2"]
    assert _states(run) == [AudioState.EMBEDDED] * 4


def test_what_is_missing_different_or_too_short_is_named_and_stays_a_reference(run: RunLayout, tmp_path: Path) -> None:
    (tmp_path / "a.wav").unlink()
    whole_T, rate = soundfile.read(tmp_path / "b.wav", dtype="int16")
    whole_T[10] += 1
    soundfile.write(tmp_path / "b.wav", whole_T[: 2 * _NUM_SAMPLES + 100], rate)
    found = list(attach_audio(run, 1_000_000))
    assert [one.state for one in found] == [AudioState.MISSING] * 2 + [AudioState.DIFFERENT] * 2
    assert all("a.wav" in one.detail for one in found[:2])
    assert "do not have the recorded sha256" in found[2].detail
    assert [row["audio"] for row in read_rows(run, "data")] == [None] * 4
    assert len(list(verify(run))) == 3


def test_channels_are_read_where_the_plan_says_they_lie(
    tmp_path: Path, make_audio: MakeAudio, annotate: Annotate
) -> None:
    run = write_mapped_run(tmp_path, make_audio, annotate)
    assert _states(run) == [AudioState.SAME] * len(SPANS)
    (tmp_path / "c.wav").unlink()
    found = list(attach_audio(run, 1_000_000))
    assert [one.row["recording_id"] for one in found if one.state is AudioState.MISSING] == ["other"]
    assert [row["audio"] is None for row in read_rows(run, "data")] == [name == "other" for name, _, _ in SPANS]


def test_without_its_plan_a_run_does_not_say_in_which_files_channels_lie(
    tmp_path: Path, make_audio: MakeAudio, annotate: Annotate
) -> None:
    run = write_mapped_run(tmp_path, make_audio, annotate)
    run.plan.on_disk().unlink()
    with pytest.raises(CorruptRunError, match=r"plan\.json is gone.*recording pair lie; restore it.*`audio: embed`"):
        _states(run)
