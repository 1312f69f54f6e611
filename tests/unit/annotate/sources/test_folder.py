import contextlib
import json
import os
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from fcaps_pipeline.annotate.sources.detection import detect_source
from fcaps_pipeline.annotate.sources.listing import list_recordings
from fcaps_pipeline.audio.location import local_path
from fcaps_pipeline.audio.stream import AudioStream
from fcaps_pipeline.errors import RecordingError, SourceError, UsageError
from fcaps_pipeline.jobs.sources import FolderSource, LhotseSource, ManifestSource
from fcaps_pipeline.records.audio import Recording
from tests.privileges import unprivileged

Fill = Callable[..., Path]


@pytest.fixture
def fill(tmp_path: Path) -> Fill:
    def create(*names: str) -> Path:
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()
        return tmp_path

    return create


def _source(path: Path) -> FolderSource:
    return FolderSource(path=str(path), language="en", license="CC0-1.0")


def test_audio_is_found_in_order_and_the_rest_is_counted(fill: Fill) -> None:
    root = fill("b.WAV", "a/2.mp3", "a/1.flac", "a/notes.txt", "a/more.txt", "README", ".hidden/x.wav", ".x.wav")
    listing = list_recordings(_source(root))
    recordings = list(listing)
    assert [recording.source for recording in recordings] == ["a/1.flac", "a/2.mp3", "b.WAV"]
    assert [recording.recording_id for recording in recordings] == ["a--1_flac", "a--2_mp3", "b_WAV"]
    assert {recording.language for recording in recordings} == {"en"}
    assert {recording.license for recording in recordings} == {"CC0-1.0"}
    assert recordings[0].location == str(root / "a" / "1.flac")
    assert dict(listing.passed_over.by_suffix) == {".txt": 2, "no suffix": 1}


def test_real_recordings_side_by_side_have_their_own_ids(shared_audio: Path) -> None:
    ids = [recording.recording_id for recording in list_recordings(_source(shared_audio))]
    assert {"formats--stereo_mp3", "formats--stereo_wav", "formats--stereo_sph"} <= set(ids)
    assert len(ids) == len(set(ids)) > 250


def test_a_single_file_is_a_source(fill: Fill) -> None:
    path = fill("a/one.wav") / "a" / "one.wav"
    assert [recording.recording_id for recording in list_recordings(_source(path))] == ["one_wav"]
    assert detect_source(path) == FolderSource(path=str(path))


def test_links_are_followed_but_not_in_circles(fill: Fill, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "far.wav").touch()
    root = fill("a/near.wav")
    (root / "a" / "back").symlink_to(root)
    (root / "linked").symlink_to(elsewhere)
    (root / "gone.wav").symlink_to(root / "nowhere.wav")
    assert [recording.source for recording in list_recordings(_source(root))] == [
        "a/near.wav",
        "gone.wav",
        "linked/far.wav",
    ]


def test_a_folder_without_audio(fill: Fill) -> None:
    with pytest.raises(SourceError, match=r"holds no audio file, found 2 x \.txt"):
        list(list_recordings(_source(fill("a.txt", "b.txt"))))


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="does not exist"):
        list_recordings(_source(tmp_path / "nowhere"))
    with pytest.raises(SourceError, match="does not exist"):
        detect_source(tmp_path / "nowhere")


def test_an_unreadable_folder_fails_alone() -> None:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        root.chmod(0o755)
        (root / "a").mkdir(mode=0)
        (root / "c.wav").touch()
        with unprivileged():
            folder, file = list_recordings(_source(root))
            assert (folder.source, file.source) == ("a", "c.wav")
            with pytest.raises(RecordingError, match="a folder that may not be read"):
                AudioStream(folder.location)
            with pytest.raises(SourceError, match="cannot be read: Permission denied"):
                list(list_recordings(_source(root / "a")))
        (root / "a").chmod(0o700)


