"""The learning rate of each step, as a share of the highest."""

import math

from fcaps_pipeline.learn.training.optimisation_config import Constant, Cosine, Eden, Schedule, Wsd


def rate_share(
    step: int,
    *,
    schedule: Schedule,
    num_steps: int,
    epoch: int = 0,
    num_warmup_steps: int = 0,
    warmup_start: float = 0.0,
) -> float:
    """Linear warm-up, then the schedule.

    With W warm-up steps from the share s, S steps, and p the part of the steps after the warm-up that are done::

        warm-up    s + (1 - s) (step + 1) / W                      for step < W
        cosine     f + (1 - f) (1 + cos(pi p)) / 2                 f = final_share
        wsd        1 - (1 - f) max(0, p - (1 - d)) / d             d = decay_share, of the steps after the warm-up
        eden       warm-up x (1 + (step + 1)^2 / B^2)^(-1/4) x (1 + epoch^2 / E^2)^(-1/4)

    Args:
        step: from 0 to num_steps - 1; later steps keep the last value, except under `eden`, which has no end.
        schedule: what follows the warm-up; `eden` goes on beneath it.
        num_steps: all steps, those of the warm-up included.
        epoch: from 0.
        num_warmup_steps: 0 for none.
        warmup_start: share from which the warm-up rises.

    Source: Loshchilov and Hutter, arXiv 1608.03983, without restarts; Goyal et al., arXiv 1706.02677, for the warm-up;
    MiniCPM, arXiv 2404.06395, for wsd; Zipformer, arXiv 2310.11230, equation of Eden, with the warm-up of icefall.
    """
    is_warm = step >= num_warmup_steps
    warmup = 1.0 if is_warm else warmup_start + (1 - warmup_start) * (step + 1) / num_warmup_steps
    if isinstance(schedule, Eden):
        falls = ((step + 1) / schedule.steps, epoch / schedule.epochs)
        return warmup * float(math.prod((1 + fall**2) ** -0.25 for fall in falls))
    if not is_warm or isinstance(schedule, Constant):
        return warmup
    done = min(1.0, (step - num_warmup_steps) / max(1, num_steps - 1 - num_warmup_steps))
    return _after_warmup(schedule, done)


def _after_warmup(schedule: Cosine | Wsd, done: float) -> float:
    final = schedule.final_share
    if isinstance(schedule, Wsd):
        return 1 - (1 - final) * max(0.0, done - (1 - schedule.decay_share)) / schedule.decay_share
    return final + (1 - final) * (1 + math.cos(math.pi * done)) / 2
