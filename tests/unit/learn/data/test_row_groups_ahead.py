"""What comes next is told from the plan: every row group before the batch that needs it, and no more than was asked."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fcaps_pipeline.learn.data.batch_sampler import EpochPlan, SamplerSettings, plan_epoch, plan_in_order
from fcaps_pipeline.learn.data.catalogue import Catalogue
from fcaps_pipeline.learn.data.row_groups import Place
from fcaps_pipeline.learn.data.row_groups_ahead import RowGroupsAhead
from fcaps_pipeline.storage.path import store_path


def _catalogue(group_sizes: list[int]) -> Catalogue:
    group_N = np.repeat(np.arange(len(group_sizes)), group_sizes).astype(np.int32)
    rows = np.arange(len(group_N), dtype=np.int32)
    zeros = np.zeros(len(group_N), np.uint64)
    shards = tuple(store_path(f"shard{index}") for index in range(len(group_sizes)))
    return Catalogue(shards, group_N // 3, group_N % 3, rows, np.full(len(rows), 16_000, np.int32), zeros, zeros, zeros)


def _needed(catalogue: Catalogue, plan: EpochPlan, step: int) -> list[Place]:
    """Row groups of one batch, each once."""
    rows = plan.rows(step)
    pairs = zip(catalogue.shard_N[rows].tolist(), catalogue.row_group_N[rows].tolist(), strict=True)
    return list(dict.fromkeys(pairs))


@settings(deadline=None)
@given(group_sizes=st.lists(st.integers(1, 9), min_size=1, max_size=20), pool=st.integers(1, 4), in_order=st.booleans())
def test_what_a_step_needs_is_among_its_places_and_was_ahead_of_the_first_of_its_pool(
    group_sizes: list[int], pool: int, *, in_order: bool
) -> None:
    catalogue = _catalogue(group_sizes)
    limits = SamplerSettings(seed=5, batch_s=4.0, max_s=None, pool_row_groups=pool, min_rows=1)
    plan = plan_in_order(catalogue, 4.0) if in_order else plan_epoch(catalogue, limits, 0)
    ahead = RowGroupsAhead(catalogue, plan)
    needed = [_needed(catalogue, plan, step) for step in range(plan.num_batches)]
    order = list(dict.fromkeys(place for places in needed for place in places))
    before: set[Place] = set()
    for step in range(plan.num_batches):
        places = ahead.at(step)
        later = {place for places in needed[step:] for place in places}
        assert places == [one for one in order if one in places]
        assert set(needed[step]) <= set(places) <= later
        assert len(places) <= int(plan.row_groups_K[step]) + len(group_sizes)
        if step and before.isdisjoint(needed[step]):  # a new pool
            assert min(needed[step], key=order.index) in ahead.at(step - 1)
        before |= set(needed[step])


def test_the_next_pool_comes_step_by_step() -> None:
    catalogue = _catalogue([8] * 6)
    limits = SamplerSettings(seed=5, batch_s=6.0, max_s=None, pool_row_groups=3, min_rows=1)
    ahead = RowGroupsAhead(catalogue, plan_epoch(catalogue, limits, 0))
    steps = [ahead.at(step) for step in range(8)]
    whole = steps[3]
    assert [len(places) for places in steps[:4]] == [4, 5, 6, 6]
    assert all(places == whole[: len(places)] for places in steps[:3])
    assert steps[4] == whole[3:]
    assert [ahead.share_of_next_epoch(step) for step in (0, 3, 4, 7)] == [0.0, 0.0, 0.25, 1.0]
    assert ahead.begin(0.25) == whole[:1]
    assert ahead.begin(1.0) == whole[:3]