def test_a_path_longer_than_the_system_takes_fails_alone(fill: Fill) -> None:
    root = fill("c.wav")
    here = os.open(root, os.O_RDONLY)
    try:
        for _ in range(20):
            os.mkdir("x" * 250, dir_fd=here)
            below = os.open("x" * 250, os.O_RDONLY, dir_fd=here)
            os.close(here)
            here = below
    finally:
        os.close(here)
    file, folder = list_recordings(_source(root))
    assert file.source == "c.wav"
    with pytest.raises(RecordingError, match="File name too long"):
        AudioStream(folder.location)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (b"a\xff.wav", "a\\xff.wav"),
        (b"a\n.wav", "a\\n.wav"),
        ("Aufnahme 1.01\u202fPM.wav".encode(), "Aufnahme 1.01\u202fPM.wav"),
        ("\u0645\u06cc\u200c\u062e\u0648.wav".encode(), "\u0645\u06cc\u200c\u062e\u0648.wav"),
        (b"line\xe2\x80\xa8end.wav", "line\\u2028end.wav"),
    ],
)
def test_any_name_is_taken_and_can_be_stored_and_opened(tmp_path: Path, name: bytes, shown: str) -> None:
    path = tmp_path / os.fsdecode(name)
    path.write_bytes(b"sound")
    (tmp_path / "other.wav").touch()
    recordings = list(list_recordings(_source(tmp_path)))
    (found,) = [one for one in recordings if one.source != "other.wav"]
    assert found.source == shown
    assert Recording.model_validate_json(found.model_dump_json()) == found
    assert local_path(found.location).read_bytes() == b"sound"


def test_names_that_look_alike_without_their_letters_keep_their_own_ids(fill: Fill) -> None:
    names = [f"{chr(0x4E00 + one // 100)}{chr(0x4E00 + one % 100)}.wav" for one in range(5_000)]
    ids = [recording.recording_id for recording in list_recordings(_source(fill(*names)))]
    assert len(set(ids)) == len(names)


def test_what_is_no_regular_file_is_named_and_never_opened(fill: Fill) -> None:
    root = fill("voice.wav")
    os.mkfifo(root / "pipe.wav")
    os.mkfifo(root / "voice.txt")
    with socket.socket(socket.AF_UNIX) as listening, contextlib.chdir(root):
        listening.bind("talk.wav")
        listing = list_recordings(_source(root))
        assert [recording.source for recording in listing] == ["voice.wav"]
    assert listing.passed_over.notes == [
        f"{root}/pipe.wav is a named pipe, not a regular file: passed over",
        f"{root}/talk.wav is a socket, not a regular file: passed over",
        f"{root}/voice.txt is a named pipe, not a regular file: passed over",
    ]
    with pytest.raises(SourceError, match="neither a regular file nor a folder"):
        detect_source(root / "pipe.wav")


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("take", b"RIFF\x10\x00\x00\x00WAVEfmt "),
        ("take.bak", b"fLaC\x00\x00\x00\x22"),
        ("take.001", b"OggS\x00\x02"),
        ("take.x", b"\x00\x00\x00\x18ftypM4A "),
        ("take.y", b"\xff\xfb\x90\x00" + bytes(413) + (b"\xff\xfb\x90\x00" + bytes(413)) * 5),
        ("take.3gp", b""),
        ("take.wv1", b""),
        ("take.WAVE", b""),
        ("take.mp2", b""),
        ("take.m4b", b""),
        ("take.mov", b""),
    ],
)
def test_audio_is_taken_whatever_its_suffix(fill: Fill, name: str, head: bytes) -> None:
    root = fill("a/voice.wav")
    (root / "a" / name).write_bytes(head)
    assert name in {Path(recording.source).name for recording in list_recordings(_source(root))}
    assert detect_source(root / "a" / name).kind == "folder"


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("picture", b"RIFF\x10\x00\x00\x00WEBPVP8 "),
        ("notes", b"just words"),
        ("noise", b"\xff\xfb\x90\x00" + bytes(600)),
        ("list.json", b"fLaC"),
    ],
)
def test_what_is_no_audio_is_counted(fill: Fill, name: str, head: bytes) -> None:
    root = fill("voice.wav")
    (root / name).write_bytes(head)
    listing = list_recordings(_source(root))
    assert [recording.source for recording in listing] == ["voice.wav"]
    assert listing.passed_over.by_suffix.total() == 1


