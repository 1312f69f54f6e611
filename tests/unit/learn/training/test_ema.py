"""Averages against the textbook form."""

import pytest
import torch
from torch import nn

from fcaps_pipeline.learn.training.ema import averaged


def _model() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)).double()


def _step(model: nn.Module, step: int) -> None:
    generator = torch.Generator().manual_seed(step)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64))


def _weight(model: nn.Module) -> torch.Tensor:
    return model.get_parameter("0.weight").detach()


def test_average_is_bias_corrected() -> None:
    model, decay, raw = _model(), 0.9, torch.zeros(2, 3, dtype=torch.float64)
    ema = averaged(model, decay=decay)
    for step in range(1, 8):
        _step(model, step)
        ema.update_parameters(model)
        raw = decay * raw + (1 - decay) * _weight(model)
        torch.testing.assert_close(_weight(ema.module), raw / (1 - decay**step))


def test_first_update_forgets_the_random_start() -> None:
    model = _model()
    ema = averaged(model, decay=0.999)
    _step(model, 1)
    ema.update_parameters(model)
    assert torch.equal(_weight(ema.module), _weight(model))


@pytest.mark.parametrize("num_batches", [7, 9])
def test_whole_numbers_are_copied_and_the_model_keeps_its_own(num_batches: int) -> None:
    model = _model()
    ema = averaged(model, decay=0.5)
    for step in range(3):
        _step(model, step)
        model.get_buffer("1.num_batches_tracked").fill_(num_batches + step)
        ema.update_parameters(model)
    assert int(ema.module.get_buffer("1.num_batches_tracked")) == num_batches + 2
    assert not torch.equal(_weight(ema.module), _weight(model))
