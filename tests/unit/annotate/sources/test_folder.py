import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fcaps_pipeline.annotate.sources.listing import detect_source, list_recordings
from fcaps_pipeline.errors import SourceError
from fcaps_pipeline.jobs.annotate_job import FolderSource

Fill = Callable[..., Path]


@contextmanager
def unprivileged() -> Iterator[None]:
    """Permissions do not bind the superuser: becomes nobody for a while."""
    user = os.geteuid()
    os.seteuid(65_534 if user == 0 else user)
    try:
        yield
    finally:
        os.seteuid(user)


@pytest.fixture
def fill(tmp_path: Path) -> Fill:
    def create(*names: str) -> Path:
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()
        return tmp_path

    return create


def _source(path: Path) -> FolderSource:
    return FolderSource(path=str(path), language="en", licence="CC0-1.0")


def test_audio_is_found_in_order_and_the_rest_is_counted(fill: Fill) -> None:
    root = fill("b.WAV", "a/2.mp3", "a/1.flac", "a/notes.txt", "a/more.txt", "README", ".hidden/x.wav", ".x.wav")
    listing = list_recordings(_source(root))
    recordings = list(listing)
    assert [recording.source for recording in recordings] == ["a/1.flac", "a/2.mp3", "b.WAV"]
    assert [recording.recording_id for recording in recordings] == ["a--1_flac", "a--2_mp3", "b_WAV"]
    assert {recording.language for recording in recordings} == {"en"}
    assert {recording.licence for recording in recordings} == {"CC0-1.0"}
    assert recordings[0].location == str(root / "a" / "1.flac")
    assert dict(listing.passed_over) == {".txt": 2, "no suffix": 1}


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


def test_an_unreadable_folder(fill: Fill) -> None:
    root = fill("a/b.wav")
    (root / "a").chmod(0)
    try:
        with unprivileged(), pytest.raises(SourceError, match="cannot be read: Permission denied"):
            list(list_recordings(_source(root)))
    finally:
        (root / "a").chmod(0o700)


@pytest.mark.parametrize("name", [b"a\xff.wav", b"a\n.wav"])
def test_names_that_shards_cannot_hold(tmp_path: Path, name: bytes) -> None:
    (tmp_path / os.fsdecode(name)).touch()
    with pytest.raises(SourceError, match="rename the file") as caught:
        list(list_recordings(_source(tmp_path)))
    assert str(caught.value).isprintable()


def test_a_file_that_is_no_source(fill: Fill) -> None:
    with pytest.raises(SourceError, match="neither a folder, an audio file nor"):
        detect_source(fill("a.txt") / "a.txt")


def test_the_shipped_speech_is_a_source() -> None:
    assert detect_source(Path("package:demo_speech")) == FolderSource(path="package:demo_speech")
