import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fcaps_pipeline.annotate.sources.detection import detect_source
from fcaps_pipeline.annotate.sources.fields import FieldNames
from fcaps_pipeline.annotate.sources.listing import list_recordings
from fcaps_pipeline.annotate.sources.manifest import ManifestLine
from fcaps_pipeline.audio.byte_source import open_bytes
from fcaps_pipeline.errors import RecordingError, SourceError
from fcaps_pipeline.jobs.sources import ManifestSource
from fcaps_pipeline.records.audio import Recording

List = Callable[..., list[Recording]]


@pytest.fixture
def list_lines(tmp_path: Path) -> List:
    def run(*lines: dict[str, Any] | str, audio_root: str | None = None) -> list[Recording]:
        path = tmp_path / "m.jsonl"
        path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
        return list(list_recordings(ManifestSource(kind="manifest", path=str(path), audio_root=audio_root)))

    return run


def test_every_field_travels(list_lines: List, tmp_path: Path) -> None:
    (recording,) = list_lines(
        {
            "path": "wav/a.wav",
            "id": "take-1",
            "transcript": "Hello.",
            "speaker": "anna",
            "language": "en",
            "tags": ["calm"],
            "licence": "CC0-1.0",
            "duration_s": 3.5,
            "gender": "female",
            "emotion": {"label": "joy"},
            "speaker_id": 4,
            "age": None,
            "segments": [
                {"start_s": 2, "end_s": 3, "channel": "mix"},
                {"start_s": 0.5, "end_s": 1.5, "channel": 1, "transcript": "Hi", "speaker": "ben", "gender": "m"},
            ],
        }
    )
    assert recording.model_dump(exclude={"cuts"}, exclude_defaults=True) == {
        "recording_id": "take-1",
        "location": str(tmp_path / "wav" / "a.wav"),
        "source": "wav/a.wav",
        "duration_s": 3.5,
        "transcript": "Hello.",
        "speaker": "anna",
        "speaker_gender": "female",
        "language": "en",
        "tags": ("calm",),
        "license": "CC0-1.0",
        "extra": '{"gender":"female","emotion":{"label":"joy"},"speaker_id":4}',
    }
    assert recording.cuts is not None
    assert [(cut.start_samples, cut.end_samples, cut.channel, cut.speaker) for cut in recording.cuts] == [
        (8_000, 24_000, 1, "ben"),
        (32_000, 48_000, "mix", None),
    ]
    assert [(cut.speaker_gender, cut.extra) for cut in recording.cuts] == [("male", '{"gender":"m"}'), (None, None)]


def test_without_id_the_path_decides(list_lines: List) -> None:
    by_path, by_audio = list_lines({"path": "x/a.wav"}, {"audio": "x/b.wav"})
    assert (by_path.recording_id, by_audio.recording_id) == ("x--a_wav", "x--b_wav")
    assert by_path.cuts is None


def test_a_file_that_does_not_exist_is_still_a_recording(list_lines: List) -> None:
    assert len(list_lines({"path": "/nowhere/a.wav"})) == 1


def test_null_is_absent_and_a_number_is_an_id(list_lines: List) -> None:
    null = dict.fromkeys(("id", "transcript", "speaker", "tags", "segments", "duration_s", "language", "text"))
    (recording,) = list_lines({"path": "a.wav", **null})
    assert (recording.recording_id, recording.tags, recording.cuts, recording.extra) == ("a_wav", (), None, None)
    (recording,) = list_lines({"path": "a.wav", "id": 17, "speaker": 3})
    assert (recording.recording_id, recording.speaker) == ("17", "3")
    (recording,) = list_lines({"path": "a.wav", "tags": [None, "", "  ", "calm"]})
    assert recording.tags == ("calm",)


