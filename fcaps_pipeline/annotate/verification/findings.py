"""What one tool makes of one claim, and how the findings of several tools come to a result.

A tool is a pure function of what is known of a Segment. Its tier says how far it is believed: what energy, F0 and gaps
show goes before what people and recognizers say, that before classifiers, that before an audio LLM's word.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from fcaps_pipeline.records.annotations import Claim, Evidence, EvidenceScore

Says = Literal["supported", "contradicted"]
_DECIDING = ("analytic", "probabilistic", "heuristic")
"""Tiers, the most believed first."""


@dataclass(frozen=True)
class Finding:
    """Evidence, and what follows from it."""

    evidence: tuple[Evidence, ...]
    says: Says | None = None
    """None where the same could have been measured whether or not the claim is true."""
    score: EvidenceScore | None = None
    """For ranking; None of tools that measure nothing."""
    is_final: bool = False
    """Whether no other tool is heard: the source knows who speaks."""


@dataclass(frozen=True)
class Weighed:
    """A claim with its result, and the score that selection ranks by."""

    claim: Claim
    score: EvidenceScore | None = None


def weigh(claim: Claim, findings: Sequence[Finding]) -> Weighed:
    """The result of a claim: what the most believed tools say that say anything, and nothing where they disagree.

    What an audio LLM says is noted and decides nothing here.
    """
    deciding = _deciding(findings)
    said = {one.says for one in deciding}
    result = deciding[0].says if len(said) == 1 else None
    shown = deciding or list(findings)
    return Weighed(
        claim.model_copy(
            update={
                "result": result or "unverifiable",
                "evidence": tuple(dict.fromkeys(evidence for one in shown for evidence in one.evidence)),
            }
        ),
        next((one.score for one in findings if one.score is not None), None),
    )


def _deciding(findings: Sequence[Finding]) -> list[Finding]:
    speaking = [one for one in findings if one.says is not None]
    final = [one for one in speaking if one.is_final]
    if final:
        return final
    for tier in _DECIDING:
        of_tier = [one for one in speaking if one.evidence[0].tier == tier]
        if of_tier:
            return of_tier
    return []


NO_TOOL = "none"
"""Stands where evidence is no measurement, but why there is none."""


def reason(text: str) -> Finding:
    """Says why a claim cannot be checked."""
    return Finding((Evidence(tool=NO_TOOL, tier="heuristic", value=text),))
