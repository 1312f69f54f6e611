"""Small inputs made after public bug reports: each comes out right, or is named with its cause."""

import os
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fcaps_pipeline.annotate.segmentation.detector import VoiceDetector
from fcaps_pipeline.annotate.segmentation.segmenter import Segmenter
from fcaps_pipeline.annotate.segmentation.silero import SileroDetector
from fcaps_pipeline.annotate.sources.detection import detect_source
from fcaps_pipeline.annotate.sources.listing import list_recordings
from fcaps_pipeline.audio.stream import AudioStream, decode_all
from fcaps_pipeline.errors import RecordingError, SourceError
from fcaps_pipeline.jobs.annotate_job import SegmentationConfig
from fcaps_pipeline.records.audio import Recording
from tests.conftest import Typed
from tests.shared_cases import BAD, WHOLE
from tests.unit.annotate.segmentation.test_segmenter import NOTHING


def _recordings(path: Path) -> list[Recording]:
    return list(list_recordings(detect_source(path)))


@pytest.mark.parametrize("name", WHOLE)
def test_every_second_is_there(shared_cases: Path, name: str) -> None:
    assert decode_all(str(shared_cases / name), "each").shape[1] / 16_000 == pytest.approx(WHOLE[name], abs=0.1)


@pytest.mark.parametrize("name", BAD)
def test_what_is_not_whole_or_not_audio_is_named(shared_cases: Path, name: str) -> None:
    with pytest.raises(RecordingError, match=BAD[name]), AudioStream(str(shared_cases / name), "each") as stream:
        list(stream.blocks())


