"""Exponential moving average of the weights: smoother than the last ones, and what is evaluated and released.

Enters: a model, and later its weights after each step. Leaves: a second model with the averages.
"""

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

_Tensors = tuple[Tensor, ...] | list[Tensor]


def averaged(model: nn.Module, *, decay: float) -> AveragedModel:
    """A copy of a model that keeps the bias-corrected average of all weights and buffers.

    After update t the average is m_t / (1 - d^t) with m_t = d m_(t-1) + (1 - d) w_t and m_0 = 0, so
    that the first steps do not hang on the random start. It is kept in corrected form, which is the
    same: a_t = a_(t-1) + (w_t - a_(t-1)) (1 - d) / (1 - d^t). Integer buffers are copied.

    Args:
        model: the bare model, before DDP, FSDP2 and torch.compile.
        decay: d, from 0 (the last weights) to below 1.

    Source: Kingma and Ba, arXiv 1412.6980, section 3.
    """

    @torch.no_grad()
    def update(averages: _Tensors, weights: _Tensors, _: Tensor | int) -> None:
        # Its own count lies on the CPU; the one given lies on the GPU, which would be waited for.
        share = (1 - decay) / (1 - decay ** (int(kept.n_averaged) + 1))
        for average, weight in zip(averages, weights, strict=True):
            if average.is_floating_point():
                average.lerp_(weight, share)
            else:
                average.copy_(weight)

    kept = AveragedModel(model, multi_avg_fn=update, use_buffers=True)
    return kept
