import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from fcaps_pipeline.annotate.sources.detection import detect_source
from fcaps_pipeline.annotate.sources.listing import list_recordings
from fcaps_pipeline.errors import SourceError
from fcaps_pipeline.jobs.sources import LhotseSource
from fcaps_pipeline.records.audio import AudioFile, Recording

List = Callable[..., list[Recording]]


def _recording(name: str = "rec1", **changes: Any) -> dict[str, Any]:
    plain = {
        "id": name,
        "sources": [{"type": "file", "channels": [0], "source": f"wav/{name}.wav"}],
        "sampling_rate": 44_100,
        "num_samples": 441_000,
        "duration": 10.0,
    }
    return plain | changes


def _cut(start: float, duration: float, recording: dict[str, Any] | None = None, **supervision: Any) -> dict[str, Any]:
    recording = recording or _recording()
    return {
        "id": f"cut-{start}",
        "start": start,
        "duration": duration,
        "channel": 0,
        "type": "MonoCut",
        "recording": recording,
        "supervisions": [
            {
                "id": "s",
                "recording_id": recording["id"],
                "start": 0.0,
                "duration": duration,
                "channel": 0,
                **supervision,
            }
        ],
    }


@pytest.fixture
def list_lines(tmp_path: Path) -> List:
    def run(*lines: dict[str, Any]) -> list[Recording]:
        path = tmp_path / "x.jsonl"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        source = detect_source(path)
        assert isinstance(source, LhotseSource)
        return list(list_recordings(source))

    return run


def test_plain_recordings_are_left_to_the_detector(list_lines: List, tmp_path: Path) -> None:
    first, second = list_lines(_recording("a"), _recording("b.c"))
    assert (first.recording_id, first.duration_s, first.cuts) == ("a", 10.0, None)
    assert first.location == str(tmp_path / "wav" / "a.wav")
    assert second.recording_id.startswith("b_c-")


def test_the_licence_is_given_with_the_source(list_lines: List, tmp_path: Path) -> None:
    list_lines(_recording("a"))
    source = LhotseSource(kind="lhotse", path=str(tmp_path / "x.jsonl"), license="CC0-1.0")
    assert [recording.license for recording in list_recordings(source)] == ["CC0-1.0"]


def test_cuts_of_one_recording_become_one_recording(list_lines: List) -> None:
    first, second = list_lines(
        _cut(4.0, 2.5, text="two", speaker="anna", language="en"),
        _cut(0.25, 3.0, text="one", speaker="anna", language="en"),
        _cut(1.0, 2.0, _recording("rec2"), speaker="ben"),
    )
    assert first.cuts is not None
    assert [(cut.start_samples, cut.end_samples, cut.transcript) for cut in first.cuts] == [
        (4_000, 52_000, "one"),
        (64_000, 104_000, "two"),
    ]
    assert (first.speaker, first.language, first.duration_s) == ("anna", "en", 10.0)
    assert (second.recording_id, second.speaker) == ("rec2", "ben")


def test_style_tags_of_fcaps_become_tags(list_lines: List) -> None:
    custom = {
        "short_captions": ["x"],
        "accent": "Scottish",
        "speaking_rate": "measured speed",
        "pitch": None,
        "intrinsic_tags": ["husky", "deep"],
        "situational_tags": ["whispered"],
    }
    (recording,) = list_lines(_cut(0.0, 5.0, gender="female", custom=custom))
    assert recording.tags == (
        "accent: Scottish",
        "speaking rate: measured speed",
        "husky",
        "deep",
        "whispered",
    )