def test_lines_of_nemo_are_segments_of_their_files(list_lines: List) -> None:
    first, second, third = list_lines(
        {"audio_filepath": "a.wav", "offset": 2.0, "duration": 3.0, "text": "two", "emotion": "calm"},
        {"audio_filepath": "a.wav", "offset": 0, "duration": 1.5, "text": "one", "gender": "male"},
        {"audio_filepath": "b.wav", "duration": 4.5, "text": "whole", "lang": "de"},
        {"audio_filepath": "a.wav", "offset": 2.0, "duration": 3.0, "id": "again"},
    )
    assert (first.recording_id, first.duration_s, first.transcript) == ("a_wav", None, None)
    assert first.cuts is not None
    assert [
        (cut.start_samples, cut.end_samples, cut.transcript, cut.speaker_gender, cut.extra) for cut in first.cuts
    ] == [
        (0, 24_000, "one", "male", '{"gender":"male"}'),
        (32_000, 80_000, "two", None, '{"emotion":"calm"}'),
    ]
    assert (second.cuts, second.duration_s, second.transcript, second.language) == (None, 4.5, "whole", "de")
    assert (third.recording_id, third.location, len(third.cuts or ())) == ("again", first.location, 1)


def test_scattered_segments_of_a_file_are_refused(list_lines: List) -> None:
    lines = [{"path": f"{name}.wav", "offset": start, "duration": 2} for start, name in enumerate("aba")]
    with pytest.raises(SourceError, match=r"jsonl:3: the segments of a\.wav are not neighbours.*jsonl:1; sort"):
        list_lines(*lines)


def test_where_files_outside_the_root_lie_is_not_published(list_lines: List, tmp_path: Path) -> None:
    outside, upwards, inside, far = list_lines(
        {"path": "/data/private/a.wav"},
        {"path": "../private/a.wav"},
        {"path": f"{tmp_path}/x/a.wav"},
        {"path": "s3://b/k/a.wav"},
    )
    assert [one.source for one in (outside, upwards, inside, far)] == ["a.wav", "a.wav", "x/a.wav", "a.wav"]
    assert outside.location == "/data/private/a.wav"
    assert Path(upwards.location).resolve() == (tmp_path.parent / "private" / "a.wav").resolve()
    assert len({one.recording_id for one in (outside, upwards, inside, far)}) == 4
    assert not any("private" in one.recording_id for one in (outside, upwards))
    assert far.location == "s3://b/k/a.wav"


def test_audio_root(list_lines: List) -> None:
    (recording,) = list_lines({"path": "a.wav"}, audio_root="/data")
    assert (recording.location, recording.source) == ("/data/a.wav", "a.wav")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ({"id": "x"}, r"m\.jsonl:2: the field 'path' is missing"),
        ({"path": "a.wav", "speeker": "x"}, r"m\.jsonl:2: unknown field 'speeker'; did you mean 'speaker'\?"),
        ({"path": "a.wav", "transcription": "x"}, r"did you mean 'transcript'\?"),
        ({"wav": "a.wav"}, r"'path' is missing \(other names of it: audio, audio_filepath, file_name\)"),
        ({"path": "a.wav", "audio": "b.wav"}, r"m\.jsonl:2: path and audio are names of one field; give one"),
        ({"path": "a.wav", "text": "x", "transcript": "y"}, r"transcript and text are names of one field; give one"),
        ({"path": "a.wav", "start_s": 1}, r"'start_s' belongs to an entry of segments"),
        ({"path": "a.wav", "offset": 1}, r"a line with an offset is one segment: give its duration"),
        (
            {"path": "a.wav", "segments": [{"start": 1, "end_s": 2}]},
            r"segments\.0: .*'start'; did you mean 'start_s'\?",
        ),
        ('{"path": "a.wav", "x": ' + "[" * 5_000 + "]" * 5_000 + "}", r"m\.jsonl:2: not a JSON object"),
        ({"path": "a.wav", "segments": [{"start_s": 2, "end_s": 1}]}, r"end_s 1\.0 must be after start_s 2\.0"),
        ({"path": "a.wav", "segments": [{"start_s": 1, "end_s": 2}] * 2}, r"two segments cover 1\.000 s to 2\.000 s"),
        ({"path": "a.wav", "duration_s": -1}, r"duration_s: .*greater than or equal to 0, found -1"),
        ({"path": ""}, r"path: "),
        ("{not json", r"m\.jsonl:2: not a JSON object"),
        ("[1]", r"m\.jsonl:2: "),
    ],
)
def test_a_bad_line_is_named_with_its_mistake(list_lines: List, line: dict[str, Any] | str, expected: str) -> None:
    with pytest.raises(SourceError, match=expected) as caught:
        list_lines({"path": "good.wav"}, line)
    assert "\n" not in str(caught.value)


