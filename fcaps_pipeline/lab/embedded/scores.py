"""Figures of merit as pure functions over (true word, stated word) pairs.

A stated word of None counts as wrong for recall and as silence for precision.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from fcaps_pipeline.learn.evaluation.metrics.confidence import Estimate, metric_estimates
from fcaps_pipeline.records.base import Record

Item = TypeVar("Item")
Pairs = Sequence[tuple[str, str | None]]


class Score(Record):
    """One line of the model card."""

    name: str
    measure: str
    value: Estimate
    """With the interval from drawing clips."""
    constant: float | None
    """What the best constant answer reaches; None where there is none."""
    rule: Estimate | None
    """What a simple signal rule reaches; None where there is none."""


def estimate(metric: Callable[[Sequence[Item]], float], clips: Sequence[Item]) -> Estimate:
    """A figure over clips with its bootstrap interval of 95 %, from the same draws every time.

    Raises:
        UsageError: there is no clip.
    """
    return metric_estimates(
        lambda positions: [metric([clips[position] for position in positions])], len(clips), np.random.default_rng(0)
    )[0]


def macro_recall(pairs: Pairs) -> float:
    """Mean over the true words of the share stated correctly; a constant answer reaches one over their number."""
    totals = Counter(truth for truth, _ in pairs)
    correct = Counter(truth for truth, stated in pairs if truth == stated)
    return sum(correct[word] / total for word, total in totals.items()) / len(totals) if totals else 0.0


def f1(pairs: Sequence[tuple[bool, bool]]) -> float:
    """F1 of (true, stated) presences; 0 where nothing is true and nothing stated."""
    hits = sum(1 for truth, stated in pairs if truth and stated)
    wrong = sum(1 for truth, stated in pairs if truth != stated)
    return 2 * hits / (2 * hits + wrong) if hits or wrong else 0.0


def constant_macro_recall(pairs: Pairs) -> float:
    """Macro recall of any constant answer."""
    return 1 / len({truth for truth, _ in pairs}) if pairs else 0.0


def share(outcomes: Sequence[bool]) -> float:
    """Share of true outcomes; 0 for none."""
    return sum(outcomes) / len(outcomes) if outcomes else 0.0
