"""What one outcome adds to the progress of a run. Pure."""

from collections import Counter
from collections.abc import Mapping

from fcaps_pipeline.annotate.run.watch.progress import Outcome, Progress
from fcaps_pipeline.records.annotations import Annotation, Rejection, SegmentOutcome
from fcaps_pipeline.records.captions import Granularity

KEPT = "kept"


def tally(outcome: SegmentOutcome, engines: Mapping[Granularity, str]) -> Progress:
    """One Segment's share of the sums.

    Args:
        outcome: what became of it.
        engines: which engine of the job writes which granularity.
    """
    candidates = [(engines[one.granularity], found) for one in outcome.caption_sets for found in one.candidates]
    tokens: Counter[str] = Counter()
    for engine, candidate in candidates:
        tokens[engine] += candidate.completion.num_output_tokens
    return Progress(
        segments=Counter({_named(outcome): 1}),
        output_tokens=tokens,
        verdicts=Counter(reason for _, one in candidates for reason in one.verdict.reasons or (KEPT,)),
    )


def _named(outcome: SegmentOutcome) -> Outcome:
    match outcome:
        case Annotation():
            return "annotated"
        case Rejection():
            return "rejected"
        case _:
            return "failed"
