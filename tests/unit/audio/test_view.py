import errno
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from fcaps_pipeline.audio.byte_source import storage_error
from fcaps_pipeline.audio.probe import probe
from fcaps_pipeline.audio.stream import decode_all
from fcaps_pipeline.audio.view import FileView, open_view
from fcaps_pipeline.errors import MissingFileError, RecordingError, StorageError

Pread = Callable[[int, int, int], bytes]


@pytest.fixture
def view(tmp_path: Path) -> FileView:
    path = tmp_path / "a"
    path.write_bytes(bytes(range(100)))
    return open_view(str(path))


def test_a_view_reads_as_a_file_does(view: FileView) -> None:
    assert view.read(3) == bytes((0, 1, 2))
    assert (view.seek(-4, 2), view.read(), view.read(5), view.tell()) == (96, bytes((96, 97, 98, 99)), b"", 100)
    assert (view.seek(500), view.read(1), view.seek(-9, 0), view.read(1)) == (500, b"", 0, b"\0")
    assert (view.at(98, 9), view.at(1 << 70, 1), view.at(-1, 4)) == (bytes((98, 99)), b"", b"")
    view.close()
    view.close()


def test_a_view_shows_what_the_header_should_have_said(view: FileView) -> None:
    view.correct(50, {2: b"xyz", 48: b"ab"})
    assert view.read(3) == b"\0\1x"
    assert view.read(3) == b"yz\5"
    view.seek(46)
    assert view.read() == bytes((46, 47)) + b"ab"
    assert view.at(2, 2) == bytes((2, 3)), "walkers see the file as it is"


def test_a_part_is_a_whole_of_its_own(view: FileView) -> None:
    view.narrow(0, 40)
    assert (view.num_bytes, view.seek(0, 2), view.at(39, 5)) == (40, 40, bytes((39,)))
    view.narrow(40, None)
    assert (view.num_bytes, view.tell(), view.read(1), view.at(0, 1), view.at(59, 5)) == (60, 0, b"(", b"(", b"c")


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOENT, MissingFileError),
        (errno.ENOTDIR, MissingFileError),
        (errno.ENAMETOOLONG, RecordingError),
        (errno.ELOOP, RecordingError),
        *((number, StorageError) for number in (errno.EIO, errno.ESTALE, errno.EMFILE, errno.ENOMEM, errno.ETIMEDOUT)),
        (errno.EACCES, StorageError),
    ],
)
def test_what_the_system_says_of_a_file(number: int, kind: type[Exception]) -> None:
    error = storage_error(Path("a.wav"), OSError(number, os.strerror(number)))
    assert type(error) is kind
    assert "a.wav" in str(error)


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.mp3", "a.mat"])
@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE])
@pytest.mark.parametrize("from_byte", [0, 30_000])
def test_a_storage_that_fails_on_the_way_is_no_bad_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, number: int, from_byte: int
) -> None:
    path = tmp_path / name
    noise_T = np.random.default_rng(0).normal(0, 0.1, 16_000 * 8).astype(np.float32)
    soundfile.write(path, noise_T, 16_000, format="MAT5" if name == "a.mat" else None)
    pread = os.pread

    def failing(file: int, size: int, offset: int) -> bytes:
        if offset + size > from_byte:
            raise OSError(number, os.strerror(number))
        return pread(file, size, offset)

    monkeypatch.setattr(os, "pread", failing)
    with pytest.raises(StorageError, match="cannot be read"):
        decode_all(str(path))
    if from_byte == 0:
        with pytest.raises(StorageError):
            probe(str(path))


def test_no_file_stays_open(tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("no sound " * 99)
    soundfile.write(tmp_path / "a.wav", np.zeros(16_000, np.float32), 16_000)
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a list of descriptors, of which one is its own
    for _ in range(20):
        with pytest.raises(RecordingError):
            decode_all(str(tmp_path / "text.wav"))
        decode_all(str(tmp_path / "a.wav"))
        probe(str(tmp_path / "a.wav"))
        with pytest.raises(RecordingError):
            decode_all(str(tmp_path / "a.wav"), (3,))
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208 - as above