def test_files_beside_audio_tell_of_it(fill: Fill) -> None:
    root = fill("a.wav", "b.flac", "c.mp3", "61-70968-0000.flac", "d.wav", "notes.txt", "e.wav")
    (root / "a.txt").write_text("\ufeffGood\nmorning. ")
    (root / "b.json").write_text(
        '{"id": 7, "text": "Guten Tag", "speaker": 12, "language": "de", "gender": "F", "dnsmos": 3.2, "speeker": null}'
    )
    (root / "61-70968.trans.txt").write_text("61-70968-0000 HE BEGAN\n61-70968-0001 A TALE\n")
    (root / "d.txt").write_bytes(b"\xff\xfe\x00")
    (root / "e.json").write_text("[1, 2]")
    listing = list_recordings(_source(root))
    by_source = {recording.source: recording for recording in listing}
    assert by_source["a.wav"].transcript == "Good morning."
    german = by_source["b.flac"]
    assert (german.transcript, german.speaker, german.language, german.speaker_gender) == (
        "Guten Tag",
        "12",
        "de",
        "female",
    )
    assert json.loads(german.extra or "") == {"id": 7, "gender": "F", "dnsmos": 3.2}
    assert by_source["61-70968-0000.flac"].transcript == "HE BEGAN"
    assert (by_source["c.mp3"].transcript, by_source["c.mp3"].language, by_source["c.mp3"].extra) == (None, "en", None)
    assert [note.removeprefix(f"{root}/") for note in listing.passed_over.notes] == [
        "d.txt is no readable UTF-8 text (UnicodeDecodeError): the audio beside it goes without it",
        "e.json is no JSON object that describes a recording: the audio beside it goes without it",
    ]
    assert listing.passed_over.num_read_beside == 3
    assert dict(listing.passed_over.by_suffix) == {".txt": 2, ".json": 1}


def test_the_list_of_an_audiofolder_tells_of_files_below(fill: Fill) -> None:
    root = fill("a.wav", "train/b.wav", "train/c.wav", "test/d.wav")
    (root / "metadata.jsonl").write_text(
        '{"file_name": "a.wav", "sentence": "A.", "who": {"id": 7, "sex": "f"}}\n'
        '{"file_name": "train/b.wav", "sentence": "B.", "text": "usual"}\n'
        '{"file_name": "./train/c.wav", "sentence": "of the outer list"}\n'
        '{"file_name": "gone.wav", "sentence": "Z."}\n'
    )
    (root / "train" / "metadata.jsonl").write_text('{"file_name": "c.wav", "sentence": "C."}\n')
    (root / "test" / "metadata.jsonl").write_text('{"file_name": "d.wav", "sentence": "D."}\nbroken\n')
    fields = {"transcript": "sentence", "speaker": "who.id", "speaker_gender": "who.sex"}
    listing = list_recordings(FolderSource(path=str(root), fields=fields))
    found = {recording.source: recording for recording in listing}
    assert {name: one.transcript for name, one in found.items()} == {
        "a.wav": "A.",
        "test/d.wav": "D.",
        "train/b.wav": "B.",
        "train/c.wav": "C.",
    }
    assert (found["a.wav"].speaker, found["a.wav"].speaker_gender) == ("7", "female")
    assert json.loads(found["train/b.wav"].extra or "") == {"text": "usual"}
    (note,) = listing.passed_over.notes
    assert note.startswith(f"{root}/test/metadata.jsonl:2: not a JSON object")
    assert (listing.passed_over.num_read_beside, dict(listing.passed_over.by_suffix)) == (3, {})
    with pytest.raises(SourceError, match="fields names words, which is nowhere"):
        list(list_recordings(FolderSource(path=str(root), fields={"transcript": "words"})))


def test_a_folder_given_as_a_list_and_a_list_given_as_a_folder(fill: Fill) -> None:
    root = fill("list.jsonl")
    with pytest.raises(SourceError, match="is a list, not a folder"):
        list(list_recordings(_source(root / "list.jsonl")))
    for source in (ManifestSource(kind="manifest", path=str(root)), LhotseSource(kind="lhotse", path=str(root))):
        with pytest.raises(SourceError, match="is a folder, expected a list"):
            list_recordings(source)


def test_a_file_that_is_no_source(fill: Fill) -> None:
    with pytest.raises(SourceError, match="neither a folder, an audio file, an archive nor"):
        detect_source(fill("a.txt") / "a.txt")
    with pytest.raises(UsageError, match="no storage of the kind https"):
        detect_source("https://host/speech")


def test_the_shipped_speech_is_a_source() -> None:
    assert detect_source(Path("package:demo_speech")) == FolderSource(path="package:demo_speech")
