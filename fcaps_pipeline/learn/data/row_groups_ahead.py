"""Which row groups the batches of a plan need, and which come next: what is read while others are trained on.

Enters: a catalogue and the plan of its batches. Leaves: for each step the places of row groups in the order of their
first use.

Shape suffixes: N rows of the catalogue, G row groups in the order of their first use.
"""

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
        first_G = np.zeros(num_groups, np.int64)
        last_G = np.zeros(num_groups, np.int64)
        first_G[group_N[::-1]] = position_N[::-1]  # of several, the one that is assigned last stays
        last_G[group_N] = position_N
        order_G = np.argsort(first_G)
        self._starts_K = plan.starts_K
        self._first_G, self._last_G = first_G[order_G], last_G[order_G]
        self._past_G = np.maximum.accumulate(self._last_G)
        rows_G = begin_G[:-1][order_G]
        self._shard_G, self._row_group_G = catalogue.shard_N[rows_G], catalogue.row_group_N[rows_G]

    def at(self, step: int, num_ahead: int) -> list[Place]:
        """Row groups of which a step or a later one needs rows, up to those that some next steps bring.

        Args:
            step: of the plan.
            num_ahead: row groups beyond those that this step and those before it needed; fewer at the end.
        """
        start, end = self._starts_K[step : step + 2]
        wanted = slice(np.searchsorted(self._past_G, start), np.searchsorted(self._first_G, end) + num_ahead)
        is_open = self._last_G[wanted] >= start
        return list(
            zip(self._shard_G[wanted][is_open].tolist(), self._row_group_G[wanted][is_open].tolist(), strict=True)
        )

    def num_left(self, step: int) -> int:
        """Row groups that steps behind this one need for the first time."""
        return len(self._first_G) - int(np.searchsorted(self._first_G, self._starts_K[step + 1]))
