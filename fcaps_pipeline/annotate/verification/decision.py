"""Turns all that was asked about one Segment into its outcome. Pure."""

from collections import Counter

from fcaps_pipeline.annotate.verification.profile import vote
from fcaps_pipeline.errors import AccountingError
from fcaps_pipeline.records.annotations import Annotation, CaptionSet, Failure, Rejection, SegmentOutcome
from fcaps_pipeline.records.audio import SegmentAudio
from fcaps_pipeline.records.captions import Granularity


def decide(
    segment: SegmentAudio, caption_sets: tuple[CaptionSet, ...], granularities: tuple[Granularity, ...]
) -> SegmentOutcome:
    """Annotation, Rejection or Failure.

    An Annotation has a kept caption at every granularity. Short of that, a Segment that some rule
    condemned, or whose questions were all answered, is a Rejection; otherwise it is a Failure.

    Args:
        segment: what was asked about.
        caption_sets: the answers, one set per granularity in any order.
        granularities: what the job asks for, in the order in which a row lists it.

    Raises:
        AccountingError: a granularity has no CaptionSet, or there is one too many.
    """
    found = {one.granularity: one for one in caption_sets}
    if sorted(found) != sorted(granularities) or len(caption_sets) != len(found):
        raise AccountingError(
            f"segment {segment.segment.segment_id}: expected answers for {sorted(granularities)}, "
            f"found {sorted(one.granularity for one in caption_sets)}"
        )
    ordered = tuple(found[granularity] for granularity in granularities)
    is_condemned = any(one.reject_segment for one in ordered)
    unanswered = [one for one in ordered if one.error and not one.kept]
    if unanswered and not is_condemned:
        return _failure(segment, unanswered[0], ordered)
    if is_condemned or not all(one.kept for one in ordered):
        return Rejection(
            recording=segment.recording,
            segment=segment.segment,
            acoustics=segment.acoustics,
            reason="; ".join(filter(None, map(_reason, ordered))),
            caption_sets=ordered,
        )
    return _annotation(segment, ordered)


def _annotation(segment: SegmentAudio, caption_sets: tuple[CaptionSet, ...]) -> Annotation:
    profile, undecided = vote(
        candidate for one in caption_sets if one.granularity is Granularity.GLOBAL for candidate in one.candidates
    )
    return Annotation(
        recording=segment.recording,
        segment=segment.segment,
        acoustics=segment.acoustics,
        caption_sets=caption_sets,
        profile=profile,
        missing=undecided,
    )


def _failure(segment: SegmentAudio, unanswered: CaptionSet, caption_sets: tuple[CaptionSet, ...]) -> Failure:
    kind, _, message = (unanswered.error or "").partition(": ")
    return Failure(
        recording=segment.recording,
        segment=segment.segment,
        acoustics=segment.acoustics,
        stage="caption",
        error=kind,
        message=f"{unanswered.granularity}: {message}",
        attempts=unanswered.attempts,
        caption_sets=caption_sets,
    )


def _reason(one: CaptionSet) -> str | None:
    """Granularity and rule names, most frequent first; None when this set is not to blame."""
    if one.reject_segment:
        return f"{one.granularity}: {one.reject_segment}"
    if one.kept:
        return None
    counts = Counter(reason for candidate in one.candidates for reason in candidate.verdict.reasons)
    return f"{one.granularity}: {', '.join(name for name, _ in counts.most_common())}"
