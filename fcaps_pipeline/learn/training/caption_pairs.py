"""Stage 2 of CLSP: which two captions a row brings, one global and one fine or two fine ones.

Enters: the step, a row with its captions, generators. Leaves: a task for the whole batch, a pair for each row.

Source: CLSP, arXiv 2601.03065.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from fcaps_pipeline.errors import UsageError
from fcaps_pipeline.learn.data.batches import TrainingRow


class Task(StrEnum):
    """Which two captions each row of a batch brings."""

    GLOBAL_AND_FINE = "global_and_fine"
    TWO_FINE = "two_fine"


@dataclass(frozen=True)
class CaptionPair:
    """Two captions of one row."""

    first: str
    second: str
    is_substituted: bool
    """True where the row lacks the captions of the task and brings others."""


def global_and_fine_share(step: int, *, num_steps: int, first: float = 0.95, last: float = 0.50) -> float:
    """P(one global and one fine caption): falls linearly from the first step to the last.

    P(step) = first + (last - first) step / (num_steps - 1).

    Source: CLSP: 0.95 to 0.50 over 10,000 steps; here over the real number of steps.
    """
    return first + (last - first) * min(1.0, step / max(1, num_steps - 1))


def draw_task(share: float, generator: np.random.Generator) -> Task:
    """Draws the task of a whole batch.

    Args:
        share: chance of one global and one fine caption, see `global_and_fine_share`.
        generator: the same on every rank, so that all ranks draw the same task.
    """
    return Task.GLOBAL_AND_FINE if generator.random() < share else Task.TWO_FINE


def draw_pair(row: TrainingRow, task: Task, generator: np.random.Generator) -> CaptionPair:
    """Draws two captions of a row.

    A row that lacks what the task asks for brings the nearest it has: for `TWO_FINE` with a single
    fine caption, that one and a global one; without captions of one granularity, two distinct of
    the other; with one caption in all, that one twice. Equal captions of a row count as one.

    Raises:
        UsageError: the row has no caption at all.
    """
    profiles, tellings = tuple(dict.fromkeys(row.global_captions)), tuple(dict.fromkeys(row.fine_captions))
    is_mixed = task is Task.GLOBAL_AND_FINE
    if profiles and tellings and (is_mixed or len(tellings) < 2):
        first, second = (profiles, tellings) if is_mixed else (tellings, profiles)
        return CaptionPair(first[generator.integers(len(first))], second[generator.integers(len(second))], not is_mixed)
    pool = tellings or profiles
    if not pool:
        raise UsageError(f"Segment {row.segment_id} has no caption; leave rows without captions out of training")
    order = generator.permutation(len(pool))
    return CaptionPair(pool[order[0]], pool[order[-1]], is_mixed or len(tellings) < 2)
