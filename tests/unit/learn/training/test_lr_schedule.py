"""The learning rate over the steps, against the formulas of its sources."""

import math
from typing import Any

import pytest

from fcaps_pipeline.learn.training.lr_schedule import rate_share
from fcaps_pipeline.learn.training.optimisation_config import Constant, Cosine, Eden, Schedule, Wsd


def _rate(step: int, schedule: Schedule | None = None, *, num_warmup_steps: int = 10, **more: Any) -> float:
    return rate_share(
        step,
        schedule=schedule or Cosine(final_share=0.1),
        num_steps=100,
        num_warmup_steps=num_warmup_steps,
        **more,
    )


def test_rate_climbs_to_the_peak_and_falls_to_its_share_at_the_last_step() -> None:
    assert [_rate(0), _rate(4), _rate(9), _rate(10)] == pytest.approx([0.1, 0.5, 1.0, 1.0])
    assert _rate(55) == pytest.approx(0.1 + 0.9 * (1 + math.cos(math.pi * 45 / 89)) / 2)
    assert _rate(99) == _rate(150) == pytest.approx(0.1)
    rates = [_rate(step) for step in range(10, 100)]
    assert rates == sorted(rates, reverse=True)


def test_rate_without_warm_up_starts_at_the_peak() -> None:
    assert _rate(0, num_warmup_steps=0) == 1.0
    assert rate_share(0, schedule=Cosine(), num_steps=1) == 1.0


def test_constant_and_wsd_stay_at_the_peak_and_wsd_falls_straight_at_the_end() -> None:
    constant, wsd = Constant(kind="constant"), Wsd(kind="wsd", decay_share=0.5, final_share=0.2)
    assert [_rate(step, constant) for step in (4, 9, 60, 99)] == pytest.approx([0.5, 1, 1, 1])
    assert _rate(54, wsd) == 1.0
    assert [_rate(step, wsd, num_warmup_steps=0) for step in (49, 99, 200)] == pytest.approx([1, 0.2, 0.2])
    assert _rate(99 - 33, wsd, num_warmup_steps=0) == pytest.approx(0.2 + 0.8 * (33 / 99) / 0.5)


@pytest.mark.parametrize(("step", "epoch"), [(0, 0), (249, 0), (499, 1), (99_999, 45)])
def test_eden_is_that_of_icefall(step: int, epoch: int) -> None:
    batch, lr_batches, lr_epochs, warmup_batches, warmup_start = step + 1, 100_000.0, 100.0, 500.0, 0.5
    expected = ((batch**2 + lr_batches**2) / lr_batches**2) ** -0.25 * (
        (epoch**2 + lr_epochs**2) / lr_epochs**2
    ) ** -0.25
    expected *= min(1.0, warmup_start + (1 - warmup_start) * batch / warmup_batches)
    found = _rate(step, Eden(kind="eden"), num_warmup_steps=500, warmup_start=0.5, epoch=epoch)
    assert found == pytest.approx(expected, rel=1e-12)
