from pathlib import Path
from uuid import uuid4

import pytest

from fcaps_pipeline.storage import growing_file as module
from fcaps_pipeline.storage.growing_file import growing_file, read_lines
from fcaps_pipeline.storage.path import StorePath, store_path


@pytest.fixture(params=["folder", "memory"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> StorePath:
    return store_path(tmp_path if request.param == "folder" else f"memory://{uuid4().hex}") / "run.log.jsonl"


def test_lines_of_one_process_follow_those_of_another(path: StorePath) -> None:
    assert list(read_lines(path)) == []
    for lines in ((b"a", b"b"), (b"c",)):
        with growing_file(path) as file:
            for line in lines:
                file.append(line)
    assert list(read_lines(path)) == [b"a\n", b"b\n", b"c\n"]


def test_far_away_lines_come_in_parts_that_are_never_touched_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PART_BYTES", 100)
    monkeypatch.setattr(module, "_PUT_S", 0.01)
    path = store_path(f"memory://{uuid4().hex}") / "log"
    lines = [f"{number:040d}".encode() for number in range(20)]
    with growing_file(path) as file:
        for line in lines:
            file.append(line)
            while list(read_lines(path))[-1:] != [line + b"\n"]:
                pass  # it is put within its time
    assert list(read_lines(path)) == [line + b"\n" for line in lines]
    parts = sorted(path.parent.sizes())
    assert parts[0] == "log.00001"
    assert len(parts) > 3


def test_a_torn_line_costs_itself_alone(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"whole\nto")
    with growing_file(store_path(tmp_path / "log")) as file:
        file.append(b"next")
    assert list(read_lines(store_path(tmp_path / "log"))) == [b"whole\n", b"to\n", b"next\n"]
