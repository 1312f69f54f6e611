"""Correlations equal those of scipy, and clips are drawn with all their captions."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fcaps_pipeline.errors import UsageError
from fcaps_pipeline.learn.evaluation.metrics.ratings import RatedPair
from fcaps_pipeline.learn.evaluation.metrics.similarity import correlations, score_similarity


def _pairs(ratings: list[float], captions_per_clip: int = 1) -> list[RatedPair]:
    return [
        RatedPair(clip=f"c{number // captions_per_clip}", caption=f"t{number}", rating=rating, num_ratings=20)
        for number, rating in enumerate(ratings)
    ]


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=2, max_size=20))
def test_correlations_equal_those_of_scipy(values: list[tuple[int, int]]) -> None:
    first, second = np.array(values, dtype=float).T
    found = correlations(first, second)
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        assert all(math.isnan(value) for value in found)
    else:
        expected = (stats.pearsonr(first, second), stats.spearmanr(first, second), stats.kendalltau(first, second))
        assert found == pytest.approx([result.statistic for result in expected])


def test_scores_have_intervals_from_clips() -> None:
    rng = np.random.default_rng(0)
    ratings = rng.uniform(1, 5, 60)
    scores = score_similarity(_pairs(ratings.tolist(), 2), ratings + rng.normal(size=60), None, rng)
    assert scores.pearson.num_items == 30
    assert scores.pearson.low < scores.pearson.value < scores.pearson.high < 1
    assert scores.kendall.value < scores.spearman.value
    assert (scores.num_pairs, scores.num_ratings) == (60, 1200)


def test_a_monotone_model_is_perfect_by_rank() -> None:
    ratings = [1.0, 2.0, 3.0, 4.0, 5.0]
    scores = score_similarity(_pairs(ratings), [math.exp(r) for r in ratings], None, np.random.default_rng(0))
    assert scores.spearman.value == pytest.approx(1.0)
    assert scores.kendall.low == pytest.approx(1.0)
    assert scores.pearson.value < 0.95


@pytest.mark.parametrize(
    ("ratings", "similarities", "message"),
    [
        ([1.0, 2.0], [0.1], "expected 2 finite similarities"),
        ([1.0, 2.0], [0.1, math.nan], "expected 2 finite similarities"),
        ([1.0, 1.0], [0.1, 0.2], "all of one are equal"),
        ([1.0, 2.0], [0.1, 0.1], "all of one are equal"),
        ([], [], "all of one are equal"),
    ],
)
def test_what_has_no_correlation_is_refused(ratings: list[float], similarities: list[float], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        score_similarity(_pairs(ratings), similarities, None, np.random.default_rng(0))
