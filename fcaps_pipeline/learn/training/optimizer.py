"""The optimizer of contrastive training and of the embedded captioner: AdamW over groups of weights.

Enters: named weights and the groups of a job. Leaves: an optimizer whose groups carry their factor on the learning
rate and the steps in which they are frozen. Matrices decay; vectors, scales and biases do not.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import nn
from torch.distributed.tensor import DTensor

from fcaps_pipeline.errors import JobError
from fcaps_pipeline.learn.training.optimisation_config import WeightGroup

_LAYER = re.compile(r"^(.*?\.layers?)\.(\d+)\.")
_REST = WeightGroup(match=".")
_NUM_SHOWN = 4


def build_optimizer(
    named: Iterable[tuple[str, nn.Parameter]],
    groups: Sequence[WeightGroup] = (),
    *,
    weight_decay: float,
    epsilon: float,
    betas: tuple[float, float] = (0.9, 0.98),
) -> torch.optim.Optimizer:
    """AdamW, fused; its learning rate of one is set by `set_rate` before every step.

    Args:
        named: all weights. Those that ask for no gradient here are left out.
        groups: the first one that a name fits holds for it.
        weight_decay: of the matrices of groups that name none.
        epsilon: added to the denominator.
        betas: of the two moments.

    Raises:
        JobError: a group fits no weight.
    """
    weights = {name: weight for name, weight in named if weight.requires_grad}
    found = {name: next((one for one in groups if re.match(one.match, name)), _REST) for name in weights}
    _require_used(groups, found)
    depth = _layers_above(weights)
    columns: dict[tuple[float, float, int | None, bool], list[nn.Parameter]] = defaultdict(list)
    for name, weight in weights.items():
        group = found[name]
        decay = weight_decay if group.weight_decay is None else group.weight_decay
        rate = group.rate * group.layer_decay ** depth[name]
        # Torch does not mix whole weights and shares of them in one group.
        is_share = isinstance(weight, DTensor)
        columns[rate, decay if weight.ndim > 1 else 0.0, group.frozen_steps, is_share].append(weight)
    settings = [
        {"params": params, "weight_decay": decay, "rate": rate, "frozen_steps": frozen_steps}
        for (rate, decay, frozen_steps, _), params in columns.items()
    ]
    return torch.optim.AdamW(settings, lr=1.0, betas=betas, eps=epsilon, fused=True)


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """The learning rate of the next step, times the factor of each group."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["rate"]


def set_frozen(optimizer: torch.optim.Optimizer, step: int) -> bool:
    """Freezes and thaws weights for a step, counted from 0; True where that changed anything.

    A frozen weight has no gradient, so that it keeps value and moments whatever the decay.
    """
    changed = False
    for group in optimizer.param_groups:
        learns = _learns(group, step)
        for weight in group["params"]:
            changed |= weight.requires_grad != learns
            weight.requires_grad_(learns)
    return changed


def _learns(group: dict[str, Any], step: int) -> bool:
    return group["frozen_steps"] is not None and step >= group["frozen_steps"]


def _layers_above(names: Iterable[str]) -> dict[str, int]:
    """Layers between each weight and the top of the stack it stands in; 0 where its tower has no layers."""
    places = {name: _LAYER.match(name) for name in names}
    heights: dict[str, int] = defaultdict(int)
    for place in places.values():
        if place:
            tower = place[1].partition(".")[0]
            heights[tower] = max(heights[tower], int(place[2]) + 1)
    return {
        name: heights[name.partition(".")[0]] - (int(place[2]) + 1 if place else 0) for name, place in places.items()
    }


def _require_used(groups: Sequence[WeightGroup], found: dict[str, WeightGroup]) -> None:
    used = {id(group) for group in found.values()}
    for number, group in enumerate(groups):
        if id(group) not in used:
            beginnings = list(dict.fromkeys(".".join(name.split(".")[:2]) for name in found))
            raise JobError(
                f"optimisation.groups[{number}].match {group.match!r} fits none of {len(found)} weights that no group "
                f"before it has; names begin with {', '.join(beginnings[:_NUM_SHOWN])} and "
                f"{max(0, len(beginnings) - _NUM_SHOWN)} more"
            )
