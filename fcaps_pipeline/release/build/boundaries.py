"""Where one shard ends and the next begins, from the rows themselves.

Enters: sizes of rows in order, and a draw for each. Leaves: the ends of shards. A cut lies after a row whose draw is
the greatest within half a target before and behind it, so that a row that comes or goes moves only cuts near it:
all other shards hold the same rows in the next version. What is then longer than two targets is cut again at its
greatest draws.

Shape suffix: N rows.
"""

import itertools
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Sizes = npt.NDArray[np.int64]
Draws = npt.NDArray[np.uint64]


def shard_ends(size_N: Sizes, draw_N: Draws, target: int) -> list[int]:
    """The number of the row behind the last of each shard.

    Args:
        size_N: of the rows, in bytes, positive.
        draw_N: of the rows, from what they are called.
        target: size that shards are aimed at, in bytes. None is smaller than half of it, unless all rows together
            are; none is larger than twice as much, unless the rows in its middle are larger than half of it.
    """
    if not len(size_N):
        return []
    end_N = np.cumsum(size_N)
    cuts = [0, *(_greatest(end_N, draw_N, target) + 1).tolist(), len(size_N)]
    return [end for start, stop in itertools.pairwise(cuts) for end in _halved(end_N, draw_N, start, stop, target)]


def _greatest(end_N: Sizes, draw_N: Draws, target: int) -> npt.NDArray[np.int64]:
    """Rows with the greatest draw of all within half a target, and at least as much before and behind them."""
    half = target / 2
    rows = np.flatnonzero((end_N >= half) & (end_N[-1] - end_N >= half))
    while True:
        near = np.diff(end_N[rows]) < half
        rises = draw_N[rows[1:]] > draw_N[rows[:-1]]
        is_beaten = np.r_[near & rises, False] | np.r_[False, near & ~rises]
        if not is_beaten.any():
            break
        rows = rows[~is_beaten]
    firsts = np.searchsorted(end_N, end_N[rows] - half, side="right")
    lasts = np.searchsorted(end_N, end_N[rows] + half, side="left")
    is_first_of_all = [
        int(first + np.argmax(draw_N[first:last])) == row
        for row, first, last in zip(rows.tolist(), firsts.tolist(), lasts.tolist(), strict=True)
    ]
    greatest: npt.NDArray[np.int64] = rows[np.array(is_first_of_all, bool)]
    return greatest


def _halved(end_N: Sizes, draw_N: Draws, start: int, stop: int, target: int) -> Iterator[int]:
    """Ends inside rows `start` to `stop`, and `stop` itself."""
    waiting = [(start, stop)]
    while waiting:
        start, stop = waiting.pop()
        before = int(end_N[start - 1]) if start else 0
        inside = end_N[start : stop - 1]
        is_fit = (inside - before >= target / 2) & (end_N[stop - 1] - inside >= target / 2)
        if end_N[stop - 1] - before <= 2 * target or not is_fit.any():
            yield stop
            continue
        fit = start + np.flatnonzero(is_fit)
        cut = int(fit[np.argmax(draw_N[fit])]) + 1
        waiting += [(cut, stop), (start, cut)]
