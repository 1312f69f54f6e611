from pathlib import Path
from uuid import uuid4

import pytest

from fcaps_pipeline.errors import MissingFileError
from fcaps_pipeline.storage.path import store_path
from fcaps_pipeline.storage.scratch import fetched_to_disk, made_on_disk


def test_what_is_on_a_file_system_is_made_and_read_there(tmp_path: Path) -> None:
    path = store_path(tmp_path / "index.sqlite")
    with made_on_disk(path, tmp_path / "scratch") as made:
        made.write_bytes(b"index")
    assert fetched_to_disk(path, tmp_path / "scratch") == tmp_path / "index.sqlite"
    assert not (tmp_path / "scratch").exists()


def test_what_is_far_away_is_made_here_and_fetched_once(tmp_path: Path) -> None:
    path = store_path(f"memory://{uuid4().hex}") / "index.sqlite"
    with pytest.raises(MissingFileError, match=r"index\.sqlite does not exist"):
        fetched_to_disk(path, tmp_path)
    with made_on_disk(path, tmp_path) as made:
        made.write_bytes(b"index")
    assert list(tmp_path.iterdir()) == []
    copy = fetched_to_disk(path, tmp_path)
    assert copy.read_bytes() == b"index"
    before = copy.stat().st_mtime_ns
    assert fetched_to_disk(path, tmp_path) == copy
    assert copy.stat().st_mtime_ns == before
    path.put(b"another index")
    assert fetched_to_disk(path, tmp_path).read_bytes() == b"another index"
    assert [one.name for one in tmp_path.iterdir()] == ["index.sqlite"]


def test_what_was_not_finished_is_not_put(tmp_path: Path) -> None:
    path = store_path(f"memory://{uuid4().hex}") / "index.sqlite"
    with pytest.raises(KeyboardInterrupt), made_on_disk(path, tmp_path) as made:  # noqa: PT012
        made.write_bytes(b"ind")
        raise KeyboardInterrupt
    assert not path.exists()
    assert list(tmp_path.iterdir()) == []
