"""Bootstrap intervals: how far a figure may lie off because of the items it was measured on.

Enters: scores of items, or a metric over drawn items, and a generator. Leaves: Estimates with the
percentile interval of 95 %. Items that belong together, such as the captions of one clip, carry a group number
and are drawn together. Suffixes: N items, G groups, K figures, B draws.
Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from fcaps_pipeline.errors import UsageError
from fcaps_pipeline.records.base import Record

Floats = npt.NDArray[np.float64]
Positions = npt.NDArray[np.intp]
Metrics = Callable[[Positions], Sequence[float]]

NUM_RESAMPLES = 1000
_PERCENTILES = (2.5, 97.5)
_BLOCK_ELEMENTS = 4_000_000


class Estimate(Record):
    """A figure and the interval that covers it in 95 % of all draws."""

    value: float
    low: float
    high: float
    num_items: int
    """Items or groups that were drawn from; few of them make the interval too narrow."""


def mean_estimates(
    scores_NK: Floats,
    rng: np.random.Generator,
    *,
    groups_N: Positions | None = None,
    num_resamples: int = NUM_RESAMPLES,
) -> tuple[Estimate, ...]:
    """Means of the columns over items, one Estimate per column, all from the same draws.

    Args:
        scores_NK: one row per item.
        rng: draws the groups.
        groups_N: group of each item, any numbers; None draws single items.
        num_resamples: draws.

    Raises:
        UsageError: there is no item.
    """
    num_items = _checked(len(scores_NK))
    _, groups_N = np.unique(np.arange(num_items) if groups_N is None else groups_N, return_inverse=True)
    num_groups = int(groups_N.max()) + 1
    sums_GK = _sums(scores_NK, groups_N, num_groups)
    counts_G = np.bincount(groups_N, minlength=num_groups).astype(np.float64)
    blocks = [w_BG @ sums_GK / (w_BG @ counts_G)[:, None] for w_BG in _weights(num_groups, num_resamples, rng)]
    return _estimates(scores_NK.mean(axis=0), np.concatenate(blocks), num_groups)


def mean_of_means_estimate(
    parts: Sequence[tuple[Floats, Positions]], rng: np.random.Generator, *, num_resamples: int = NUM_RESAMPLES
) -> Estimate:
    """Mean over several sets of items of the mean of each, the groups being drawn for all sets at once.

    Args:
        parts: scores of the items of one set, shape N, with their groups; the same number is the same group in
            all sets.
        rng: draws the groups.
        num_resamples: draws.

    Raises:
        UsageError: a set has no item.
    """
    for scores_N, _ in parts:
        _checked(len(scores_N))
    names, groups_M = np.unique(np.concatenate([groups_N for _, groups_N in parts]), return_inverse=True)
    splits = np.split(groups_M, np.cumsum([len(scores_N) for scores_N, _ in parts])[:-1])
    sums_GK = np.stack([np.bincount(g, s, len(names)) for (s, _), g in zip(parts, splits, strict=True)], axis=1)
    counts_GK = np.stack([np.bincount(g, minlength=len(names)) for g in splits], axis=1).astype(np.float64)
    with np.errstate(invalid="ignore"):  # a draw may hold no item of one set; it is left out below
        blocks = [
            ((w_BG @ sums_GK) / (w_BG @ counts_GK)).mean(axis=1) for w_BG in _weights(len(names), num_resamples, rng)
        ]
    value = float(np.mean([scores_N.mean() for scores_N, _ in parts]))
    return _estimates(np.array([value]), np.concatenate(blocks)[:, None], len(names))[0]


def metric_estimates(
    metrics: Metrics,
    num_items: int,
    rng: np.random.Generator,
    *,
    groups_N: Positions | None = None,
    num_resamples: int = NUM_RESAMPLES,
) -> tuple[Estimate, ...]:
    """Figures that are no means, such as medians, correlations or macro-F1.

    Args:
        metrics: figures over the items at the given positions, which may repeat; NaN where a draw leaves a
            figure undefined, which takes the draw out of that interval.
        num_items: items there are.
        rng: draws the groups.
        groups_N: group of each item, any numbers; None draws single items.
        num_resamples: draws.

    Raises:
        UsageError: there is no item, or no draw defines a figure.
    """
    everything = np.arange(_checked(num_items))
    values_K = np.array(metrics(everything), dtype=np.float64)
    _, groups_N = np.unique(everything if groups_N is None else groups_N, return_inverse=True)
    num_groups = int(groups_N.max()) + 1
    draws_BK = np.array([metrics(positions) for positions in _members(groups_N, num_groups, num_resamples, rng)])
    return _estimates(values_K, draws_BK, num_groups)


def _checked(num_items: int) -> int:
    if num_items == 0:
        raise UsageError("there is no item to measure on; the evaluation set is empty")
    return num_items


def _sums(scores_NK: Floats, groups_N: Positions, num_groups: int) -> Floats:
    return np.stack([np.bincount(groups_N, column_N, num_groups) for column_N in scores_NK.T], axis=1)


def _weights(num_groups: int, num_resamples: int, rng: np.random.Generator) -> Iterator[Floats]:
    """How often each group is in each draw, in blocks of draws that fit in memory."""
    block = max(1, _BLOCK_ELEMENTS // num_groups)
    for start in range(0, num_resamples, block):
        rows = range(start, min(start + block, num_resamples))
        draws = [np.bincount(rng.integers(num_groups, size=num_groups), minlength=num_groups) for _ in rows]
        yield np.array(draws, dtype=np.float64)


def _members(groups_N: Positions, num_groups: int, num_resamples: int, rng: np.random.Generator) -> Iterator[Positions]:
    """Positions of the items of each draw of groups."""
    by_group_N = np.argsort(groups_N, kind="stable")
    sizes_G = np.bincount(groups_N, minlength=num_groups)
    starts_G = np.cumsum(sizes_G) - sizes_G
    for _ in range(num_resamples):
        drawn_G = rng.integers(num_groups, size=num_groups)
        sizes = sizes_G[drawn_G]
        offsets = np.repeat(starts_G[drawn_G] - (np.cumsum(sizes) - sizes), sizes)
        yield by_group_N[offsets + np.arange(len(offsets))]


def _estimates(values_K: Floats, draws_BK: Floats, num_items: int) -> tuple[Estimate, ...]:
    if np.isnan(draws_BK).all(axis=0).any():
        raise UsageError(f"{num_items} items are too few for an interval: no draw from them defines the figure")
    low_K, high_K = np.nanpercentile(draws_BK, _PERCENTILES, axis=0)
    return tuple(
        Estimate(value=float(value), low=float(low), high=float(high), num_items=num_items)
        for value, low, high in zip(values_K, low_K, high_K, strict=True)
    )
