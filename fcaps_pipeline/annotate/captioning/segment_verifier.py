"""Has the captions of a Segment checked by one verifier that asks an engine.

A Segment with its `CaptionSet`s enters, the sets leave with the results of the verifier. Of each granularity the
captions that would be kept are looked at; where one of them falls, the next best takes its place and is looked at too.
Trouble of the engine that outlasts its patience is noted at the set, of which nothing is known then.
"""

from fcaps_pipeline.annotate.captioning.again import is_asked_again, last_treated, to_verify
from fcaps_pipeline.annotate.captioning.gathering import gather
from fcaps_pipeline.annotate.verification.bounds import BoundTable
from fcaps_pipeline.annotate.verification.facts import Facts
from fcaps_pipeline.annotate.verification.judge import Judge
from fcaps_pipeline.annotate.verification.opinions import apply_opinion
from fcaps_pipeline.annotate.verification.remedies import before_asking
from fcaps_pipeline.annotate.verification.verifier import Subject, Verifier
from fcaps_pipeline.annotate.verification.wanted import wants
from fcaps_pipeline.errors import EngineRetryableError, NotAskedError
from fcaps_pipeline.jobs.annotate_job import CaptionConfig
from fcaps_pipeline.jobs.verification import EngineVerifierConfig, VerificationConfig
from fcaps_pipeline.records.annotations import Candidate, CaptionSet
from fcaps_pipeline.records.audio import SegmentAudio
from fcaps_pipeline.records.captions import Granularity


class SegmentVerifier:
    """One verifier with the captions that it may meet."""

    def __init__(
        self,
        verifier: Verifier,
        config: EngineVerifierConfig,
        captions: dict[Granularity, CaptionConfig],
        verification: VerificationConfig,
        bounds: BoundTable,
    ) -> None:
        """Keeps what it is given.

        Args:
            verifier: with its engine started.
            config: of the verifier; says what it wants to see.
            captions: all that the job asks for, by granularity.
            verification: what follows from a result.
            bounds: a caption that lost a sentence is judged again by them.
        """
        self._verifier = verifier
        self._config = config
        self._captions = captions
        self._verification = verification
        self._bounds = bounds

    async def verify(self, segment: SegmentAudio, caption_sets: tuple[CaptionSet, ...]) -> tuple[CaptionSet, ...]:
        """The sets with everything that the verifier had to ask.

        Raises:
            EngineDeadError: the engine is gone; nothing is known about this Segment.
        """
        facts = Facts.of(segment)
        return tuple(await gather(self._verify_set(segment, facts, one, caption_sets) for one in caption_sets))

    async def _verify_set(
        self, segment: SegmentAudio, facts: Facts, found: CaptionSet, caption_sets: tuple[CaptionSet, ...]
    ) -> CaptionSet:
        config = self._captions[found.granularity]
        told_tags = segment.recording.tags if config.prompt_with_tags else ()
        judge = Judge(facts, self._verification, self._bounds, told_tags)
        others = tuple(kept for one in caption_sets if one.granularity != found.granularity for kept in one.kept)
        seen: set[tuple[str, str]] = set()
        while asked := [one for one in self._wanted(found) if (one.candidate_id, one.text) not in seen]:
            seen.update((one.candidate_id, one.text) for one in asked)
            try:
                checked = await gather(self._check(Subject(segment, one, others), judge) for one in asked)
            except (EngineRetryableError, NotAskedError) as error:
                unasked = isinstance(error, NotAskedError)
                unverified = f"{type(error).__name__}: {error}"
                return found.model_copy(update={"unverified": unverified, "is_unasked": unasked})
            found = _replaced(found, {one.candidate_id: one for one in checked})
            if not is_asked_again(found, config, self._verification):
                found = last_treated(found, judge, self._verification)
        return found

    def _wanted(self, found: CaptionSet) -> tuple[Candidate, ...]:
        config = self._captions[found.granularity]
        return to_verify(found, config, self._verification, lambda one: wants(self._config, one))

    async def _check(self, subject: Subject, judge: Judge) -> Candidate:
        found = apply_opinion(subject.candidate, await self._verifier.verify(subject))
        return judge.treat(found, before_asking(self._verification.contradicted))


def _replaced(found: CaptionSet, checked: dict[str, Candidate]) -> CaptionSet:
    candidates = tuple(checked.get(one.candidate_id, one) for one in found.candidates)
    return found.model_copy(update={"candidates": candidates})
