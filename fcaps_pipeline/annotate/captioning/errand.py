"""A Segment on its way through the engines of a job: with what is known of it so far, and what is to be done next."""

from dataclasses import dataclass

from fcaps_pipeline.records.annotations import CaptionSet
from fcaps_pipeline.records.audio import SegmentAudio


@dataclass(frozen=True)
class Stage:
    """What is to be done about a Segment before it goes on, by engines that work side by side."""

    engines: frozenset[str]
    """Those that must answer."""
    verifier: str | None = None
    """Key of the verifier in the job that checks the captions; None has them written."""


@dataclass(frozen=True)
class Errand:
    """One Segment at one stage."""

    segment: SegmentAudio
    stage: Stage | None
    """None where nothing is left to be done."""
    caption_sets: tuple[CaptionSet, ...] = ()
    """Answers so far, one set per granularity."""

    def answered(self, caption_sets: tuple[CaptionSet, ...]) -> "Errand":
        """With these sets in place of those of the same granularities."""
        sets = {one.granularity: one for one in (*self.caption_sets, *caption_sets)}
        return Errand(self.segment, self.stage, tuple(sets.values()))

    def at(self, stage: Stage | None) -> "Errand":
        """At another stage."""
        return Errand(self.segment, stage, self.caption_sets)
