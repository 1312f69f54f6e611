"""Style similarity: how well a model's cosines follow human ratings of the same pairs.

Enters: rated pairs and the model's similarity of each. Leaves: Pearson, Spearman and Kendall correlations with
intervals from drawing clips, so that the captions of one clip are drawn together.
"""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import stats

from fcaps_pipeline.errors import UsageError
from fcaps_pipeline.learn.evaluation.metrics.confidence import Estimate, Floats, metric_estimates
from fcaps_pipeline.learn.evaluation.metrics.ratings import Agreement, RatedPair
from fcaps_pipeline.records.base import Record


class SimilarityScores(Record):
    """Correlation of a model with people."""

    pearson: Estimate
    spearman: Estimate
    kendall: Estimate
    """Kendall's tau-b, which corrects for ties."""
    num_pairs: int
    num_ratings: int
    agreement: Agreement | None
    """How far the raters agree; None where that cannot be said."""


def score_similarity(
    pairs: Sequence[RatedPair],
    similarities: Sequence[float] | npt.NDArray[np.floating],
    agreement: Agreement | None,
    rng: np.random.Generator,
) -> SimilarityScores:
    """Correlates similarities with mean ratings.

    Args:
        pairs: with the mean of their ratings.
        similarities: the model's cosine of each pair.
        agreement: of the raters, handed on.
        rng: draws clips for the intervals.

    Raises:
        UsageError: numbers differ, a similarity is not finite, or ratings or similarities are all equal.
    """
    given = np.asarray(similarities, dtype=np.float64)
    ratings = np.array([pair.rating for pair in pairs])
    if given.shape != ratings.shape or not np.isfinite(given).all():
        raise UsageError(f"expected {len(pairs)} finite similarities, one per rated pair, found {given.shape}")
    if len(pairs) < 2 or np.ptp(ratings) == 0 or np.ptp(given) == 0:
        raise UsageError("a correlation needs ratings that differ and similarities that differ; all of one are equal")
    _, groups = np.unique([pair.clip for pair in pairs], return_inverse=True)
    pearson, spearman, kendall = metric_estimates(
        lambda positions: correlations(given[positions], ratings[positions]), len(pairs), rng, groups_N=groups
    )
    return SimilarityScores(
        pearson=pearson,
        spearman=spearman,
        kendall=kendall,
        num_pairs=len(pairs),
        num_ratings=sum(pair.num_ratings for pair in pairs),
        agreement=agreement,
    )


def correlations(first: Floats, second: Floats) -> tuple[float, float, float]:
    """Pearson, Spearman and Kendall (tau-b); NaN where one side does not vary."""
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return math.nan, math.nan, math.nan
    ranks = stats.rankdata(first), stats.rankdata(second)
    pearson = float(np.corrcoef(first, second)[0, 1])
    spearman = float(np.corrcoef(*ranks)[0, 1])
    return pearson, spearman, float(stats.kendalltau(first, second).statistic)
