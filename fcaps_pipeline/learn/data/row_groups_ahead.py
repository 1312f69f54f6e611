"""Which row groups the batches of a plan need, and which come next: what is read while others are trained on.

Enters: a catalogue and the plan of its batches. Leaves: for each step the places of row groups in the order of their
first use: those of its pool, and of the next pool the more, the further this one has come. So reading is spread over
all steps, and a new pool is there when its first batch is.

Shape suffixes: N rows of the catalogue, G row groups in the order of their first use, P pools.
"""

import math

import numpy as np

from fcaps_pipeline.learn.data.batch_sampler import EpochPlan
from fcaps_pipeline.learn.data.catalogue import Catalogue
from fcaps_pipeline.learn.data.row_groups import Place


class RowGroupsAhead:
    """The row groups of one epoch."""

    def __init__(self, catalogue: Catalogue, plan: EpochPlan) -> None:
        """Goes over the plan once."""
        begin_G = catalogue.row_group_starts()
        num_groups = len(begin_G) - 1
        group_N = np.repeat(np.arange(num_groups, dtype=np.int32), np.diff(begin_G))[plan.rows_N]
        position_N = np.arange(len(group_N))
        first_G, last_G = np.zeros((2, num_groups), np.int64)
        first_G[group_N[::-1]] = position_N[::-1]  # of several, the one that is assigned last stays
        last_G[group_N] = position_N
        order_G = np.argsort(first_G)
        first_G, self._last_G = first_G[order_G], last_G[order_G]
        past_G = np.maximum.accumulate(self._last_G)
        # A pool begins where all row groups before it are done with.
        begins_P = np.flatnonzero(np.concatenate([[True], first_G[1:] > past_G[:-1]]))
        self._groups_P = np.append(begins_P, num_groups)
        self._rows_P = np.append(first_G[begins_P], len(group_N))
        self._starts_K = plan.starts_K
        rows_G = begin_G[:-1][order_G]
        pairs = zip(catalogue.shard_N[rows_G].tolist(), catalogue.row_group_N[rows_G].tolist(), strict=True)
        self._places: list[Place] = list(pairs)

    def at(self, step: int) -> list[Place]:
        """Row groups of which a step or a later one of its pool needs rows, then those of the next pool."""
        start = self._starts_K[step]
        pool, share = self._pool(step)
        begin = self._groups_P[np.searchsorted(self._rows_P, start, side="right") - 1]
        end = self._groups_P[pool + 1]
        is_open = self._last_G[begin:end] >= start
        here = [place for place, is_needed in zip(self._places[begin:end], is_open, strict=True) if is_needed]
        return here + self._of_pool(pool + 1, share)

    def share_of_next_epoch(self, step: int) -> float:
        """How much of the first pool of the next epoch is read ahead: nothing before the last pool of this one."""
        pool, share = self._pool(step)
        return share if pool == len(self._rows_P) - 2 else 0.0

    def begin(self, share: float) -> list[Place]:
        """Row groups that a share of the first pool needs first."""
        return self._of_pool(0, share)

    def _pool(self, step: int) -> tuple[int, float]:
        """Which pool a step ends in, and how far the pool has come with it."""
        end = self._starts_K[step + 1]
        pool = int(np.searchsorted(self._rows_P, end, side="left")) - 1
        begin, behind = self._rows_P[pool : pool + 2]
        return pool, float((end - begin) / (behind - begin))

    def _of_pool(self, pool: int, share: float) -> list[Place]:
        begin, *behind = self._groups_P[pool : pool + 2].tolist()
        return self._places[begin : begin + math.ceil(share * (behind[0] - begin))] if behind else []
