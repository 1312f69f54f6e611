"""When two values of one trait cannot both be true of a voice."""

from collections.abc import Callable, Mapping
from typing import get_args

from fcaps_pipeline.attributes.stated import AgeGroup

_AGES: tuple[str, ...] = get_args(AgeGroup)
_OPPOSITES = frozenset(map(frozenset, (("low", "high"), ("slow", "fast"), ("soft", "loud"))))


def _differ(first: str, second: str) -> bool:
    return first != second


def _far_apart(first: str, second: str) -> bool:
    """Neighbouring age groups are the same voice to two listeners; a child is no adult."""
    distance = abs(_AGES.index(first) - _AGES.index(second))
    return distance > 1 or (distance == 1 and "child" in (first, second))


def _opposed(first: str, second: str) -> bool:
    return frozenset((first, second)) in _OPPOSITES


def _unrelated(first: str, second: str) -> bool:
    """`american` and `southern american` name one accent."""
    return not set(first.split()) & set(second.split())


CONFLICTS: Mapping[str, Callable[[str, str], bool]] = {
    "gender": _differ,
    "age_group": _far_apart,
    "accent": _unrelated,
    "pitch": _opposed,
    "rate": _opposed,
    "volume": _opposed,
}
"""Traits of a voice, and when two values of one cannot both be true of it."""
