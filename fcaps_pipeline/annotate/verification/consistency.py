"""Holds the captions of one Segment against each other and against what is known of its speaker.

Enters: candidates of every granularity that passed the rules. Leaves: those that say something else than most of the
others, with the reason. A row must not call its speaker a man here and a woman there.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

from fcaps_pipeline.annotate.verification.evidence import evidence_score
from fcaps_pipeline.attributes.reading import read_attributes
from fcaps_pipeline.attributes.stated import AgeGroup
from fcaps_pipeline.records.annotations import Candidate
from fcaps_pipeline.records.audio import Recording

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


_CONFLICTS: Mapping[str, Callable[[str, str], bool]] = {
    "gender": _differ,
    "age_group": _far_apart,
    "accent": _unrelated,
    "pitch": _opposed,
    "rate": _opposed,
    "volume": _opposed,
}
"""Traits of a voice, and when two values of one cannot both be true of it."""
_CHANGING = {"pitch": "pitch", "rate": "rate", "volume": "loudness"}
"""A caption that tells of a change names one part of it, which is no trait."""


@dataclass(frozen=True)
class Inconsistency:
    """A caption against the others of its Segment."""

    candidate: Candidate
    detail: str


def find_inconsistencies(candidates: Sequence[Candidate], recording: Recording) -> tuple[Inconsistency, ...]:
    """The captions that contradict what is known, or what most captions of the Segment say.

    Args:
        candidates: of all granularities, those that passed the rules.
        recording: what its source says of the speaker, by a field or by human tags.
    """
    traits = [traits_of(one) for one in candidates]
    known = _known_traits(recording)
    found: dict[int, str] = {}
    for name, conflict in _CONFLICTS.items():
        said = {index: one[name] for index, one in enumerate(traits) if name in one and index not in found}
        if not said:
            continue
        agreed = known.get(name) or _agreed(said, candidates)
        source = "the source says" if name in known else "most captions of the Segment say"
        found |= {
            index: f"{name.replace('_', ' ')} {value}, {source} {agreed}"
            for index, value in said.items()
            if conflict(value, agreed)
        }
    return tuple(Inconsistency(candidates[index], detail) for index, detail in sorted(found.items()))


def traits_of(candidate: Candidate) -> dict[str, str]:
    """The traits that a caption gives its speaker; the fields of a global caption before its prose."""
    stated = read_attributes(candidate.text)
    changing = {one.quantity for one in stated.courses}
    prose = {
        name: value
        for name in _CONFLICTS
        if (value := getattr(stated, name)) is not None and _CHANGING.get(name) not in changing
    }
    fields = candidate.attributes.model_dump() if candidate.attributes else {}
    return prose | {name: value for name, value in fields.items() if name in _CONFLICTS and value != "unknown"}


def _known_traits(recording: Recording) -> dict[str, str]:
    stated = read_attributes(". ".join(recording.tags)) if recording.tags else None
    known = {name: value for name in _CONFLICTS if stated and (value := getattr(stated, name)) is not None}
    return known | ({"gender": recording.speaker_gender} if recording.speaker_gender else {})


def _agreed(said: Mapping[int, str], candidates: Sequence[Candidate]) -> str:
    """The value of most captions; of as many, the one that the measurements favour, then the one asked first."""
    counts = Counter(said.values())
    scores: defaultdict[str, float] = defaultdict(float)
    for index, value in said.items():
        scores[value] += evidence_score(candidates[index].verdict.scores)
    return max(counts, key=lambda value: (counts[value], scores[value]))
