"""Takes from known truth what the score of an event is worth.

Enters: scored candidates, each right or wrong. Leaves: an `EventKind` per phrase: a confidence for every score, and the
least score at which events are right often enough, with an allowance for how few they are.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
from scipy.optimize import isotonic_regression

from fcaps_pipeline.annotate.acoustics.event_bounds import EventBounds, EventKind
from fcaps_pipeline.annotate.acoustics.voice_states import StateNetwork
from fcaps_pipeline.records.audio import EventPhrase

MIN_PRECISION = 0.86
"""Of the events of a kind that are given, on voices at hand: on others it is less, and shall be four in five there."""
WITHHELD: tuple[EventPhrase, ...] = ("lowers the pitch",)
"""Right often enough on the voices at hand, and less than four times in five on held-out ones: a sentence that falls
steadily passes for a step."""
_MIN_RIGHT = 10
_DEVIATIONS = 1.28
"""The precision lies above the bound with nine chances in ten; Source: Wilson (1927), Probable inference."""


@dataclass(frozen=True)
class Scored:
    """A candidate held against the truth."""

    phrase: EventPhrase
    score: float
    is_right: bool


def calibrate(scored: Sequence[Scored], states: StateNetwork, provenance: str) -> EventBounds:
    """The table of all kinds.

    Args:
        scored: all candidates of all clips.
        states: the network that scored them.
        provenance: what the clips are.
    """
    kinds = tuple(_kind(phrase, [one for one in scored if one.phrase == phrase]) for phrase in get_args(EventPhrase))
    return EventBounds(provenance=provenance, kinds=kinds, states=states)


def _kind(phrase: EventPhrase, scored: Sequence[Scored]) -> EventKind:
    ordered = sorted((one for one in scored if math.isfinite(one.score)), key=lambda one: one.score)
    if not ordered:
        return EventKind(phrase=phrase, bound=None, scores=(), shares=())
    is_right = np.array([one.is_right for one in ordered], dtype=np.float64)
    scores, shares = _steps(np.array([one.score for one in ordered]), is_right)
    right_above, all_above = np.cumsum(is_right[::-1])[::-1], np.arange(len(ordered), 0, -1)
    is_enough = (right_above >= _MIN_RIGHT) & (_lowest_share(right_above, all_above) >= MIN_PRECISION)
    bound = round(ordered[int(np.flatnonzero(is_enough)[0])].score, 4) if is_enough.any() else None
    bound = None if phrase in WITHHELD else bound
    return EventKind(phrase=phrase, bound=bound, scores=scores, shares=shares)


def _steps(scores: np.ndarray, is_right: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Confidence by score, never falling; a step of few candidates claims no certainty (Laplace's rule)."""
    blocks = isotonic_regression(is_right).blocks
    first, counts = blocks[:-1], np.diff(blocks)
    right = np.add.reduceat(is_right, first)
    shares = np.maximum.accumulate((right + 1) / (counts + 2))
    return tuple(round(float(one), 4) for one in scores[first]), tuple(round(float(one), 3) for one in shares)


def _lowest_share(right: np.ndarray, total: np.ndarray) -> np.ndarray:
    """Lower end of Wilson's interval."""
    share, squared = right / total, _DEVIATIONS**2
    middle = share + squared / (2 * total)
    spread = _DEVIATIONS * np.sqrt(share * (1 - share) / total + squared / (4 * total**2))
    return np.asarray((middle - spread) / (1 + squared / total))
