"""What is dear is made by one process and mapped by all."""

from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

from fcaps_pipeline.errors import OutputError
from fcaps_pipeline.learn.data.made_once import CACHE, arrays_made_once, forget, made_once


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(CACHE, str(tmp_path))
    return tmp_path


def _note(folder: Path) -> None:
    with (folder.parent / "made.txt").open("a") as file:
        file.write("once\n")
    (folder / "content").write_text("whole")


def _make(_: int) -> str:
    return (made_once("things/a", _note) / "content").read_text()


def test_one_of_several_processes_makes_it(cache: Path) -> None:
    with get_context("fork").Pool(4) as pool:
        assert pool.map(_make, range(4), chunksize=1) == ["whole"] * 4
    assert (cache / "things" / "made.txt").read_text() == "once\n"


def test_what_was_not_finished_is_not_there_and_leaves_nothing(cache: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").write_text("half")
        raise KeyError

    with pytest.raises(KeyError):
        made_once("things/a", fail)
    assert [path.name for path in (cache / "things").iterdir()] == ["a.lock"]
    assert (made_once("things/a", _note) / "content").exists()


def test_arrays_are_mapped_until_they_are_forgotten(cache: Path) -> None:
    found = arrays_made_once("things/b", lambda: {"x": np.arange(5)})
    again = arrays_made_once("things/b", lambda: {"x": np.arange(7)})
    assert isinstance(again["x"], np.memmap)
    assert again["x"].tolist() == found["x"].tolist() == [0, 1, 2, 3, 4]
    forget("things/b")
    assert again["x"].sum() == 10
    assert not list((cache / "things").iterdir())


def test_a_cache_that_cannot_be_written_is_one_line(cache: Path) -> None:
    (cache / "things").write_text("a file")
    with pytest.raises(OutputError, match=r"cannot write .*things"):
        made_once("things/a", _note)
