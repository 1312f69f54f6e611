"""Schedules over the real number of steps, and what rows without enough captions bring."""

import math

import numpy as np
import pytest

from fcaps_pipeline.errors import UsageError
from fcaps_pipeline.learn.training.lr_schedule import (
    RowCaptions,
    Task,
    draw_task,
    draw_texts,
    global_and_fine_share,
    learning_rate,
)

_FULL = RowCaptions(("g1", "g2"), ("f1", "f2", "f3"))


def _rate(step: int, *, num_warmup_steps: int = 10) -> float:
    return learning_rate(step, peak=2.0, num_steps=100, num_warmup_steps=num_warmup_steps, final_share=0.1)


def test_rate_climbs_to_the_peak_and_falls_to_its_share_at_the_last_step() -> None:
    assert [_rate(0), _rate(4), _rate(9), _rate(10)] == pytest.approx([0.2, 1.0, 2.0, 2.0])
    assert _rate(55) == pytest.approx(2 * (0.1 + 0.9 * (1 + math.cos(math.pi * 45 / 89)) / 2))
    assert _rate(99) == _rate(150) == pytest.approx(0.2)
    rates = [_rate(step) for step in range(10, 100)]
    assert rates == sorted(rates, reverse=True)


def test_rate_without_warm_up_starts_at_the_peak() -> None:
    assert _rate(0, num_warmup_steps=0) == 2.0
    assert learning_rate(0, peak=2.0, num_steps=1, num_warmup_steps=0, final_share=0.0) == 2.0


def test_share_of_task_one_falls_over_the_real_steps() -> None:
    assert global_and_fine_share(0, num_steps=101) == pytest.approx(0.95)
    assert global_and_fine_share(50, num_steps=101) == pytest.approx(0.725)
    assert global_and_fine_share(100, num_steps=101) == pytest.approx(0.5)
    assert global_and_fine_share(0, num_steps=1) == 0.95
    assert global_and_fine_share(1, num_steps=3, first=1.0, last=0.0) == 0.5


def test_tasks_come_with_their_share() -> None:
    generator = np.random.default_rng(0)
    tasks = [draw_task(0.8, generator) for _ in range(1000)]
    assert 760 < tasks.count(Task.GLOBAL_AND_FINE) < 840


def test_full_rows_bring_what_the_task_asks() -> None:
    seen: dict[Task, set[tuple[str, str]]] = {task: set() for task in Task}
    for seed in range(60):
        for task in Task:
            texts = draw_texts([_FULL], task, np.random.default_rng(seed))
            assert texts.num_substituted == 0
            assert texts == draw_texts([_FULL], task, np.random.default_rng(seed))
            seen[task].add((texts.first[0], texts.second[0]))
    assert seen[Task.GLOBAL_AND_FINE] == {(g, f) for g in _FULL.global_captions for f in _FULL.fine_captions}
    assert seen[Task.TWO_FINE] == {(a, b) for a in _FULL.fine_captions for b in _FULL.fine_captions if a != b}


@pytest.mark.parametrize(
    ("row", "task", "expected"),
    [
        (RowCaptions(("g",), ("f",)), Task.TWO_FINE, {("f", "g")}),
        (RowCaptions(("g",), ("f", "f")), Task.TWO_FINE, {("f", "g")}),
        (RowCaptions((), ("f",)), Task.TWO_FINE, {("f", "f")}),
        (RowCaptions((), ("f",)), Task.GLOBAL_AND_FINE, {("f", "f")}),
        (RowCaptions((), ("f1", "f2")), Task.GLOBAL_AND_FINE, {("f1", "f2"), ("f2", "f1")}),
        (RowCaptions(("g1", "g2"), ()), Task.TWO_FINE, {("g1", "g2"), ("g2", "g1")}),
        (RowCaptions(("g",), ()), Task.GLOBAL_AND_FINE, {("g", "g")}),
    ],
)
def test_rows_that_lack_captions_bring_the_nearest_and_are_counted(
    row: RowCaptions, task: Task, expected: set[tuple[str, str]]
) -> None:
    drawn = [draw_texts([_FULL, row], task, np.random.default_rng(seed)) for seed in range(20)]
    assert {(texts.first[1], texts.second[1]) for texts in drawn} == expected
    assert {texts.num_substituted for texts in drawn} == {1}


def test_row_without_captions_is_named() -> None:
    with pytest.raises(UsageError, match="row 1 of the batch has no caption"):
        draw_texts([_FULL, RowCaptions((), ())], Task.TWO_FINE, np.random.default_rng(0))
