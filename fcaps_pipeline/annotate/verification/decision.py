"""Turns all that was asked about one Segment into its outcome. Pure.

Enters: the answers of every engine with the verdicts of the rules. Captions are held against each other, the best are
selected, and the row keeps what passed.
"""

from collections import Counter

from fcaps_pipeline.annotate.verification.consistency import Comparison, compare_captions
from fcaps_pipeline.annotate.verification.profile import vote
from fcaps_pipeline.annotate.verification.remedies import drop_unverified
from fcaps_pipeline.annotate.verification.rules import condemned_by
from fcaps_pipeline.annotate.verification.selection import drop, select
from fcaps_pipeline.annotate.verification.sound import unfit_sound
from fcaps_pipeline.errors import AccountingError
from fcaps_pipeline.jobs.annotate_job import Job
from fcaps_pipeline.records.annotations import (
    Annotation,
    Candidate,
    CaptionSet,
    Failure,
    Missing,
    Rejection,
    SegmentOutcome,
)
from fcaps_pipeline.records.audio import SegmentAudio
from fcaps_pipeline.records.captions import Granularity

INCONSISTENT = "inconsistent"


def decide(segment: SegmentAudio, caption_sets: tuple[CaptionSet, ...], job: Job) -> SegmentOutcome:
    """Annotation, Rejection or Failure.

    An Annotation has a kept caption at every granularity that the job requires. Short of that, a Segment that its
    sound or its captions condemn, or whose questions were all answered, is a Rejection; otherwise it is a Failure.
    What captions condemn is known when all were asked for: of a question that nobody was asked, the Segment waits.
    Captions that a verifier could not be asked about are no row: the Segment is a Failure and can be tried again.

    Args:
        segment: what was asked about.
        caption_sets: the answers, one set per granularity in any order.
        job: what is asked for, how many captions are kept, what a row must have.

    Raises:
        AccountingError: a granularity has no CaptionSet, or there is one too many.
    """
    found = {one.granularity: one for one in caption_sets}
    if sorted(found) != sorted(job.captions) or len(caption_sets) != len(found):
        raise AccountingError(
            f"segment {segment.segment.segment_id}: expected answers for {sorted(job.captions)}, "
            f"found {sorted(one.granularity for one in caption_sets)}"
        )
    ordered = _selected(tuple(found[granularity] for granularity in job.captions), job)
    unfit = unfit_sound(segment, job.verification)
    unasked = [one for one in ordered if one.is_unasked]
    if unasked and not unfit:
        return _failure(segment, unasked[0], ordered)
    condemned = unfit or condemned_by([candidate for one in ordered for candidate in one.candidates])
    unverified = [one for one in ordered if one.unverified is not None]
    if unverified and not condemned:
        return _failure(segment, unverified[0], ordered)
    missing = [one for one in ordered if not one.kept and one.granularity in job.required]
    unanswered = [one for one in missing if one.error]
    if unanswered and not condemned:
        return _failure(segment, unanswered[0], ordered)
    if condemned or missing:
        return Rejection(
            recording=segment.recording,
            segment=segment.segment,
            acoustics=segment.acoustics,
            reason=condemned or "; ".join(map(_reason, missing)),
            caption_sets=ordered,
        )
    return _annotation(segment, ordered)


def _annotation(segment: SegmentAudio, caption_sets: tuple[CaptionSet, ...]) -> Annotation:
    profile, undecided = vote(
        candidate for one in caption_sets if one.granularity is Granularity.GLOBAL for candidate in one.candidates
    )
    empty = tuple(
        Missing(field=f"{one.granularity}_captions", reason=_reason(one)) for one in caption_sets if not one.kept
    )
    return Annotation(
        recording=segment.recording,
        segment=segment.segment,
        acoustics=segment.acoustics,
        caption_sets=caption_sets,
        profile=profile,
        missing=(*empty, *undecided),
        events=segment.events,
    )


def _selected(caption_sets: tuple[CaptionSet, ...], job: Job) -> tuple[CaptionSet, ...]:
    """The sets with what is unverified, if that shall not stay, and what contradicts the row dropped; then the best."""
    sets = [_verified(one) for one in caption_sets] if job.verification.unverifiable == "drop" else caption_sets
    passed = [candidate for one in sets for candidate in one.kept]
    compared = dict(zip(map(id, passed), map(_consistent, compare_captions(passed)), strict=True))
    return tuple(
        one.model_copy(
            update={
                "candidates": select(
                    tuple(compared.get(id(candidate), candidate) for candidate in one.candidates),
                    keep=job.captions[one.granularity].keep,
                    max_similarity=job.verification.max_similarity,
                )
            }
        )
        for one in sets
    )


def _verified(caption_set: CaptionSet) -> CaptionSet:
    return caption_set.model_copy(update={"candidates": tuple(map(drop_unverified, caption_set.candidates))})


def _consistent(one: Comparison) -> Candidate:
    return one.candidate if one.against is None else drop(one.candidate, INCONSISTENT, one.against)


def _failure(segment: SegmentAudio, unanswered: CaptionSet, caption_sets: tuple[CaptionSet, ...]) -> Failure:
    kind, _, message = (unanswered.unverified or unanswered.error or "").partition(": ")
    return Failure(
        recording=segment.recording,
        segment=segment.segment,
        acoustics=segment.acoustics,
        stage="caption" if unanswered.unverified is None else "verify",
        error=kind,
        message=f"{unanswered.granularity}: {message}",
        attempts=unanswered.attempts,
        caption_sets=caption_sets,
    )


def _reason(one: CaptionSet) -> str:
    """Granularity and rule names, most frequent first."""
    if one.error:
        return f"{one.granularity}: {one.error}"
    counts = Counter(reason for candidate in one.candidates for reason in candidate.verdict.reasons)
    return f"{one.granularity}: {', '.join(name for name, _ in counts.most_common())}"
