"""The learning rate over the real number of steps of a job."""

import math


def learning_rate(step: int, *, peak: float, num_steps: int, num_warmup_steps: int, final_share: float) -> float:
    """Linear warm-up, then half a cosine.

    With W warm-up steps of S steps::

        peak x (step + 1) / W                                            for step < W
        peak x (f + (1 - f) (1 + cos(pi (step - W) / (S - 1 - W))) / 2)  after, f = final_share

    Args:
        step: from 0 to num_steps - 1; later steps keep the last value.
        peak: the highest value.
        num_steps: all steps, those of the warm-up included.
        num_warmup_steps: 0 for none.
        final_share: value at the last step as a share of the peak, 0 to 1.

    Source: Loshchilov and Hutter, arXiv 1608.03983, without restarts; linear warm-up, Goyal et al., arXiv 1706.02677.
    """
    if step < num_warmup_steps:
        return peak * (step + 1) / num_warmup_steps
    progress = min(1.0, (step - num_warmup_steps) / max(1, num_steps - 1 - num_warmup_steps))
    return peak * (final_share + (1 - final_share) * (1 + math.cos(math.pi * progress)) / 2)
