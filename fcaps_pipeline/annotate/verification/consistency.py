"""Holds the captions of one Segment against each other.

Enters: candidates of every granularity that passed so far, with their claims. Leaves: those that say something else
than most of the others, with the reason, and what the others say as evidence. It is an audio LLM's word, so that it
bears nothing out; but a row must not call its speaker a man here and a woman there.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fcaps_pipeline.annotate.verification.conflicts import CONFLICTS
from fcaps_pipeline.annotate.verification.evidence import evidence_score
from fcaps_pipeline.records.annotations import Candidate, Claim, Evidence

_TOOL = "other_captions"
_CHANGING = {"pitch": "pitch_course", "rate": "rate_course", "volume": "loudness_course"}
"""A caption that tells of a change names one part of it, which is no trait."""


@dataclass(frozen=True)
class Comparison:
    """A caption after the others were heard."""

    candidate: Candidate
    """Its claims with what the others say."""
    against: str | None
    """Why it cannot stand beside the others; None where it can."""


def compare_captions(candidates: Sequence[Candidate]) -> tuple[Comparison, ...]:
    """Each caption held against the others, in order.

    Args:
        candidates: of all granularities, those that passed the rules.
    """
    traits = [traits_of(one) for one in candidates]
    against: dict[int, tuple[str, str]] = {}
    for name, conflict in CONFLICTS.items():
        said = {index: one[name].value for index, one in enumerate(traits) if name in one and index not in against}
        if said:
            agreed = _agreed(said, candidates)
            against |= {
                index: (name, f"{name.replace('_', ' ')} {value}, most captions of the Segment say {agreed}")
                for index, value in said.items()
                if conflict(value, agreed)
            }
    return tuple(
        Comparison(_with_others(one, index, traits, against.get(index, ("", ""))[0]), against.get(index, ("", None))[1])
        for index, one in enumerate(candidates)
    )


def traits_of(candidate: Candidate) -> dict[str, Claim]:
    """The traits that a caption gives its speaker: of each the first claim, fields before prose."""
    claims = candidate.claims or ()
    changing = {one.attribute for one in claims}
    found: dict[str, Claim] = {}
    for one in claims:
        is_part = one.span is not None and _CHANGING.get(one.attribute) in changing
        if one.attribute in CONFLICTS and not is_part:
            found.setdefault(one.attribute, one)
    return found


def _agreed(said: Mapping[int, str], candidates: Sequence[Candidate]) -> str:
    """The value of most captions; of as many, the one that the measurements favour, then the one asked first."""
    counts = Counter(said.values())
    scores: defaultdict[str, float] = defaultdict(float)
    for index, value in said.items():
        scores[value] += evidence_score(candidates[index].verdict.scores)
    return max(counts, key=lambda value: (counts[value], scores[value]))


def _with_others(candidate: Candidate, index: int, traits: Sequence[Mapping[str, Claim]], false: str) -> Candidate:
    """Adds to each trait what the other captions say of it; one of them is called false where that is its name."""
    own = traits[index]
    others = {
        name: Counter(one[name].value for place, one in enumerate(traits) if place != index and name in one)
        for name in own
    }
    heard = {id(own[name]): _evidence(counts) for name, counts in others.items() if counts}
    if not heard:
        return candidate
    claims = tuple(
        one.model_copy(
            update={
                "evidence": (*one.evidence, heard[id(one)]),
                "result": "contradicted" if one is own.get(false) else one.result,
            }
        )
        if id(one) in heard
        else one
        for one in candidate.claims or ()
    )
    return candidate.model_copy(update={"claims": claims})


def _evidence(counts: Counter[str]) -> Evidence:
    said = ", ".join(f"{count} of {counts.total()} say {value}" for value, count in counts.most_common())
    return Evidence(tool=_TOOL, tier="listening", value=said)