def test_two_recordings_with_one_id_are_both_named(list_lines: List) -> None:
    with pytest.raises(SourceError, match=r"id 'x': .*m\.jsonl:1 and .*m\.jsonl:3"):
        list_lines({"path": "a.wav", "id": "x"}, {"path": "b.wav"}, {"path": "c.wav", "id": "x"})


def test_an_empty_manifest(list_lines: List) -> None:
    with pytest.raises(SourceError, match="holds no line"):
        list_lines("", "  ")


def test_gzip_and_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl.gz"
    path.write_bytes(gzip.compress(b'\xef\xbb\xbf{"path": "a.wav"}\n\n{"path": "b.wav"}\n'))
    assert detect_source(path) == ManifestSource(kind="manifest", path=str(path))
    assert len(list(list_recordings(detect_source(path)))) == 2
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(SourceError, match="not whole gzip"):
        list(list_recordings(ManifestSource(kind="manifest", path=str(path))))


def test_a_manifest_may_be_one_array(tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    path.write_text('\ufeff [\n{"path": "a.wav"},\n{"path": "b.wav", "duration": -1}]')
    assert detect_source(path).kind == "manifest"
    with pytest.raises(SourceError, match=r"m\.json:2: duration_s: "):
        list(list_recordings(detect_source(path)))


def test_names_of_the_job_go_before_the_usual_ones(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    path.write_text('{"wav": "a.wav", "text": "x", "words": "y", "who": {"name": "z"}, "segments": []}\n')
    fields = {"path": "wav", "transcript": "words", "speaker": "who.name"}
    (found,) = list_recordings(ManifestSource(kind="manifest", path=str(path), fields=fields))
    assert (found.recording_id, found.transcript, found.speaker, found.cuts) == ("a_wav", "y", "z", ())
    assert json.loads(found.extra or "") == {"text": "x", "who": {"name": "z"}}
    with pytest.raises(SourceError, match=r"m\.jsonl: source\.fields names spk, which is nowhere"):
        list(list_recordings(ManifestSource(kind="manifest", path=str(path), fields={"path": "wav", "speaker": "spk"})))


def test_a_manifest_may_name_what_lies_inside_files(tmp_path: Path) -> None:
    inside = "#name=x%231.mp3&offset=512&bytes=7"
    lines = [
        f"{(tmp_path / 'a.tar').as_uri()}{inside}",
        "file:///a.tar#nothing",
        "s3://b/a.tar" + inside,
        "take #1.wav",
    ]
    path = tmp_path / "m.jsonl"
    path.write_text("".join(json.dumps({"path": line}) + "\n" for line in lines))
    member, broken, far, plain = list_recordings(ManifestSource(kind="manifest", path=str(path)))
    assert (member.location, member.source) == (lines[0], "a.tar/x#1.mp3")
    assert (broken.location, far.location) == (lines[1], lines[2])
    assert plain.location == str(tmp_path / "take #1.wav")
    with pytest.raises(RecordingError, match="write a # of a path as %23"):
        open_bytes(broken.location)


def test_a_manifest_is_read_as_a_stream(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    path.write_text('{"path": "a.wav"}\n' + "broken\n")
    listing = iter(list_recordings(ManifestSource(kind="manifest", path=str(path))))
    assert next(listing).recording_id == "a_wav"
    with pytest.raises(SourceError, match=":2:"):
        next(listing)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("m.jsonl", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "is a Git LFS pointer, not a list"),
        ("m.jsonl.gz", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "run git lfs pull"),
        ("m.jsonl", b"<!DOCTYPE html><html></html>", "holds HTML"),
        ("m.json", b'{\n"path": "a.wav"\n}', "not a JSON object on one line"),
    ],
)
def test_what_is_no_list_is_named(tmp_path: Path, name: str, content: bytes, expected: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError, match=expected):
        list(list_recordings(detect_source(tmp_path / name)))


def test_mapped_fields_of_others_keep_the_order_of_the_job() -> None:
    names = [f"field{number}" for number in range(12)]
    fields = FieldNames({name: name.upper() for name in names})
    line = ManifestLine.model_validate({"path": "a.wav", **{name.upper(): 1 for name in names}}, context=fields)
    assert [*line.extra] == names
