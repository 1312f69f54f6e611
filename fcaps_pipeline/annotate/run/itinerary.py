"""The way of a Segment through the engines of a job: captions are written, then checked, then written again if need be.

Pure. Enters: a job, and what is known of a Segment. Leaves: the next stage, or None where it goes to `decide`. Only
Segments with something to ask go to a verifier, in the order of the job; what a verifier drops can be asked for once
more, as long as attempts are left.
"""

from dataclasses import dataclass

from fcaps_pipeline.annotate.captioning.again import is_asked_again, to_verify
from fcaps_pipeline.annotate.captioning.errand import Errand, Stage
from fcaps_pipeline.annotate.run.ladder import DEATHS_UNTIL_CONVICTED
from fcaps_pipeline.annotate.verification.remedies import after_asking, treat
from fcaps_pipeline.annotate.verification.rules import condemned_by
from fcaps_pipeline.annotate.verification.wanted import wants
from fcaps_pipeline.jobs.annotate_job import Job
from fcaps_pipeline.jobs.verification import EngineVerifierConfig
from fcaps_pipeline.records.annotations import CaptionSet


@dataclass(frozen=True)
class JobItinerary:
    """See `desk.Itinerary`."""

    job: Job

    def next_stage(self, errand: Errand) -> Stage | None:
        """See `Itinerary.next_stage`."""
        if errand.stage is None:
            return Stage(frozenset(one.engine for one in self.job.captions.values()))
        if not self._goes_on(errand):
            return None
        for key, verifier in self._verifiers_after(errand.stage).items():
            if any(self._is_wanted(one, verifier) for one in errand.caption_sets):
                return Stage(frozenset({verifier.engine}), key)
        again = frozenset(
            config.engine
            for one in errand.caption_sets
            if is_asked_again(one, config := self.job.captions[one.granularity], self.job.verification)
        )
        return Stage(again) if again else None

    def refused(self, errand: Errand, engine: str, reason: str) -> tuple[CaptionSet, ...]:
        """See `Itinerary.refused`: captions that no verifier can be asked about are kept, and the Segment fails."""
        assert errand.stage is not None
        error = f"EngineDeadError: {reason}"
        known = {one.granularity: one for one in errand.caption_sets}
        last = tuple(one for one in after_asking(self.job.verification.contradicted) if one == "drop")
        if errand.stage.verifier is not None:
            return tuple(one.model_copy(update={"unverified": error}) for one in errand.caption_sets)
        return tuple(
            CaptionSet(
                granularity=granularity,
                candidates=tuple(treat(one, last, lambda it: it) for one in known[granularity].candidates)
                if granularity in known
                else (),
                attempts=DEATHS_UNTIL_CONVICTED,
                error=error,
            )
            for granularity, config in self.job.captions.items()
            if config.engine == engine
        )

    def _goes_on(self, errand: Errand) -> bool:
        """Whether anything that is still to be learned can matter."""
        if any(one.is_unasked or one.unverified is not None for one in errand.caption_sets):
            return False
        return condemned_by([candidate for one in errand.caption_sets for candidate in one.candidates]) is None

    def _verifiers_after(self, stage: Stage) -> dict[str, EngineVerifierConfig]:
        """All of them after a stage that wrote captions, then those that follow."""
        verifiers = self.job.engine_verifiers()
        if stage.verifier is None:
            return verifiers
        keys = list(verifiers)
        return {key: verifiers[key] for key in keys[keys.index(stage.verifier) + 1 :]}

    def _is_wanted(self, found: CaptionSet, verifier: EngineVerifierConfig) -> bool:
        config = self.job.captions[found.granularity]
        return bool(to_verify(found, config, self.job.verification, lambda one: wants(verifier, one)))
