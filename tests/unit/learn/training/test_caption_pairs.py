"""The pairs of stage 2 of CLSP, and what rows without enough captions bring."""

import numpy as np
import pytest

from fcaps_pipeline.errors import UsageError
from fcaps_pipeline.learn.data.batches import TrainingRow
from fcaps_pipeline.learn.training.caption_pairs import Task, draw_pair, draw_task, global_and_fine_share


def _row(global_captions: tuple[str, ...], fine_captions: tuple[str, ...]) -> TrainingRow:
    return TrainingRow(
        row=0,
        segment_id="s0",
        recording_id="r",
        speaker=None,
        tags=(),
        global_captions=global_captions,
        fine_captions=fine_captions,
        events=(),
        audio_id="a",
    )


_FULL = _row(("g1", "g2"), ("f1", "f2", "f3"))


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
            pair = draw_pair(_FULL, task, np.random.default_rng(seed))
            assert not pair.is_substituted
            assert pair == draw_pair(_FULL, task, np.random.default_rng(seed))
            seen[task].add((pair.first, pair.second))
    assert seen[Task.GLOBAL_AND_FINE] == {(g, f) for g in _FULL.global_captions for f in _FULL.fine_captions}
    assert seen[Task.TWO_FINE] == {(a, b) for a in _FULL.fine_captions for b in _FULL.fine_captions if a != b}


@pytest.mark.parametrize(
    ("row", "task", "expected"),
    [
        (_row(("g",), ("f",)), Task.TWO_FINE, {("f", "g")}),
        (_row(("g",), ("f", "f")), Task.TWO_FINE, {("f", "g")}),
        (_row((), ("f",)), Task.TWO_FINE, {("f", "f")}),
        (_row((), ("f",)), Task.GLOBAL_AND_FINE, {("f", "f")}),
        (_row((), ("f1", "f2")), Task.GLOBAL_AND_FINE, {("f1", "f2"), ("f2", "f1")}),
        (_row(("g1", "g2"), ()), Task.TWO_FINE, {("g1", "g2"), ("g2", "g1")}),
        (_row(("g",), ()), Task.GLOBAL_AND_FINE, {("g", "g")}),
    ],
)
def test_rows_that_lack_captions_bring_the_nearest_and_are_counted(
    row: TrainingRow, task: Task, expected: set[tuple[str, str]]
) -> None:
    pairs = [draw_pair(row, task, np.random.default_rng(seed)) for seed in range(20)]
    assert {(pair.first, pair.second) for pair in pairs} == expected
    assert all(pair.is_substituted for pair in pairs)


def test_a_row_without_captions_is_named() -> None:
    with pytest.raises(UsageError, match="Segment s0 has no caption"):
        draw_pair(_row((), ()), Task.TWO_FINE, np.random.default_rng(0))
