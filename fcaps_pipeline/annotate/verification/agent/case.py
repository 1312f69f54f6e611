"""What an agent is shown of a caption: its claims, and structured evidence, numbered so that it can be cited.

Enters: a `Subject`. Leaves: text. Claims that a measurement has settled are not asked anew. No result of an earlier
verifier is shown, only what was measured, and to a model that hears not even what another one heard. What strangers
wrote stands in JSON strings without a `<`, so that no caption or transcript can play a turn of the conversation.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from fcaps_pipeline.annotate.verification.agent.steps import MAX_CLAIMS
from fcaps_pipeline.annotate.verification.facts import transcript_of
from fcaps_pipeline.annotate.verification.findings import NO_TOOL
from fcaps_pipeline.annotate.verification.verifier import Subject
from fcaps_pipeline.records.annotations import Claim, Evidence, SampleSpan
from fcaps_pipeline.records.audio import SAMPLE_RATE_HZ

_AGENT = "agent:"
_SETTLING_TIERS = frozenset({"analytic", "probabilistic"})
_MAX_EXHIBITS = 99
_CAPTION_CHARACTERS = 1_024
_TEXT_CHARACTERS = 120


@dataclass(frozen=True)
class Exhibit:
    """A piece of evidence as it is shown."""

    number: int
    evidence: Evidence
    attribute: str | None
    """What was measured; None of what texts and tags say."""
    claim: int | None = None
    """Number of the claim that it was found for."""
    is_new: bool = False
    """Whether the agent asked for it."""

    @property
    def name(self) -> str:
        """By which it is cited."""
        return f"e{self.number}"


@dataclass(frozen=True)
class Found:
    """What a tool brought, before it has a number."""

    evidence: Evidence
    attribute: str | None = None
    claim: int | None = None


@dataclass(frozen=True)
class Case:
    """The open claims of a caption with all that is known about them so far."""

    subject: Subject
    places: tuple[int, ...]
    """Where in the candidate's claims those stand that are asked about; they are numbered from 1."""
    exhibits: tuple[Exhibit, ...] = ()
    cited: dict[str, Exhibit] = field(default_factory=dict)
    """The same by name."""

    def claim(self, number: int) -> Claim | None:
        """An open claim by its number; None where there is none."""
        claims = self.subject.candidate.claims or ()
        return claims[self.places[number - 1]] if 0 < number <= len(self.places) else None

    def with_found(self, found: Iterable[Found], *, is_new: bool = True) -> tuple["Case", tuple[Exhibit, ...]]:
        """The case with more evidence, and that evidence with its numbers."""
        first = len(self.exhibits) + 1
        new = tuple(
            Exhibit(number, one.evidence, one.attribute, one.claim, is_new)
            for number, one in enumerate(found, first)
            if number <= _MAX_EXHIBITS
        )
        cited = self.cited | {one.name: one for one in new}
        return replace(self, exhibits=(*self.exhibits, *new), cited=cited), new


def open_case(subject: Subject, *, hears: bool) -> Case:
    """The case of a caption before the agent said anything.

    Args:
        subject: the caption, with claims as verifiers before left them.
        hears: whether the agent listens itself; what another model heard is kept from it then.
    """
    claims = subject.candidate.claims or ()
    places = tuple(place for place, claim in enumerate(claims) if not _is_settled(claim))[:MAX_CLAIMS]
    known = [
        Found(evidence, claims[place].attribute, number)
        for number, place in enumerate(places, 1)
        for evidence in claims[place].evidence
        if evidence.tool != NO_TOOL and not is_word(evidence) and not (hears and evidence.tier == "listening")
    ]
    return Case(subject, places).with_found(known, is_new=False)[0]


def agent_tool(engine: str) -> str:
    """The name under which the word of an agent stands; `engine` is the key of the job."""
    return f"{_AGENT}{engine}"


def is_word(evidence: Evidence) -> bool:
    """Whether it is the word of an agent, which no other one is shown."""
    return evidence.tool.startswith(_AGENT)


def show_case(case: Case) -> str:
    """Caption, claims and evidence as lines of JSON."""
    segment = case.subject.segment
    transcript = transcript_of(segment)
    about = {
        "caption": case.subject.candidate.text[:_CAPTION_CHARACTERS],
        "duration_s": round(segment.segment.duration_s, 1),
        "transcript_words": None if transcript is None else len(transcript.split()),
        "human_tags": len(segment.recording.tags),
    }
    claims = [_claim_line(number, case.claim(number)) for number in range(1, len(case.places) + 1)]
    return "\n".join([as_line(about), *claims, *map(show_exhibit, case.exhibits)])


def show_exhibit(exhibit: Exhibit) -> str:
    """A piece of evidence as a line of JSON."""
    evidence = exhibit.evidence
    return as_line(
        {
            "evidence": exhibit.name,
            "claim": exhibit.claim,
            "attribute": exhibit.attribute,
            "tool": evidence.tool,
            "value": evidence.value,
            "unit": evidence.unit,
            "expected": evidence.expected,
            **_interval(evidence.interval),
            "tier": evidence.tier,
            "confidence": evidence.confidence,
        }
    )


def as_line(content: dict[str, Any]) -> str:
    """JSON without what is None, texts cut, on one line; `<` as its escape, so that no token of a template is in it."""
    known = {
        key: _cut(value) if isinstance(value, str) and key != "caption" else value
        for key, value in content.items()
        if value is not None
    }
    return json.dumps(known, ensure_ascii=False).replace("<", "\\u003c")


def _claim_line(number: int, claim: Claim | None) -> str:
    assert claim is not None
    return as_line({"claim": number, "attribute": claim.attribute, "value": claim.value, **_interval(claim.interval)})


def _interval(interval: SampleSpan | None) -> dict[str, float]:
    if interval is None:
        return {}
    return {
        "from_s": round(interval.start_samples / SAMPLE_RATE_HZ, 1),
        "to_s": round(interval.end_samples / SAMPLE_RATE_HZ, 1),
    }


def _cut(text: str) -> str:
    return text if len(text) <= _TEXT_CHARACTERS else f"{text[: _TEXT_CHARACTERS - 1]}…"


def _is_settled(claim: Claim) -> bool:
    """Whether a measurement decided it: no model's word can change that."""
    return claim.result != "unverifiable" and decided_by(claim) in _SETTLING_TIERS


def decided_by(claim: Claim) -> str | None:
    """Tier of the strongest evidence that a result rests on; what an agent cited counts no more than its word."""
    words = [one.tier for one in claim.evidence if is_word(one)]
    tiers = words or [one.tier for one in claim.evidence]
    return min(tiers, key=_TIERS.index, default=None)


_TIERS = ("analytic", "probabilistic", "heuristic", "listening")
