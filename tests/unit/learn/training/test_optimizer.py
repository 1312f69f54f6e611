"""Groups of weights: who belongs where, what rate they have, and when they stay as they are."""

import pytest
import torch
from torch import nn

from fcaps_pipeline.errors import JobError
from fcaps_pipeline.learn.training.optimisation_config import WeightGroup
from fcaps_pipeline.learn.training.optimizer import build_optimizer, set_frozen, set_rate


class _Tower(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(2, 2)
        self.layers = nn.ModuleList(nn.Linear(2, 2) for _ in range(3))


class _Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.tower = _Tower()
        self.head = nn.Linear(2, 1)


def _optimizer(model: nn.Module, *groups: WeightGroup) -> torch.optim.Optimizer:
    return build_optimizer(model.named_parameters(), groups, weight_decay=0.1, epsilon=1e-6)


def _setting(model: nn.Module, optimizer: torch.optim.Optimizer, name: str, key: str) -> float:
    weight = model.get_parameter(name)
    (found,) = (group for group in optimizer.param_groups if any(one is weight for one in group["params"]))
    return float(found[key])


def test_matrices_decay_and_vectors_do_not() -> None:
    model = _Model()
    optimizer = _optimizer(model)
    assert _setting(model, optimizer, "head.weight", "weight_decay") == 0.1
    assert _setting(model, optimizer, "head.bias", "weight_decay") == 0.0
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(list(model.parameters()))


def test_the_first_group_that_a_name_begins_with_holds() -> None:
    model = _Model()
    optimizer = _optimizer(
        model, WeightGroup(match=r"tower\.embed", rate=0.5, weight_decay=0.0), WeightGroup(match="tower", rate=0.1)
    )
    set_rate(optimizer, 2.0)
    rates = [
        _setting(model, optimizer, name, "lr") for name in ("tower.embed.weight", "tower.layers.0.bias", "head.weight")
    ]
    assert rates == pytest.approx([1.0, 0.2, 2.0])
    assert _setting(model, optimizer, "tower.embed.weight", "weight_decay") == 0.0
    assert _setting(model, optimizer, "tower.layers.0.weight", "weight_decay") == 0.1


def test_lower_layers_learn_more_slowly() -> None:
    model = _Model()
    optimizer = _optimizer(model, WeightGroup(match="tower", layer_decay=0.5))
    names = ("tower.layers.2.weight", "tower.layers.1.weight", "tower.layers.0.weight", "tower.embed.weight")
    assert [_setting(model, optimizer, name, "rate") for name in names] == [1.0, 0.5, 0.25, 0.125]
    assert _setting(model, optimizer, "head.weight", "rate") == 1.0


def test_frozen_weights_stay_until_their_step_and_then_move() -> None:
    model = _Model()
    optimizer = _optimizer(
        model,
        WeightGroup(match=r"tower\.layers", frozen_steps=2),
        WeightGroup(match=r"tower\.embed", frozen_steps=None),
    )
    set_rate(optimizer, 0.01)
    moved: list[list[bool]] = []
    for step in range(3):
        before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
        assert set_frozen(optimizer, step) == (step != 1)
        state = model.tower.embed(torch.ones(1, 2))
        for layer in model.tower.layers:
            state = layer(state)
        model.head(state).sum().backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        names = ("tower.embed.weight", "tower.layers.1.weight", "head.weight")
        moved.append([not torch.equal(before[name], model.get_parameter(name)) for name in names])
    assert moved == [[False, False, True], [False, False, True], [False, True, True]]


def test_a_pattern_that_fits_nothing_is_one_clear_line() -> None:
    with pytest.raises(JobError, match=r"groups\[1\].match 'speech' fits none of 10 weights .* begin with tower.embed"):
        _optimizer(_Model(), WeightGroup(match="tower"), WeightGroup(match="speech"))
    with pytest.raises(ValueError, match="is no regular expression"):
        WeightGroup(match="(")
