"""What comes next is told from the plan: every row group before the batch that needs it, and no more than was asked."""

import numpy as np
import pytest
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
@given(
    group_sizes=st.lists(st.integers(1, 9), min_size=1, max_size=20),
    pool=st.integers(1, 4),
    num_ahead=st.integers(0, 5),
    in_order=st.booleans(),
)
def test_places_are_those_of_an_obvious_search(
    group_sizes: list[int], pool: int, num_ahead: int, *, in_order: bool
) -> None:
    catalogue = _catalogue(group_sizes)
    limits = SamplerSettings(seed=5, batch_s=4.0, max_s=None, pool_row_groups=pool, min_rows=1)
    plan = plan_in_order(catalogue, 4.0) if in_order else plan_epoch(catalogue, limits, 0)
    ahead = RowGroupsAhead(catalogue, plan)
    needed = [_needed(catalogue, plan, step) for step in range(plan.num_batches)]
    order = list(dict.fromkeys(place for places in needed for place in places))
    for step in range(plan.num_batches):
        begun = {place for places in needed[: step + 1] for place in places}
        later = {place for places in needed[step:] for place in places}
        fresh = [place for place in order if place not in begun]
        assert ahead.at(step, num_ahead) == [one for one in order if one in begun & later] + fresh[:num_ahead]
        assert ahead.num_left(step) == len(fresh)


@pytest.mark.parametrize("num_ahead", [0, 2])
def test_of_the_last_step_nothing_is_ahead(num_ahead: int) -> None:
    catalogue = _catalogue([4, 4])
    plan = plan_in_order(catalogue, 4.0)
    assert RowGroupsAhead(catalogue, plan).at(plan.num_batches - 1, num_ahead) == [(0, 1)]
