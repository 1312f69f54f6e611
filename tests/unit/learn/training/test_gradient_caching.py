"""Gradients part by part against those of one backward pass over the whole batch."""

import random
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from fcaps_pipeline.learn.training.gradient_caching import Outputs, backward_in_parts
from fcaps_pipeline.learn.training.losses import cosines, info_nce, sigmoid_loss
from tests.unit.learn.training.text_targets import text_targets

_NUM_ROWS = 12
_TEXTS = [f"text {row}" for row in range(_NUM_ROWS)]


class _Towers(nn.Module):
    """Speech, text and frame outputs; draws from torch, numpy and Python in every pass."""

    def __init__(self) -> None:
        super().__init__()
        self.speech = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Dropout(0.4), nn.Linear(8, 4))
        self.text = nn.Sequential(nn.Linear(5, 8), nn.Dropout(0.4), nn.Linear(8, 4))
        self.frame = nn.Linear(6, 3 * 4)
        self.scale = nn.Parameter(torch.tensor(4.0))
        self.bias = nn.Parameter(torch.tensor(-3.0))

    def forward(self, rows: tuple[Tensor, Tensor]) -> Outputs:
        speech_BF, text_BF = rows
        masked_BF = speech_BF * torch.from_numpy(np.random.random(speech_BF.shape) > 0.2) * random.choice([1.0, 2.0])
        speech_BD = nn.functional.normalize(self.speech(masked_BF), dim=1)
        text_BD = nn.functional.normalize(self.text(text_BF), dim=1)
        return speech_BD, text_BD, self.frame(masked_BF).reshape(-1, 3, 4)


def _loss_with(towers: _Towers, contrast: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Outputs], Tensor]:
    def loss_of(outputs: Outputs) -> Tensor:
        speech_BD, text_BD, frame_BTD = outputs
        # Every frame meets every text: the loss ties rows of different parts through frames too.
        grounding = torch.einsum("btd,nd->btn", frame_BTD, text_BD).tanh().square().mean()
        return contrast(nn.functional.dropout(speech_BD, 0.2), text_BD) + grounding

    return loss_of


def _info_nce(towers: _Towers) -> Callable[[Outputs], Tensor]:
    targets = text_targets([_TEXTS], _TEXTS, [1.0])
    return _loss_with(towers, lambda speech, text: info_nce(cosines(speech, text), targets, towers.scale))


def _sigmoid(towers: _Towers) -> Callable[[Outputs], Tensor]:
    targets = text_targets([_TEXTS], _TEXTS, [1.0])
    return _loss_with(
        towers, lambda speech, text: sigmoid_loss(cosines(speech, text), targets, towers.scale, towers.bias)
    )


def _towers() -> _Towers:
    torch.manual_seed(0)
    return _Towers().double()


def _parts(size: int) -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(1)
    speech_BF = torch.randn(_NUM_ROWS, 6, generator=generator, dtype=torch.float64)
    text_BF = torch.randn(_NUM_ROWS, 5, generator=generator, dtype=torch.float64)
    return list(zip(torch.split(speech_BF, size), torch.split(text_BF, size), strict=True))


def _seed() -> None:
    torch.manual_seed(5)
    np.random.seed(5)
    random.seed(5)


def _draws() -> tuple[float, float, float]:
    return float(torch.rand(())), np.random.random(), random.random()


def _at_once(towers: _Towers, parts: Sequence[tuple[Tensor, Tensor]], loss_of: Callable[[Outputs], Tensor]) -> Tensor:
    """The slow version: the graphs of all parts held together."""
    outputs = [towers(part) for part in parts]
    loss = loss_of(tuple(torch.cat(column) for column in zip(*outputs, strict=True)))
    loss.backward()  # type: ignore[no-untyped-call]
    return loss.detach()


