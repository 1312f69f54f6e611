"""Checks the claims of a caption by code alone: the verifier that is always affordable.

Enters: claims, and what is known of their Segment. Leaves: each claim supported, contradicted or unverifiable, with the
evidence that decided. The tools are pure functions, in `measured` and `tools`; how their findings come to a result is
in `findings`, what follows from it in `remedies`.
"""

from collections.abc import Sequence

from fcaps_pipeline.annotate.verification.bounds import BoundTable
from fcaps_pipeline.annotate.verification.facts import Facts
from fcaps_pipeline.annotate.verification.findings import Weighed, weigh
from fcaps_pipeline.annotate.verification.measured import Context, by_bounds
from fcaps_pipeline.annotate.verification.tools import by_events, by_source, by_tags, by_transcript
from fcaps_pipeline.annotate.verification.verifier import Opinion, Subject
from fcaps_pipeline.records.annotations import Claim, EvidenceScore

_TOOLS = (by_source, by_tags, by_transcript, by_events)


class EvidenceVerifier:
    """See `Verifier`."""

    def __init__(self, table: BoundTable) -> None:
        """Takes the bounds that measurements are held against."""
        self._table = table

    async def verify(self, subject: Subject) -> Opinion:
        """Gives every claim a result."""
        candidate = subject.candidate
        weighed = weigh_claims(candidate.claims or (), candidate.text, Facts.of(subject.segment), self._table)
        return Opinion(tuple(one.claim for one in weighed))


def weigh_claims(claims: Sequence[Claim], text: str, facts: Facts, table: BoundTable) -> tuple[Weighed, ...]:
    """Every claim with its result, in order.

    Args:
        claims: of one caption.
        text: the caption.
        facts: what is known of the Segment.
        table: bounds of the measurements.
    """
    context = Context.of(text, claims, facts)
    return tuple(_weigh_one(one, facts, context, table) for one in claims)


def evidence_score(scores: Sequence[EvidenceScore]) -> float:
    """How well the measurements bear a caption out: the mean over what could be measured, 0 where nothing could."""
    return sum(one.score for one in scores) / len(scores) if scores else 0.0


def _weigh_one(claim: Claim, facts: Facts, context: Context, table: BoundTable) -> Weighed:
    told = [finding for tool in _TOOLS if (finding := tool(claim, facts)) is not None]
    return weigh(claim, [*told, by_bounds(claim, facts, context, table)])
