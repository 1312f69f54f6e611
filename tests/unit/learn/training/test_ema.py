"""Averages against the textbook form, lent and given back, kept and read again."""

import pytest
import torch
from torch import nn

from fcaps_pipeline.errors import ModelError
from fcaps_pipeline.learn.training.ema import Ema


def _model() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)).double()


def _weight(model: nn.Module) -> torch.Tensor:
    return model.get_parameter("0.weight").detach()


def _step(model: nn.Module, step: int) -> None:
    generator = torch.Generator().manual_seed(step)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64))


def test_average_is_bias_corrected() -> None:
    model, decay, raw = _model(), 0.9, torch.zeros(2, 3, dtype=torch.float64)
    ema = Ema(model, decay=decay)
    for step in range(1, 8):
        _step(model, step)
        ema.update(model)
        raw = decay * raw + (1 - decay) * _weight(model)
        torch.testing.assert_close(ema.state_dict()["average.0.weight"], raw / (1 - decay**step))


def test_first_update_forgets_the_random_start() -> None:
    model = _model()
    ema = Ema(model, decay=0.999)
    _step(model, 1)
    ema.update(model)
    torch.testing.assert_close(ema.state_dict()["average.0.weight"], _weight(model))


def test_averages_are_lent_and_given_back_even_after_an_error() -> None:
    model = _model()
    ema = Ema(model, decay=0.5)
    for step in range(3):
        _step(model, step)
        ema.update(model)
    model.get_buffer("1.num_batches_tracked").fill_(7)
    own = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with ema.swapped(model):
        torch.testing.assert_close(_weight(model), ema.state_dict()["average.0.weight"])
        assert not torch.equal(_weight(model), own["0.weight"])
    with pytest.raises(ValueError, match="expected 2D"), ema.swapped(model):
        model(torch.zeros(3, dtype=torch.float64))
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, own[name])


def test_resumed_average_goes_on_as_if_never_stopped() -> None:
    model = _model()
    whole, killed = Ema(model, decay=0.9), Ema(model, decay=0.9)
    for step in range(6):
        if step == 3:
            state = {name: tensor.clone() for name, tensor in killed.state_dict().items()}
            killed = Ema(_model(), decay=0.9)
            killed.load_state_dict(state)
        _step(model, step)
        whole.update(model)
        killed.update(model)
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, killed.state_dict()[name]), name


def test_half_precision_is_averaged_in_float32() -> None:
    model = nn.Linear(2, 2).bfloat16()
    ema = Ema(model, decay=0.999)
    ema.update(model)
    assert ema.state_dict()["average.weight"].dtype == torch.float32
    with ema.swapped(model):
        assert model.weight.dtype == torch.bfloat16


def test_checkpoint_of_another_model_is_refused_whole() -> None:
    ema = Ema(nn.Linear(3, 2), decay=0.9)
    before = ema.state_dict()["average.weight"].clone()
    with pytest.raises(ModelError, match=r"shape of average.weight is \(2, 4\), expected \(2, 3\); resume"):
        ema.load_state_dict(Ema(nn.Linear(4, 2), decay=0.9).state_dict())
    with pytest.raises(ModelError, match=r"shape of average\.bias is missing, expected"):
        ema.load_state_dict(Ema(nn.Linear(3, 2, bias=False), decay=0.9).state_dict())
    assert torch.equal(ema.state_dict()["average.weight"], before)
