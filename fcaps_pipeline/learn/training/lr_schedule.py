"""What changes over the steps: learning rate, and which texts a batch brings.

Enters: step numbers from 0, captions of rows, generators. Leaves: numbers and texts. Steps are the
real number of steps of the job: every schedule ends with the last one.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from fcaps_pipeline.errors import UsageError


class Task(StrEnum):
    """Which two texts each row brings in stage 2 of CLSP."""

    GLOBAL_AND_FINE = "global_and_fine"
    TWO_FINE = "two_fine"


@dataclass(frozen=True)
class RowCaptions:
    """The captions of one row by granularity."""

    global_captions: tuple[str, ...]
    fine_captions: tuple[str, ...]


@dataclass(frozen=True)
class DrawnTexts:
    """Two texts per row."""

    first: tuple[str, ...]
    second: tuple[str, ...]
    num_substituted: int
    """Rows that lack the captions of the task and brought others."""


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


def global_and_fine_share(step: int, *, num_steps: int, first: float = 0.95, last: float = 0.50) -> float:
    """P(one global and one fine caption): falls linearly from the first step to the last.

    P(step) = first + (last - first) step / (num_steps - 1).

    Source: CLSP, arXiv 2601.03065: 0.95 to 0.50 over 10,000 steps; here over the real number of steps.
    """
    return first + (last - first) * min(1.0, step / max(1, num_steps - 1))


def draw_task(share: float, generator: np.random.Generator) -> Task:
    """Draws the task of a whole batch.

    Args:
        share: chance of one global and one fine caption, see `global_and_fine_share`.
        generator: the same on every rank, so that all ranks draw the same task.
    """
    return Task.GLOBAL_AND_FINE if generator.random() < share else Task.TWO_FINE


def draw_texts(rows: Sequence[RowCaptions], task: Task, generator: np.random.Generator) -> DrawnTexts:
    """Draws two texts for each row.

    A row that lacks what the task asks for brings the nearest it has: for `TWO_FINE` with a single
    fine caption, that one and a global one; without captions of one granularity, two distinct of
    the other; with one caption in all, that one twice. Equal captions of a row count as one.

    Args:
        rows: captions of a batch.
        task: what to draw; its first text stands in the first slot.
        generator: decides the draw together with the order of the rows.

    Raises:
        UsageError: a row has no caption at all.
    """
    pairs = [_draw_pair(row, index, task, generator) for index, row in enumerate(rows)]
    return DrawnTexts(
        tuple(first for first, _, _ in pairs),
        tuple(second for _, second, _ in pairs),
        sum(substituted for _, _, substituted in pairs),
    )


def _draw_pair(row: RowCaptions, index: int, task: Task, generator: np.random.Generator) -> tuple[str, str, bool]:
    profiles, tellings = tuple(dict.fromkeys(row.global_captions)), tuple(dict.fromkeys(row.fine_captions))
    mixed = task is Task.GLOBAL_AND_FINE
    if profiles and tellings and (mixed or len(tellings) < 2):
        first, second = (profiles, tellings) if mixed else (tellings, profiles)
        return first[generator.integers(len(first))], second[generator.integers(len(second))], not mixed
    pool = tellings or profiles
    if not pool:
        raise UsageError(f"row {index} of the batch has no caption; leave rows without captions out of training")
    order = generator.permutation(len(pool))
    as_asked = not mixed and len(tellings) >= 2
    return pool[order[0]], pool[order[-1]], not as_asked
