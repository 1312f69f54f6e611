"""What the word of an agent is worth: caps set by code, whatever the model says.

Enters: a verdict, and the case with all that the agent was shown. Leaves: claims and faults. A claim that a measurement
settled stays. A model that does not hear decides nothing but what evidence that it cites bears on; evidence of another
attribute or of another stretch is none. Where its word is against another heuristic or against what another model
heard, both are doubtful. A fault counts where the words that it names stand in the caption, or the tag does not.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from fcaps_pipeline.annotate.engines.answers import excerpt
from fcaps_pipeline.annotate.verification.agent.case import Case, Exhibit
from fcaps_pipeline.annotate.verification.agent.steps import MEASURED, Final, FoundFault, JudgedClaim, Result
from fcaps_pipeline.annotate.verification.rules import missing_tags
from fcaps_pipeline.annotate.verification.verifier import Fault, Subject
from fcaps_pipeline.records.annotations import Claim, Evidence, SampleSpan

_MIN_FAULT_CHARACTERS = 3
_MIN_OVERLAP = 0.5
"""Share of what was measured that must lie in the stretch that a claim is about."""


@dataclass(frozen=True)
class Witness:
    """Whose word it is."""

    tool: str
    """The name under which it stands."""
    hears: bool

    def word(self, result: Result, why: str) -> Evidence:
        """As evidence, of the lowest tier that is true of it."""
        tier: Literal["listening", "heuristic"] = "listening" if self.hears else "heuristic"
        return Evidence(tool=self.tool, tier=tier, value=f"{result}: {excerpt(why) if why else 'no reason given'}")


def conclude(final: Final, case: Case, witness: Witness) -> tuple[Claim, ...]:
    """All claims of the caption, each with the word of the witness last where it was asked about."""
    judged: dict[int, JudgedClaim] = {}
    for one in final.claims:
        judged.setdefault(one.claim, one)
    claims = list(case.subject.candidate.claims or ())
    for number, place in enumerate(case.places, 1):
        if number in judged:
            claims[place] = _decide(number, claims[place], judged[number], case, witness)
        else:
            claims[place] = _open(claims[place], "the verdict passes over it", witness)
    return tuple(claims)


def leave_open(case: Case, reason: str, witness: Witness) -> tuple[Claim, ...]:
    """All claims of the caption as they were, those that were asked about with the reason why nothing came of it."""
    asked = frozenset(case.places)
    return tuple(
        _open(claim, reason, witness) if place in asked else claim
        for place, claim in enumerate(case.subject.candidate.claims or ())
    )


def confirmed_faults(found: Iterable[FoundFault], subject: Subject) -> tuple[Fault, ...]:
    """Those that code finds again, each name once."""
    confirmed: dict[str, Fault] = {}
    for one in found:
        if _is_there(one, subject):
            confirmed.setdefault(one.fault, Fault(name=one.fault, detail=excerpt(one.words)))
    return tuple(confirmed.values())


def _decide(number: int, claim: Claim, judged: JudgedClaim, case: Case, witness: Witness) -> Claim:
    exhibits = [case.cited[name] for name in dict.fromkeys(judged.evidence) if name in case.cited]
    resting_on = [one for one in exhibits if _bears_on(one, number, claim)]
    result, why = judged.result, judged.why
    if result != "unverifiable" and not witness.hears and not resting_on:
        result, why = "unverifiable", f"said {result} without evidence that bears on it"
    cited = tuple(one.evidence for one in resting_on if one.evidence not in claim.evidence)
    return claim.model_copy(
        update={
            "result": _combined(claim.result, result),
            "evidence": (*claim.evidence, *cited, witness.word(result, why)),
        }
    )


def _open(claim: Claim, reason: str, witness: Witness) -> Claim:
    return claim.model_copy(update={"evidence": (*claim.evidence, witness.word("unverifiable", reason))})


def _combined(before: Result, now: Result) -> Result:
    """What one heuristic said and another: where they are against each other, nothing is known."""
    if now == "unverifiable" or before == now:
        return before
    return now if before == "unverifiable" else "unverifiable"


def _bears_on(exhibit: Exhibit, number: int, claim: Claim) -> bool:
    """Whether evidence is of this claim: found for it, of its attribute, or of texts where nothing can be measured."""
    if exhibit.claim is not None:
        return exhibit.claim == number
    if exhibit.attribute is None:
        return claim.attribute not in MEASURED
    return exhibit.attribute == claim.attribute and _covers(exhibit.evidence.interval, claim.interval)


def _covers(measured: SampleSpan | None, stated: SampleSpan | None) -> bool:
    """Evidence counts for the stretch that it measured alone."""
    if measured is None or stated is None:
        return measured is stated
    overlap = min(measured.end_samples, stated.end_samples) - max(measured.start_samples, stated.start_samples)
    return overlap >= _MIN_OVERLAP * max(1, measured.end_samples - measured.start_samples)


def _is_there(found: FoundFault, subject: Subject) -> bool:
    words = _plain(found.words)
    if found.fault == "tags_not_honoured":
        tags = [tag for tag in subject.segment.recording.tags if _plain(tag) == words]
        return bool(missing_tags(subject.candidate.text, tuple(tags)))
    return len(words) >= _MIN_FAULT_CHARACTERS and words in _plain(subject.candidate.text)


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())
