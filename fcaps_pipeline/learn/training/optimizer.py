"""The optimizer of contrastive training and of the embedded captioner: AdamW that decays matrices only."""

from collections.abc import Iterable

import torch
from torch import nn

_BETAS = (0.9, 0.98)
"""Source: Radford et al. (CLIP), arXiv 2103.00020, table 18."""


def build_optimizer(
    parameters: Iterable[nn.Parameter], *, weight_decay: float, epsilon: float
) -> torch.optim.Optimizer:
    """AdamW with a learning rate of one, which the schedule sets before every step; frozen parameters are left out.

    Args:
        parameters: matrices decay; vectors, scales and biases do not.
        weight_decay: of the matrices.
        epsilon: added to the denominator.
    """
    trained = [one for one in parameters if one.requires_grad]
    groups = [
        {"params": [one for one in trained if one.ndim > 1], "weight_decay": weight_decay},
        {"params": [one for one in trained if one.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=1.0, betas=_BETAS, eps=epsilon)
