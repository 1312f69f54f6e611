"""The plan of an epoch: every row once, for any number of ranks."""

from pathlib import Path
from typing import Any, Literal

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
from fcaps_pipeline.learn.data.row_store import RowStore


def _catalogue(lengths: list[int], speakers: list[int] | None = None, weight: float = 1.0) -> Catalogue:
    """Rows of given lengths, in memory."""
    zeros: npt.NDArray[np.uint64] = np.zeros(len(lengths), np.uint64)
    arrays: dict[str, Any] = {
        "num_samples": np.array(lengths, np.int32),
        "segment": zeros,
        "recording": zeros,
        "audio": zeros,
    }
    arrays["speaker"] = zeros if speakers is None else np.array(speakers, np.uint64)
    return Catalogue.of([RowStore(Path("nowhere"), arrays)], [weight])


def _settings(batch_s: float = 20.0, max_s: float | None = 3.0, min_rows: int = 4, **more: Any) -> SamplerSettings:
    return SamplerSettings(seed=5, batch_s=batch_s, max_s=max_s, min_rows=min_rows, **more)


_rng = np.random.default_rng(0)
CORPUS = _catalogue(_rng.integers(1600, 80_000, 700).tolist())


def _batches(plan: EpochPlan) -> list[list[int]]:
    return [plan.rows(step).tolist() for step in range(plan.num_batches)]


@settings(deadline=None)
@given(
    lengths=st.lists(st.integers(1, 60_000), min_size=4, max_size=60),
    speakers=st.lists(st.integers(0, 5), min_size=60, max_size=60),
    apart=st.sampled_from([None, "speaker"]),
    min_rows=st.integers(1, 4),
    spare=st.floats(1.0, 5.0),
    epoch=st.integers(0, 3),
)
def test_every_row_is_in_one_batch_and_no_batch_is_too_small_or_too_long(
    lengths: list[int],
    speakers: list[int],
    apart: Literal["speaker"] | None,
    min_rows: int,
    spare: float,
    epoch: int,
) -> None:
    catalogue = _catalogue(lengths, speakers[: len(lengths)])
    longest = min(max(lengths), 48_000)
    limits = _settings(batch_s=min_rows * longest / 16_000 * spare, min_rows=min_rows, apart=apart)
    plan = plan_epoch(catalogue, limits, epoch)
    batches = _batches(plan)
    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) >= min_rows
        padded_s = len(batch) * max(min(lengths[row], 48_000) for row in batch) / 16_000
        assert padded_s <= limits.batch_s + 1e-4 or len(batch) < 2 * min_rows


def test_a_remainder_that_is_too_small_takes_rows_of_the_batch_before() -> None:
    catalogue = _catalogue([16_000] * 12)
    sizes = [
        sorted(map(len, _batches(plan_epoch(catalogue, _settings(batch_s=10, min_rows=one), 0)))) for one in (4, 7)
    ]
    assert sizes == [[4, 8], [12]]


def test_the_plan_follows_from_seed_and_epoch() -> None:
    first = _batches(plan_epoch(CORPUS, _settings(), 0))
    assert first == _batches(plan_epoch(CORPUS, _settings(), 0))
    assert first != _batches(plan_epoch(CORPUS, _settings(), 1))
    assert first != _batches(plan_epoch(CORPUS, _settings().model_copy(update={"seed": 6}), 0))


def test_nearly_all_of_a_batch_is_sound_and_batches_come_in_shuffled_order() -> None:
    large = _catalogue(np.random.default_rng(1).integers(32_000, 480_000, 20_000).tolist())
    plan = plan_epoch(large, _settings(batch_s=640.0, max_s=30.0), 0)
    lengths = [large.num_samples_N[batch] for batch in _batches(plan)]
    useful = sum(int(one.sum()) for one in lengths) / sum(len(one) * int(one.max()) for one in lengths)
    assert useful > 0.93
    longest = [int(one.max()) for one in lengths]
    assert abs(np.corrcoef(longest, np.arange(len(longest)))[0, 1]) < 0.15


def test_two_rows_of_a_batch_are_of_one_speaker_as_often_as_any_two_rows() -> None:
    speakers = np.repeat(np.arange(1, 501), 40)
    lengths = np.random.default_rng(2).integers(32_000, 480_000, len(speakers))
    catalogue = _catalogue(lengths.tolist(), speakers.tolist())
    found = [_same_speaker(catalogue, plan_epoch(catalogue, _settings(640.0, 30.0), epoch)) for epoch in range(3)]
    assert 0.8 * 39 / 19_999 < np.mean(found) < 1.2 * 39 / 19_999


def test_speakers_stay_apart_as_far_as_they_can() -> None:
    speakers = np.repeat(np.arange(1, 101), 20)
    lengths = np.random.default_rng(3).integers(32_000, 160_000, len(speakers))
    catalogue = _catalogue(lengths.tolist(), speakers.tolist())
    plan = plan_epoch(catalogue, _settings(200.0, 30.0, apart="speaker"), 0)
    assert _same_speaker(catalogue, plan) < 0.1 * 19 / 1999
    unknown = _catalogue(lengths.tolist())
    assert plan_epoch(unknown, _settings(200.0, 30.0, apart="speaker"), 0).num_batches == (
        plan_epoch(unknown, _settings(200.0, 30.0), 0).num_batches
    )


def test_rows_of_a_source_come_as_often_as_its_weight_says() -> None:
    lengths = [16_000] * 400
    for weight, expected in ((2.0, {2}), (0.5, {0, 1}), (2.5, {2, 3})):
        plan = plan_epoch(_catalogue(lengths, weight=weight), _settings(), 0)
        times = np.bincount(plan.rows_M, minlength=400)
        assert set(times.tolist()) == expected
        assert abs(times.mean() - weight) < 0.1


def _same_speaker(catalogue: Catalogue, plan: EpochPlan) -> float:
    """Share of pairs in a batch that are of one speaker."""
    same = pairs = 0
    for batch in _batches(plan):
        counts = np.unique(catalogue.speaker_N[batch], return_counts=True)[1]
        same += int((counts * (counts - 1)).sum())
        pairs += len(batch) * (len(batch) - 1)
    return same / pairs


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
        plan_epoch(_catalogue([1600] * 3), _settings(), 0)


def test_a_batch_that_cannot_hold_the_longest_rows_is_a_job_error() -> None:
    with pytest.raises(JobError, match="a batch of 10 s cannot hold 4 of the longest rows, which takes 12 s"):
        plan_epoch(_catalogue([80_000] * 9), _settings(batch_s=10), 0)
    with pytest.raises(JobError, match="which takes 20 s"):
        plan_epoch(_catalogue([80_000] * 9), _settings(batch_s=10, max_s=None), 0)


def test_a_position_beyond_the_epoch_means_other_data() -> None:
    plan = plan_epoch(CORPUS, _settings(), 0)
    check_position(plan, Position(step=plan.num_batches))
    with pytest.raises(CorruptRunError, match=f"epoch 0 has {plan.num_batches} batches, cannot go on at step"):
        check_position(plan, Position(step=plan.num_batches + 1))


def test_in_order_every_row_comes_once_and_a_long_row_is_alone() -> None:
    catalogue = _catalogue([16_000, 16_000, 16_000, 160_000, 16_000])
    assert _batches(plan_in_order(catalogue, 2.0)) == [[0, 1], [2], [3], [4]]
    assert _batches(plan_in_order(catalogue, 100.0)) == [[0, 1, 2, 3, 4]]
