"""The learning rate over the real number of steps."""

import math

import pytest

from fcaps_pipeline.learn.training.lr_schedule import learning_rate


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
