"""Lines of the run log survive the death of their writer."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fcaps_pipeline.annotate.run.watch.run_log import EngineDown, LogLine, RunLog, Started, read_log
from fcaps_pipeline.errors import CorruptRunError, OutputError

AT = datetime(2026, 12, 1, tzinfo=UTC)


def _started(pid: int) -> Started:
    return Started(at=AT, host="node-1", pid=pid, fcaps_version="1")


def _append(path: Path, *lines: LogLine) -> None:
    with RunLog(path) as log:
        for line in lines:
            log.append(line)


def test_lines_come_back_in_order(tmp_path: Path) -> None:
    path = tmp_path / "run.log.jsonl"
    down = EngineDown(at=AT, engine="small", replica="small-0", cause="its node left\nand more")
    assert list(read_log(path)) == []
    _append(path, _started(1), down)
    _append(path, _started(2))
    assert list(read_log(path)) == [_started(1), down, _started(2)]
    assert path.read_text().count("\n") == 3


@given(kept_bytes=st.integers(0, 400))
def test_a_torn_line_costs_itself_alone(tmp_path_factory: pytest.TempPathFactory, kept_bytes: int) -> None:
    path = tmp_path_factory.mktemp("torn") / "run.log.jsonl"
    _append(path, *map(_started, range(3)))
    whole = path.read_bytes()
    path.write_bytes(whole[:kept_bytes])
    left = list(read_log(path))
    assert left == [_started(pid) for pid in range(len(left))]
    _append(path, _started(9))
    assert list(read_log(path)) == [*left, _started(9)]


def test_a_whole_line_of_another_kind_is_named(tmp_path: Path) -> None:
    path = tmp_path / "run.log.jsonl"
    _append(path, _started(1))
    with path.open("a") as file:
        file.write('{"kind": "tea"}\n')
    with pytest.raises(CorruptRunError, match=r"line 2: expected a record .* found '{\"kind\": \"tea\"}'"):
        list(read_log(path))


def test_a_full_disk_is_said(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="No space left on device"), RunLog(Path("/dev/full")) as log:
        log.append(_started(1))
