"""The plan of an epoch: every row once, for any number of ranks."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fcaps_pipeline.errors import CorruptRunError, JobError
from fcaps_pipeline.learn.data.batch_sampler import (
    EpochPlan,
    Position,
    SamplerSettings,
    check_position,
    plan_epoch,
    plan_in_order,
    rank_rows,
)
from fcaps_pipeline.learn.data.catalogue import Catalogue
from fcaps_pipeline.storage.path import store_path


def _catalogue(lengths: list[int], group_sizes: list[int]) -> Catalogue:
    """Rows of given lengths in row groups of given sizes, two row groups a shard."""
    group_N = np.repeat(np.arange(len(group_sizes)), group_sizes)[: len(lengths)].astype(np.int32)
    zeros: npt.NDArray[np.uint64] = np.zeros(len(lengths), np.uint64)
    rows = np.arange(len(lengths), dtype=np.int32)
    samples = np.array(lengths, np.int32)
    shards = tuple(store_path(f"shard{index}") for index in range(len(group_sizes)))
    return Catalogue(shards, group_N // 2, group_N % 2, rows, samples, zeros, zeros, zeros)


def _settings(batch_s: float = 20.0, max_s: float | None = 3.0, min_rows: int = 4, pool: int = 3) -> SamplerSettings:
    return SamplerSettings(seed=5, batch_s=batch_s, max_s=max_s, pool_row_groups=pool, min_rows=min_rows)


_rng = np.random.default_rng(0)
CORPUS = _catalogue(_rng.integers(1600, 80_000, 700).tolist(), [*_rng.integers(1, 40, 60).tolist(), 700])


def _batches(plan: EpochPlan) -> list[list[int]]:
    return [plan.rows(step).tolist() for step in range(plan.num_batches)]


@settings(deadline=None)
@given(
    lengths=st.lists(st.integers(1, 60_000), min_size=4, max_size=60),
    group_sizes=st.lists(st.integers(1, 9), min_size=1, max_size=12),
    pool=st.integers(1, 5),
    min_rows=st.integers(1, 4),
    spare=st.floats(1.0, 5.0),
    epoch=st.integers(0, 3),
)
def test_every_row_is_in_one_batch_and_no_batch_is_too_small_or_too_long(
    lengths: list[int], group_sizes: list[int], pool: int, min_rows: int, spare: float, epoch: int
) -> None:
    catalogue = _catalogue(lengths, [*group_sizes, len(lengths)])
    longest = min(max(lengths), 48_000)
    limits = _settings(batch_s=min_rows * longest / 16_000 * spare, min_rows=min_rows, pool=pool)
    plan = plan_epoch(catalogue, limits, epoch)
    batches = _batches(plan)
    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) >= min_rows
        padded_s = len(batch) * max(min(lengths[row], 48_000) for row in batch) / 16_000
        assert padded_s <= limits.batch_s + 1e-4 or len(batch) < 2 * min_rows


def test_a_remainder_that_is_too_small_takes_rows_of_the_batch_before() -> None:
    catalogue = _catalogue([16_000] * 12, [12])
    sizes = [
        sorted(map(len, _batches(plan_epoch(catalogue, _settings(batch_s=10, min_rows=one), 0)))) for one in (4, 7)
    ]
    assert sizes == [[4, 8], [12]]


def test_the_plan_follows_from_seed_and_epoch() -> None:
    first = _batches(plan_epoch(CORPUS, _settings(), 0))
    assert first == _batches(plan_epoch(CORPUS, _settings(), 0))
    assert first != _batches(plan_epoch(CORPUS, _settings(), 1))
    assert first != _batches(plan_epoch(CORPUS, _settings().model_copy(update={"seed": 6}), 0))


def test_batches_come_pool_by_pool_so_that_few_row_groups_are_open_at_a_time() -> None:
    plan = plan_epoch(CORPUS, _settings(pool=3), 0)
    group_N = np.repeat(np.arange(len(CORPUS.row_group_starts()) - 1), np.diff(CORPUS.row_group_starts()))
    steps_of: dict[int, list[int]] = {}
    for step in range(plan.num_batches):
        for group in set(group_N[plan.rows(step)].tolist()):
            steps_of.setdefault(group, []).append(step)
    assert len(steps_of) == len(CORPUS.row_group_starts()) - 1
    for step in range(plan.num_batches):
        open_groups = [group for group, steps in steps_of.items() if min(steps) <= step <= max(steps)]
        assert len(open_groups) <= plan.row_groups_K[step]
    assert 3 <= np.median(plan.row_groups_K) <= 6


def test_batches_hold_rows_of_like_length_in_shuffled_order() -> None:
    plan = plan_epoch(CORPUS, _settings(batch_s=60.0, pool=12), 0)
    cropped = np.minimum(CORPUS.num_samples_N, 48_000)
    padded = sum(len(batch) * int(cropped[batch].max()) for batch in _batches(plan))
    unsorted = np.array_split(np.random.default_rng(0).permutation(len(CORPUS)), plan.num_batches)
    padded_unsorted = sum(len(batch) * int(cropped[batch].max()) for batch in unsorted)
    assert padded - cropped.sum() < 0.5 * (padded_unsorted - cropped.sum())
    longest = [int(cropped[batch].max()) for batch in _batches(plan)]
    assert longest != sorted(longest)


@pytest.mark.parametrize("world_size", [1, 2, 4])
def test_ranks_divide_a_batch_row_by_row(world_size: int) -> None:
    plan = plan_epoch(CORPUS, _settings(min_rows=4), 0)
    for step in range(plan.num_batches):
        shares = [rank_rows(plan.rows(step), rank, world_size).tolist() for rank in range(world_size)]
        assert min(map(len, shares)) >= 1
        assert max(map(len, shares)) - min(map(len, shares)) <= 1
        together = [shares[index % world_size][index // world_size] for index in range(len(plan.rows(step)))]
        assert together == plan.rows(step).tolist()


def test_rows_too_few_for_a_batch_are_a_job_error() -> None:
    with pytest.raises(JobError, match="the train split has 3 rows, a batch must have at least 4"):
        plan_epoch(_catalogue([1600] * 3, [3]), _settings(), 0)


def test_a_batch_that_cannot_hold_the_longest_rows_is_a_job_error() -> None:
    with pytest.raises(JobError, match="a batch of 10 s cannot hold 4 of the longest rows, which takes 12 s"):
        plan_epoch(_catalogue([80_000] * 9, [9]), _settings(batch_s=10), 0)
    with pytest.raises(JobError, match="which takes 20 s"):
        plan_epoch(_catalogue([80_000] * 9, [9]), _settings(batch_s=10, max_s=None), 0)


def test_a_position_beyond_the_epoch_means_other_data() -> None:
    plan = plan_epoch(CORPUS, _settings(), 0)
    check_position(plan, Position(step=plan.num_batches))
    with pytest.raises(CorruptRunError, match=f"epoch 0 has {plan.num_batches} batches, cannot go on at step"):
        check_position(plan, Position(step=plan.num_batches + 1))


def test_in_order_every_row_comes_once_and_a_long_row_is_alone() -> None:
    catalogue = _catalogue([16_000, 16_000, 16_000, 160_000, 16_000], [2, 3])
    assert _batches(plan_in_order(catalogue, 2.0)) == [[0, 1], [2], [3], [4]]
    assert _batches(plan_in_order(catalogue, 100.0)) == [[0, 1, 2, 3, 4]]