def test_cuts_with_other_tags_do_not_share_a_recording(list_lines: List) -> None:
    calm, angry = list_lines(
        _cut(0.0, 3.0, custom={"situational_tags": ["calm"]}), _cut(3.0, 3.0, custom={"situational_tags": ["angry"]})
    )
    assert (calm.tags, angry.tags) == (("calm",), ("angry",))
    assert calm.recording_id != angry.recording_id
    assert calm.location == angry.location


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            _recording(sources=[{"type": "command", "channels": [0], "source": "x"}]),
            r"of type command, expected 'file'",
        ),
        (
            _recording(sources=[{"type": "file", "channels": [0, 0], "source": "x"}]),
            r"channels \[0, 0\], expected each",
        ),
        (_recording(transforms=[{"name": "Speed"}]), "has transforms"),
        (_cut(0.0, -1.0), "duration: "),
        (_cut(0.0, 2.0) | {"type": "MultiCut", "channel": []}, "channel"),
        ({"type": "PaddingCut", "id": "p", "duration": 1.0, "sampling_rate": 16_000}, "a PaddingCut holds no audio"),
        ({"id": "s", "recording_id": "r", "start": 0.0, "duration": 1.0, "text": "x"}, "supervisions name no audio"),
        ({"type": "MonoCut", "id": "f", "start": 0.0, "duration": 1.0, "features": {"type": "fbank"}}, "hold no sound"),
        ({"id": "p", "duration": 1.0, "feat_value": 0, "num_samples": 16_000}, "a PaddingCut holds no audio"),
        ({"id": "m", "start": 0, "duration": 1.0, "channel": [0, 1]}, "the cut names no recording"),
        ({"id": "m", "start": 0, "duration": 1.0, "channel": 0}, "the cut names no recording"),
        ({"storage_type": "lilcom_chunky", "recording_id": "r", "start": 0, "duration": 1.0}, "hold no sound"),
        ({"type": "MixedCut", "tracks": [], "recording": None, "id": "x"}, "MixedCuts are not supported"),
        ({"recording": {"id": "x"}, "id": "y"}, "is missing"),
    ],
)
def test_what_cannot_be_read_is_named(list_lines: List, line: dict[str, Any], expected: str) -> None:
    with pytest.raises(SourceError, match=rf"x\.jsonl:1: .*{expected}"):
        list_lines(line)


def test_the_kind_of_every_line_is_looked_at(list_lines: List) -> None:
    with pytest.raises(SourceError, match=r"x\.jsonl:2: MixedCuts are not supported"):
        list_lines(_cut(0.0, 2.0), {"type": "MixedCut", "tracks": [], "id": "x"})


def test_supervisions_are_taken_by_start_and_inside_the_cut(list_lines: List) -> None:
    cut = _cut(10.0, 3.0)
    places = [
        (1.5, 1.5, "second", "B"),
        (0.0, 1.5, "first", "A"),
        (3.0, 0.2, "behind", "C"),
        (-2.0, 2.0, "before", "D"),
    ]
    cut["supervisions"] = [
        {"id": text, "start": start, "duration": duration, "text": text, "speaker": speaker, "gender": "female"}
        for start, duration, text, speaker in places
    ]
    (recording,) = list_lines(cut)
    assert recording.cuts is not None
    (found,) = recording.cuts
    assert (found.transcript, found.speaker, found.speaker_gender) == ("first second", None, "female")
    cut["supervisions"][0]["speaker"] = "A"
    (recording,) = list_lines(cut)
    assert recording.speaker == "A"


def test_null_and_empty_tags_are_no_tags(list_lines: List) -> None:
    custom = {"accent": " ", "intrinsic_tags": [None, "", "husky "], "situational_tags": None, "mood": 3, "pitch": None}
    (recording,) = list_lines(_cut(0.0, 5.0, custom=custom, speaker=None, text=None, language=None) | {"custom": None})
    assert recording.tags == ("husky",)
    assert recording.cuts is not None
    assert json.loads(recording.cuts[0].extra or "")["mood"] == 3


