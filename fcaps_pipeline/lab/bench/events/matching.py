"""Which given events are right: each true one is found at most once, by the one that overlaps it most."""

from collections.abc import Sequence
from dataclasses import dataclass

MIN_OVERLAP = 0.5
"""Of two intervals, the time that both hold over the time that either holds."""


@dataclass(frozen=True)
class Timed:
    """A phrase in an interval, in seconds."""

    phrase: str
    start_s: float
    end_s: float


def match(given: Sequence[Timed], true: Sequence[Timed]) -> list[Timed | None]:
    """For each given event the true one that it finds; None where it is wrong.

    Pairs of one phrase are taken by overlap, the largest first.
    """
    pairs = sorted(
        (
            (-overlap, index, place)
            for index, one in enumerate(given)
            for place, other in enumerate(true)
            if one.phrase == other.phrase and (overlap := overlap_of(one, other)) >= MIN_OVERLAP
        ),
    )
    found: list[Timed | None] = [None] * len(given)
    taken: set[int] = set()
    for _, index, place in pairs:
        if found[index] is None and place not in taken:
            found[index] = true[place]
            taken.add(place)
    return found


def overlap_of(one: Timed, other: Timed) -> float:
    """Time that both hold over the time that either holds."""
    shared_s = min(one.end_s, other.end_s) - max(one.start_s, other.start_s)
    either_s = max(one.end_s, other.end_s) - min(one.start_s, other.start_s)
    return max(0.0, shared_s) / either_s if either_s > 0 else 0.0
