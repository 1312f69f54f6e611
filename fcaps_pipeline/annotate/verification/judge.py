"""Judges the captions of one Segment: rules first, then what each caption claims, then what follows from that.

Enters: what is known of it, what the job says, bounds. Leaves: candidates with verdict, claims and repairs. Shared by
all who judge, whether an engine answered a moment ago or in an earlier run.
"""

from fcaps_pipeline.annotate.verification.bounds import BoundTable
from fcaps_pipeline.annotate.verification.claims import read_claims
from fcaps_pipeline.annotate.verification.evidence import weigh_claims
from fcaps_pipeline.annotate.verification.facts import Facts
from fcaps_pipeline.annotate.verification.findings import Weighed
from fcaps_pipeline.annotate.verification.opinions import heard_again
from fcaps_pipeline.annotate.verification.parsing import ParsedAnswer
from fcaps_pipeline.annotate.verification.remedies import treat
from fcaps_pipeline.annotate.verification.rules import ENGLISH, Answer, judge
from fcaps_pipeline.jobs.verification import EvidenceVerifierConfig, Remedy, VerificationConfig
from fcaps_pipeline.records.annotations import Candidate


class Judge:
    """One Segment with what its captions are judged by."""

    def __init__(
        self, facts: Facts, config: VerificationConfig, bounds: BoundTable, told_tags: tuple[str, ...] = ()
    ) -> None:
        """Takes what captions are held against.

        Args:
            facts: what is known of the Segment; shared by all who judge its captions, so that it is measured once.
            config: section `verification` of the job.
            bounds: of the job, see `load_bounds`.
            told_tags: human tags that the prompt told the model; empty when it told none.
        """
        self._facts = facts
        self._config = config
        self._bounds = bounds
        self._told_tags = told_tags
        self._weighs = any(isinstance(one, EvidenceVerifierConfig) for one in config.verifiers)

    def judge(self, candidate: Candidate, fault: str | None = None) -> Candidate:
        """The candidate with its verdict and its claims, whatever it had of them before.

        Args:
            candidate: its text and fields are judged.
            fault: why the answer could not be parsed; None where it could.
        """
        answer = Answer(
            granularity=candidate.granularity,
            parsed=ParsedAnswer(candidate.text, candidate.attributes, fault),
            completion=candidate.completion,
            bounds=self._config,
            transcript=self._facts.transcript,
            tags=self._told_tags,
        )
        verdict = judge(answer)
        weighed = self._weigh(answer)
        if weighed is not None:
            scores = tuple(one.score for one in weighed if one.score is not None)
            verdict = verdict.model_copy(update={"scores": scores})
        claims = None if weighed is None else tuple(one.claim for one in weighed)
        return candidate.model_copy(update={"verdict": verdict, "claims": claims})

    def treat(self, candidate: Candidate, remedies: tuple[Remedy, ...]) -> Candidate:
        """See `remedies.treat`; whatever is shortened is judged again, but for what engines were asked about it."""
        return treat(candidate, remedies, lambda shorter: heard_again(self.judge(shorter), candidate))

    def _weigh(self, answer: Answer) -> tuple[Weighed, ...] | None:
        """None of a caption in a language that is not read, unless it has fields, whose words are ours."""
        is_read = answer.bounds.language == ENGLISH
        fields = answer.parsed.attributes
        if not answer.has_caption or not (is_read or fields):
            return None
        claims = read_claims(answer.reading if is_read else None, fields, self._facts.num_samples)
        if not self._weighs:
            return tuple(map(Weighed, claims))
        return weigh_claims(claims, answer.text, self._facts, self._bounds)