def test_channels_of_a_source_are_kept_where_they_are_not_its_rows(list_lines: List, tmp_path: Path) -> None:
    def source(name: str, *channels: int) -> dict[str, Any]:
        return {"type": "file", "channels": list(channels), "source": name}

    plain, swapped, array = list_lines(
        _recording("a", sources=[source("a.wav", 0, 1)]),
        _recording("b", sources=[source("b.wav", 1, 0)]),
        _recording("c", sources=[source("c0.wav", 0), source("c1.wav", 1)]),
    )
    assert plain.files is None
    assert swapped.files == (AudioFile(location=str(tmp_path / "b.wav"), channels=(1, 0)),)
    assert array.files == tuple(AudioFile(location=str(tmp_path / f"c{one}.wav"), channels=(one,)) for one in (0, 1))


def test_paths_from_the_working_directory_are_tried(
    list_lines: List, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path_factory.mktemp("prepared")
    (elsewhere / "wav").mkdir()
    (elsewhere / "wav" / "a.wav").touch()
    monkeypatch.chdir(elsewhere)
    found, gone = list_lines(_recording("a"), _recording("b"))
    assert (found.location, found.source) == (str(elsewhere / "wav" / "a.wav"), "wav/a.wav")
    assert gone.location == str(tmp_path / "wav" / "b.wav")


def test_cuts_come_in_any_order(list_lines: List) -> None:
    lines = [_cut(0.0, 2.0), _cut(0.0, 2.0, _recording("rec2")), _cut(3.0, 2.0), _cut(6.0, 2.0)]
    scattered = list_lines(*lines)
    assert scattered == list_lines(lines[0], *lines[2:], lines[1])
    assert [(one.recording_id, len(one.cuts or ())) for one in scattered] == [("rec1", 3), ("rec2", 1)]
    with pytest.raises(SourceError, match=r"x\.jsonl:4: .*duration"):
        list_lines(*lines[:3], _cut(6.0, -2.0))


def test_a_cut_of_several_channels_is_one_segment_of_each(list_lines: List) -> None:
    cut = _cut(1.0, 2.0) | {"type": "MultiCut", "channel": [0, 1, 1]}
    cut["supervisions"] = [
        {"id": "a", "start": 0, "duration": 2, "channel": 0, "text": "left", "speaker": "anna"},
        {"id": "b", "start": 0, "duration": 2, "channel": [1], "text": "right", "speaker": "ben"},
        {"id": "c", "start": 1, "duration": 1, "channel": [0, 1], "text": "both"},
    ]
    (recording,) = list_lines(cut)
    assert [(one.channel, one.transcript, one.start_samples) for one in recording.cuts or ()] == [
        (0, "left both", 16_000),
        (1, "right both", 16_000),
    ]


@pytest.mark.parametrize("name", ["x.json", "x.json.gz", "x.jsonl.zst", "x.jsonl.gz", "x.json.zst"])
def test_lists_may_be_arrays_and_compressed(tmp_path: Path, name: str) -> None:
    lines = [_cut(0.0, 2.0), _cut(3.0, 2.0)]
    text = json.dumps(lines, indent=1) if ".json." in f"{name}." else "\n".join(map(json.dumps, lines))
    compression = {"gz": "gzip", "zst": "zstd"}.get(name.rpartition(".")[2])
    with pa.output_stream(str(tmp_path / name), compression=compression) as stream:
        stream.write(text.encode())
    (recording,) = list_recordings(detect_source(tmp_path / name))
    assert len(recording.cuts or ()) == 2


@pytest.mark.parametrize("damage", ["cut", "strange"])
@pytest.mark.parametrize("name", ["x.json", "x.jsonl.zst", "x.jsonl.gz"])
def test_damaged_lists_are_told_in_one_line(tmp_path: Path, name: str, damage: str) -> None:
    compression = {"gz": "gzip", "zst": "zstd"}.get(name.rpartition(".")[2])
    with pa.output_stream(str(tmp_path / name), compression=compression) as stream:
        stream.write(json.dumps([_cut(0.0, 2.0)] * 50).encode())
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: len(content) // 2] if damage == "cut" else b"[strange" * 9)
    with pytest.raises(SourceError, match=name) as found:
        list(list_recordings(LhotseSource(kind="lhotse", path=str(tmp_path / name))))
    assert "\n" not in str(found.value)
