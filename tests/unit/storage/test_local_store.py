import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from fcaps_pipeline.errors import OutputError, StorageError
from fcaps_pipeline.storage.local_store import LocalStore


def _refusing(code: int) -> Callable[..., None]:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    return refuse


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOTSUP, errno.EACCES])
def test_a_file_system_that_syncs_no_folders_is_written_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    real = os.fsync

    def sync(file: int) -> None:
        if stat.S_ISDIR(os.fstat(file).st_mode):
            raise OSError(code, os.strerror(code))
        real(file)

    monkeypatch.setattr("os.fsync", sync)
    store = LocalStore(tmp_path)
    store.put("a/b", b"1")
    assert store.put_if_absent("a/c", b"2")
    assert store.read("a/b") + store.read("a/c") == b"12"


def test_a_disk_that_fails_at_a_sync_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", _refusing(errno.EIO))
    with pytest.raises(OutputError, match="Input/output error"):
        LocalStore(tmp_path).put("a", b"1")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("code", [errno.EPERM, errno.ENOTSUP])
def test_without_hard_links_one_writer_wins_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    monkeypatch.setattr("os.link", _refusing(code))
    store = LocalStore(tmp_path)
    assert store.put_if_absent("a/record", b"first")
    assert not store.put_if_absent("a/record", b"late")
    assert store.read("a/record") == b"first"
    assert [one.key for one in store.list("")] == ["a/record"]


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.link", _refusing(errno.ENOSPC))
    with pytest.raises(OutputError, match="No space left on device; make room"):
        LocalStore(tmp_path).put_if_absent("record", b"1")
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_another_file_system_is_moved_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "scratch"
    file.write_bytes(b"content")
    real = Path.replace

    def replace(self: Path, target: Path) -> Path:
        if self == file:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        return real(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    store = LocalStore(tmp_path / "root")
    store.put_file("a/shard", file)
    assert store.read("a/shard") == b"content"
    assert not file.exists()


def test_a_folder_in_place_of_a_file_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(StorageError, match="Is a directory"):
        LocalStore(tmp_path).read("a")
    assert LocalStore(tmp_path).num_bytes("a") is None
