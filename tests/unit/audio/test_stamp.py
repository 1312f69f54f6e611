"""A file that is no longer the planned one is noticed before it is decoded."""

import os
from pathlib import Path

import pytest

from fcaps_pipeline.audio.stamp import changes_since, take_stamp
from fcaps_pipeline.errors import MissingFileError, RecordingError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "tale.wav"
    path.write_bytes(b"RIFF" + bytes(70_000))
    return path


def test_the_same_file_is_the_same(file: Path) -> None:
    assert changes_since(take_stamp(str(file)), str(file)) == ()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"RIFF" + bytes(70_001), r"tale\.wav changed after it was planned: it had 70004 bytes and has 70005;"),
        (b"RIFX" + bytes(70_000), "its first 64 KiB are others"),
    ],
)
def test_another_size_or_beginning_is_another_file(file: Path, content: bytes, expected: str) -> None:
    before = take_stamp(str(file))
    file.write_bytes(content)
    with pytest.raises(RecordingError, match=expected):
        changes_since(before, str(file))


def test_another_time_alone_is_a_warning(file: Path) -> None:
    before = take_stamp(str(file))
    os.utime(file, ns=(1, 1))
    assert [one.name for one in changes_since(before, str(file))] == ["written_again"]


def test_a_file_that_is_gone_is_missing(file: Path) -> None:
    with pytest.raises(MissingFileError):
        take_stamp(str(file.with_name("gone.wav")))
