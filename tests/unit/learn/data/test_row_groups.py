"""Row groups come from the file once and leave memory in time."""

from pathlib import Path
from queue import Queue

import pyarrow as pa
import pytest

from fcaps_pipeline.errors import CorruptRunError
from fcaps_pipeline.learn.data import row_groups
from fcaps_pipeline.learn.data.row_groups import RowGroupCache, read_row_group
from fcaps_pipeline.storage.path import StorePath
from tests.unit.learn.training.written_runs import Annotate, MakeAudio, RunWriter, corpus


@pytest.fixture
def shard(make_audio: MakeAudio, annotate: Annotate, tmp_path: Path) -> Path:
    """Nine row groups of one row."""
    root = RunWriter(make_audio, annotate).write(tmp_path, corpus(9), unit_rows=9, row_group_bytes=1)
    return next(root.glob("data/*.parquet"))


def test_only_so_many_row_groups_stay_in_memory(shard: Path) -> None:
    cache = RowGroupCache([shard], ["segment_id"])
    for row_group, keep, held in [(0, 3, 1), (1, 3, 2), (2, 3, 3), (3, 3, 3), (3, 1, 1), (4, 1, 1), (5, 2, 2)]:
        assert len(cache.rows(0, row_group, [0], keep=keep)) == 1
        assert cache.num_row_groups == held


def test_a_row_group_in_memory_is_not_read_again(shard: Path) -> None:
    cache = RowGroupCache([shard], ["segment_id"])
    before = cache.rows(0, 0, [0], keep=2)
    cache.rows(0, 1, [0], keep=2)
    cache.rows(0, 0, [0], keep=2)
    cache.rows(0, 2, [0], keep=2)
    shard.unlink()
    assert cache.rows(0, 0, [0], keep=2) == before
    with pytest.raises(CorruptRunError, match=f"^{shard}: row group 1 cannot be read"):
        cache.rows(0, 1, [0], keep=2)


def test_rows_come_in_the_order_asked_for(make_audio: MakeAudio, annotate: Annotate, tmp_path: Path) -> None:
    root = RunWriter(make_audio, annotate).write(tmp_path, corpus(6), row_group_bytes=1_000_000)
    shard = next(root.glob("data/*.parquet"))
    names = [row["segment_id"] for row in RowGroupCache([shard], ["segment_id"]).rows(0, 0, [4, 0, 4], keep=1)]
    stored = read_row_group(shard, 0, ["segment_id"])["segment_id"].to_pylist()
    assert names == [stored[4], stored[0], stored[4]]


def test_a_row_group_that_is_gone_means_that_the_file_was_replaced(shard: Path) -> None:
    with pytest.raises(CorruptRunError, match="has 9 row groups, row group 9 is wanted"):
        read_row_group(shard, 9, ["segment_id"])


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> "Queue[int]":
    """The row groups that are read, as soon as they are."""
    done: Queue[int] = Queue()

    def reading(shard: StorePath, row_group: int, columns: tuple[str, ...]) -> pa.Table:
        table = read_row_group(shard, row_group, columns)
        done.put(row_group)
        return table

    monkeypatch.setattr(row_groups, "read_row_group", reading)
    return done


def test_expected_row_groups_are_read_before_they_are_asked_for(shard: Path, read: "Queue[int]") -> None:
    cache = RowGroupCache([shard], ["segment_id"])
    cache.expect([(0, 5), (0, 4)])
    cache.expect([(0, 5), (0, 4), (0, 3)])
    assert {read.get(timeout=10) for _ in range(3)} == {5, 4, 3}
    for row_group in (4, 5, 3):
        stored = read_row_group(shard, row_group, ["segment_id"])["segment_id"].to_pylist()
        assert [row["segment_id"] for row in cache.rows(0, row_group, [0], keep=1)] == stored
    assert read.empty()


def test_what_is_expected_no_more_leaves_memory(shard: Path, read: "Queue[int]") -> None:
    cache = RowGroupCache([shard], ["segment_id"])
    cache.expect([(0, 0)])
    assert read.get(timeout=10) == 0
    cache.expect([(0, 1)])
    assert read.get(timeout=10) == 1
    cache.rows(0, 0, [0], keep=1)
    assert read.get(timeout=10) == 0
