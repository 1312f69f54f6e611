"""Shards end where the rows say, so that a row that comes or goes changes only the shards around it."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fcaps_pipeline.release.build.boundaries import shard_ends

TARGET = 1000
ROWS = st.lists(st.tuples(st.integers(1, 120), st.integers(0, 2**64 - 1)), max_size=400, unique_by=lambda row: row[1])
Rows = list[tuple[int, int]]


def shards(rows: Rows) -> list[Rows]:
    sizes = np.array([size for size, _ in rows], np.int64)
    ends = shard_ends(sizes, np.array([draw for _, draw in rows], np.uint64), TARGET)
    return [rows[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def num_bytes(rows: Rows) -> int:
    return sum(size for size, _ in rows)


@given(ROWS)
def test_every_row_is_in_one_shard_and_shards_are_neither_small_nor_large(rows: Rows) -> None:
    found = shards(rows)
    assert [row for shard in found for row in shard] == rows
    assert all(num_bytes(shard) <= 2 * TARGET for shard in found)
    assert len(found) <= 1 or all(num_bytes(shard) >= TARGET / 2 for shard in found)


@given(ROWS.filter(len), st.data())
def test_a_row_that_goes_changes_only_what_is_near(rows: Rows, data: st.DataObject) -> None:
    """Cuts look half a target around; a shard behind them is at most two targets long, and cut again by itself."""
    gone = data.draw(st.integers(0, len(rows) - 1))
    before, after = shards(rows), shards(rows[:gone] + rows[gone + 1 :])
    reach = 3.5 * TARGET
    place = num_bytes(rows[:gone])
    ends = np.cumsum([num_bytes(shard) for shard in before])
    for shard, end in zip(before, ends, strict=True):
        start = end - num_bytes(shard)
        is_inner = start >= TARGET and num_bytes(rows) - end >= TARGET
        if is_inner and (end < place - reach or start > place + reach):
            assert shard in after


def test_sizes_are_near_the_target_and_of_many_shards_a_row_changes_few() -> None:
    rng = np.random.default_rng(5)
    rows = list(zip(rng.integers(1, 20, 40_000).tolist(), rng.integers(0, 2**63, 40_000).tolist(), strict=True))
    found = shards(rows)
    assert 0.7 * TARGET < num_bytes(rows) / len(found) < 1.3 * TARGET
    changed = [*rows[:20000], (10, 2**63 + 5), *rows[20000:]]
    assert sum(shard not in found for shard in shards(changed)) <= 4
    assert shards([]) == []
    assert shards([(5 * TARGET, 1)]) == [[(5 * TARGET, 1)]]