@pytest.fixture(scope="module")
def archives(shared_cases: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All of them once more, as members of a tar and as rows of Parquet."""
    folder, names = tmp_path_factory.mktemp("archives"), [*WHOLE, *BAD]
    with tarfile.open(folder / "cases.tar", "w") as tar:
        for name in names:
            tar.add(shared_cases / name, name)
    values = [{"bytes": (shared_cases / name).read_bytes(), "path": name} for name in names]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    pq.write_table(pa.table({"audio": pa.array(values, kind)}), folder / "cases.parquet", row_group_size=20)
    return folder


@pytest.mark.parametrize("name", ["cases.tar", "cases.parquet"])
def test_inside_archives_they_are_what_they_are_as_files(archives: Path, name: str) -> None:
    found = {one.source.removeprefix(f"{name}/"): one.location for one in _recordings(archives / name)}
    for source, seconds in WHOLE.items():
        assert decode_all(found.pop(source), "each").shape[1] / 16_000 == pytest.approx(seconds, abs=0.1), source
    for source, expected in BAD.items():
        with pytest.raises(RecordingError, match=expected), AudioStream(found.pop(source), "each") as stream:
            list(stream.blocks())
    assert found == {}


@pytest.fixture(scope="module")
def silero() -> VoiceDetector:
    return SileroDetector(SegmentationConfig())


@pytest.mark.parametrize(
    ("name", "places"),
    [
        ("mp3_vbr_without_xing/vbr.mp3", [(0, 0.0, 3.2), (0, 5.7, 8.6)]),
        ("amr_with_silence_frames/dtx.amr", [(0, 0.0, 3.2), (0, 5.7, 8.6)]),
        ("m4a_gap/gap.m4a", [(0, 0.0, 3.2), (0, 5.7, 8.6)]),
        ("webm_sound_starts_late/late.webm", [(0, 3.0, 6.2)]),
        ("speech_in_the_right_channel_only/right_only.flac", [(1, 0.0, 3.2)]),
        ("lhotse_channels_swapped/two_voices.flac", [(0, 0.0, 2.9), (1, 0.0, 2.9)]),
    ],
)
def test_segments_lie_where_the_speech_is(
    shared_cases: Path, silero: VoiceDetector, name: str, places: list[tuple[int, float, float]]
) -> None:
    recording = Recording(recording_id="a", location=str(shared_cases / name), source=name)
    found = [one.segment for one in Segmenter(SegmentationConfig(), silero, lambda _: NOTHING).prepare(recording)]
    assert [one.channel for one in found] == [channel for channel, _, _ in places]
    for segment, (_, start_s, end_s) in zip(found, places, strict=True):
        assert [segment.start_s, segment.end_s] == pytest.approx([start_s, end_s], abs=0.2)


def test_a_declared_segment_of_a_video_is_cut_by_its_time(shared_cases: Path, silero: VoiceDetector) -> None:
    (recording,) = _recordings(shared_cases / "video_sound_starts_late" / "manifest.jsonl")
    (segment,) = Segmenter(SegmentationConfig(), silero, lambda _: NOTHING).prepare(recording)
    loud_T = np.flatnonzero(np.abs(segment.pcm_T.astype(np.int32)) > 1_000)
    assert loud_T[0] < 0.2 * 16_000
    assert len(segment.pcm_T) == round(3.2 * 16_000)


def test_channels_are_those_of_the_source(shared_cases: Path, silero: VoiceDetector) -> None:
    (recording,) = _recordings(shared_cases / "lhotse_channels_swapped" / "cuts.jsonl")
    (segment,) = Segmenter(SegmentationConfig(), silero, lambda _: NOTHING).prepare(recording)
    rows_CT = decode_all(str(shared_cases / "lhotse_channels_swapped" / "two_voices.flac"), "each")
    assert np.array_equal(segment.pcm_T, rows_CT[1])
    assert segment.segment.speaker == "caller"


def test_a_nemo_line_is_a_segment(shared_cases: Path) -> None:
    (recording,) = _recordings(shared_cases / "nemo_manifest" / "manifest.jsonl")
    assert recording.cuts is not None
    (cut,) = recording.cuts
    assert (cut.start_s, cut.end_s, cut.transcript) == (0.5, 3.0, "good morning")


def test_supervisions_come_by_their_time(shared_cases: Path) -> None:
    (recording,) = _recordings(shared_cases / "lhotse_supervisions_out_of_order" / "cuts.jsonl")
    assert recording.cuts is not None
    assert recording.cuts[0].transcript == "first second"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("both_names_of_the_path/manifest.jsonl", "path and audio are names of one field; give one"),
        ("lhotse_mixed_cut_first/cuts.jsonl", r"MixedCuts are not supported; save MonoCuts"),
    ],
)
def test_hints_lead_to_the_cause(shared_cases: Path, name: str, expected: str) -> None:
    with pytest.raises(SourceError, match=expected):
        _recordings(shared_cases / name)


@pytest.mark.parametrize(
    ("name", "sources"),
    [
        ("name_with_narrow_space", ["Recording 2026-04-15 at 1.01.11\u202fAM.flac", "other.flac"]),
        ("phone_recording_3gp", ["phone.3gp", "voice.flac"]),
    ],
)
def test_no_audio_is_passed_over(shared_cases: Path, name: str, sources: list[str]) -> None:
    assert [one.source for one in _recordings(shared_cases / name / "corpus")] == sources


def test_a_named_pipe_holds_nothing_up(shared_cases: Path, tmp_path: Path) -> None:
    shutil.copytree(shared_cases / "named_pipe_in_the_folder" / "corpus", tmp_path / "corpus")
    (tmp_path / "corpus").chmod(0o700)
    os.mkfifo(tmp_path / "corpus" / "pipe.wav")
    assert [one.source for one in _recordings(tmp_path / "corpus")] == ["voice.flac"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("manifest_with_durations_and_no_audio/manifest.jsonl", "2 of 2 files do not exist: x/1.wav, x/2.wav"),
        ("lhotse_paths_from_elsewhere/manifests/recordings.jsonl", "2 of 2 files do not exist: corpus/voice.flac"),
        ("manifest_names_a_raw_file/manifest.jsonl", "without readable length"),
    ],
)
def test_plan_says_what_is_not_there(shared_cases: Path, typed: Typed, name: str, expected: str) -> None:
    code, out, _ = typed("plan", shared_cases / name)
    assert code == 0
    assert expected in " ".join(out.split())