@pytest.mark.parametrize("size", [1, 4, 5, 12])
@pytest.mark.parametrize("make_loss", [_info_nce, _sigmoid])
def test_gradients_are_those_of_one_big_batch(
    make_loss: Callable[[_Towers], Callable[[Outputs], Tensor]], size: int
) -> None:
    whole, cached = _towers(), _towers()
    _seed()
    expected = _at_once(whole, _parts(size), make_loss(whole))
    after = _draws()
    _seed()
    loss = backward_in_parts(_parts(size), cached, make_loss(cached))
    assert _draws() == after
    torch.testing.assert_close(loss, expected, rtol=1e-12, atol=0)
    for (name, slow), fast in zip(whole.named_parameters(), cached.parameters(), strict=True):
        if slow.grad is None:
            assert name == "bias"
            assert fast.grad is None
        else:
            assert slow.grad.abs().max() > 0
            torch.testing.assert_close(fast.grad, slow.grad, rtol=0, atol=1e-6)


def _without_draws(towers: _Towers, rows: tuple[Tensor, Tensor]) -> Outputs:
    return nn.functional.normalize(towers.speech(rows[0]), dim=1), nn.functional.normalize(towers.text(rows[1]), dim=1)


def _contrast(towers: _Towers) -> Callable[[Outputs], Tensor]:
    targets = text_targets([_TEXTS], _TEXTS, [1.0])
    return lambda outputs: info_nce(cosines(*outputs), targets, towers.scale)


def test_without_draws_the_size_of_the_parts_does_not_matter() -> None:
    gradients = []
    for size in (2, 5, 12):
        towers = _towers()
        for dropout in (towers.speech[2], towers.text[1]):
            dropout.eval()
        backward_in_parts(_parts(size), partial(_without_draws, towers), _contrast(towers))
        gradients.append([parameter.grad for parameter in (*towers.speech.parameters(), *towers.text.parameters())])
    for other in gradients[1:]:
        for slow, fast in zip(gradients[0], other, strict=True):
            torch.testing.assert_close(fast, slow, rtol=0, atol=1e-12)


def test_gradients_add_to_those_already_there() -> None:
    towers = _towers()
    for _ in range(2):
        _seed()
        backward_in_parts(_parts(4), towers, _info_nce(towers))
    once = _towers()
    _seed()
    backward_in_parts(_parts(4), once, _info_nce(once))
    torch.testing.assert_close(towers.frame.weight.grad, 2 * once.frame.weight.grad)  # type: ignore[operator]


def test_a_frozen_tower_and_an_output_without_a_part_in_the_loss_are_no_obstacle() -> None:
    towers = _towers()
    towers.text.requires_grad_(requires_grad=False)
    backward_in_parts(_parts(4), towers, lambda outputs: (outputs[0] * outputs[1]).sum())
    assert towers.text[0].weight.grad is None
    assert towers.frame.weight.grad is None
    assert towers.speech[0].weight.grad is not None


def _alone(layers: nn.Module, rows_BF: Tensor) -> Outputs:
    return (layers(rows_BF),)


def _squares(outputs: Outputs) -> Tensor:
    return outputs[0].float().square().mean()


def test_autocast_around_both_passes_loses_no_gradient() -> None:
    """Under it the casts of the weights are remembered, and those of the first pass need no graph of their own."""
    gradients = []
    for size in (4, 12):
        torch.manual_seed(0)
        layers = nn.Sequential(nn.Linear(6, 4), nn.Linear(4, 4))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            backward_in_parts([part[0].float() for part in _parts(size)], partial(_alone, layers), _squares)
        gradients.append([parameter.grad for parameter in layers.parameters()])
    for slow, fast in zip(*gradients, strict=True):
        assert slow is not None
        assert slow.abs().max() > 0
        torch.testing.assert_close(fast, slow, rtol=0.03, atol=0.01)


def test_graphs_of_one_part_at_a_time_are_alive() -> None:
    alive: list[int] = []

    class _Counted(torch.autograd.Function):
        @staticmethod
        def forward(ctx: object, rows: Tensor) -> Tensor:
            return rows.clone()

        @staticmethod
        def backward(ctx: object, gradient: Tensor) -> Tensor:
            alive.append(-1)
            return gradient

    def embed(part: tuple[Tensor, Tensor]) -> Outputs:
        embedding_BD = _Counted.apply(weight(part[0]))  # type: ignore[no-untyped-call]
        if embedding_BD.requires_grad:
            alive.append(1)
        return (embedding_BD,)

    weight = nn.Linear(6, 4).double()
    backward_in_parts(_parts(3), embed, _squares)
    assert np.cumsum(alive).tolist() == [1, 0] * 4
