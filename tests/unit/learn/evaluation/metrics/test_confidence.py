"""Intervals cover what they should, follow the groups, and refuse what cannot be measured."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fcaps_pipeline.errors import UsageError
from fcaps_pipeline.learn.evaluation.metrics.confidence import mean_estimates, mean_of_means_estimate, metric_estimates


def _rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_the_interval_of_a_mean_is_that_of_the_normal_distribution() -> None:
    scores = _rng().normal(3.0, 2.0, size=(400, 1))
    (estimate,) = mean_estimates(scores, _rng(1), num_resamples=4000)
    half_width = 1.96 * scores.std() / np.sqrt(400)
    assert estimate.value == pytest.approx(scores.mean())
    assert estimate.low == pytest.approx(scores.mean() - half_width, abs=0.02)
    assert estimate.high == pytest.approx(scores.mean() + half_width, abs=0.02)
    assert estimate.num_items == 400


def test_nineteen_of_twenty_intervals_hold_the_truth() -> None:
    held = 0
    for seed in range(200):
        scores = (_rng(seed).random((80, 1)) < 0.3).astype(float)
        (estimate,) = mean_estimates(scores, _rng(seed + 1000), num_resamples=400)
        held += estimate.low <= 0.3 <= estimate.high
    assert 0.90 <= held / 200 <= 0.99


def test_copies_of_an_item_in_one_group_do_not_narrow_the_interval() -> None:
    scores = _rng().random((60, 1))
    copies, groups = np.repeat(scores, 9, axis=0), np.repeat(np.arange(60) * 7, 9)
    (single,) = mean_estimates(scores, _rng(2))
    (grouped,) = mean_estimates(copies, _rng(2), groups_N=groups)
    (pretended,) = mean_estimates(copies, _rng(2))
    assert (grouped.low, grouped.high) == pytest.approx((single.low, single.high))
    assert pretended.high - pretended.low < 0.5 * (grouped.high - grouped.low)
    assert (grouped.num_items, pretended.num_items) == (60, 540)


def test_groups_of_different_size_weigh_by_their_items() -> None:
    scores, groups = np.array([[1.0], [1.0], [1.0], [0.0]]), np.array([5, 5, 5, 2])
    (estimate,) = mean_estimates(scores, _rng(), groups_N=groups)
    assert (estimate.value, estimate.low, estimate.high) == (0.75, 0.0, 1.0)


def test_blocks_of_draws_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = _rng().random((50, 3))
    whole = mean_estimates(scores, _rng(3))
    monkeypatch.setattr("fcaps_pipeline.learn.evaluation.metrics.confidence._BLOCK_ELEMENTS", 70)
    for one, other in zip(mean_estimates(scores, _rng(3)), whole, strict=True):
        assert (one.low, one.high) == pytest.approx((other.low, other.high))


@given(st.lists(st.tuples(st.integers(0, 4), st.floats(-5, 5)), min_size=1, max_size=12), st.integers(0, 99))
def test_means_equal_those_of_drawn_items(items: list[tuple[int, float]], seed: int) -> None:
    groups, scores = np.array([group for group, _ in items]), np.array([score for _, score in items])
    (fast,) = mean_estimates(scores[:, None], _rng(seed), groups_N=groups, num_resamples=30)
    (slow,) = metric_estimates(
        lambda positions: [float(scores[positions].mean())], len(items), _rng(seed), groups_N=groups, num_resamples=30
    )
    assert (fast.value, fast.low, fast.high) == pytest.approx((slow.value, slow.low, slow.high))
    assert scores.min() - 1e-9 <= fast.low <= fast.high <= scores.max() + 1e-9


@given(st.lists(st.integers(0, 5), min_size=1, max_size=12), st.integers(0, 99))
def test_every_draw_takes_whole_groups_and_as_many_as_there_are(groups: list[int], seed: int) -> None:
    sizes = {group: groups.count(group) for group in groups}

    def check(positions: np.ndarray) -> list[float]:
        drawn = [groups[position] for position in positions]
        times = [drawn.count(group) / size for group, size in sizes.items()]
        assert sum(times) == len(sizes)
        assert all(
            np.unique(positions, return_counts=True)[1]
            == [drawn.count(groups[p]) / sizes[groups[p]] for p in np.unique(positions)]
        )
        return [0.0]

    metric_estimates(check, len(groups), _rng(seed), groups_N=np.array(groups), num_resamples=10)


def test_a_mean_of_means_draws_the_groups_of_all_sets_at_once() -> None:
    scores = _rng().random(40)
    same = (scores, np.arange(40))
    opposite = (1 - scores, np.arange(40))
    joined = mean_of_means_estimate([same, opposite], _rng(1))
    assert joined.value == pytest.approx(0.5)
    assert joined.high - joined.low < 1e-9
    single = mean_of_means_estimate([same, same], _rng(1))
    (reference,) = mean_estimates(scores[:, None], _rng(1))
    assert (single.value, single.low, single.high) == pytest.approx((reference.value, reference.low, reference.high))


def test_a_set_that_a_draw_misses_is_left_out_of_that_draw() -> None:
    rare = (np.array([1.0]), np.array([7]))
    common = (np.zeros(5), np.array([7, 8, 9, 10, 11]))
    estimate = mean_of_means_estimate([rare, common], _rng())
    assert (estimate.value, estimate.low, estimate.high) == (0.5, 0.5, 0.5)


def test_a_draw_that_leaves_a_figure_undefined_is_left_out() -> None:
    values = np.array([1.0, np.nan, 3.0])

    def metric(positions: np.ndarray) -> list[float]:
        return [2.0 if len(positions) == len(set(positions.tolist())) else float(values[positions].mean())]

    (estimate,) = metric_estimates(metric, 3, _rng())
    assert 1.0 <= estimate.low <= estimate.high <= 3.0


def test_nothing_to_measure_is_refused() -> None:
    with pytest.raises(UsageError, match="evaluation set is empty"):
        mean_estimates(np.empty((0, 1)), _rng())
    with pytest.raises(UsageError, match="2 items are too few"):
        metric_estimates(lambda _: [float("nan")], 2, _rng())
