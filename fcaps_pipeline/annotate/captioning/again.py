"""When the captioner is asked once more, and which candidates are worth the time of a verifier. Pure.

Enters: what is known of the captions of one granularity. Whether a rule found the fault or a verifier makes no
difference: both leave a candidate that is not kept.
"""

from collections.abc import Callable

from fcaps_pipeline.annotate.verification.judge import Judge
from fcaps_pipeline.annotate.verification.remedies import CONTRADICTED, after_asking, asks_again
from fcaps_pipeline.annotate.verification.rules import condemned_by
from fcaps_pipeline.annotate.verification.selection import select
from fcaps_pipeline.jobs.annotate_job import CaptionConfig
from fcaps_pipeline.jobs.verification import VerificationConfig
from fcaps_pipeline.records.annotations import Candidate, CaptionSet


def faulty(found: CaptionSet, attempt: int, verification: VerificationConfig) -> tuple[Candidate, ...]:
    """What went wrong in one attempt, so that another caption is wanted."""
    return tuple(
        one for one in found.candidates if one.attempt == attempt and asks_again(one, verification.contradicted)
    )


def is_asked_again(found: CaptionSet, config: CaptionConfig, verification: VerificationConfig) -> bool:
    """Whether the last draw has a fault, too few captions are left, and attempts are."""
    if found.error is not None or found.attempts >= verification.max_attempts:
        return False
    if not faulty(found, found.attempts, verification) or condemned_by(found.candidates) is not None:
        return False
    return len(best(found, config, verification)) < config.keep


def best(found: CaptionSet, config: CaptionConfig, verification: VerificationConfig) -> tuple[Candidate, ...]:
    """Those that would be kept if nothing more were known, best first."""
    good = tuple(one for one in found.candidates if not asks_again(one, verification.contradicted))
    selected = select(good, keep=config.keep, max_similarity=verification.max_similarity)
    return tuple(one for one in selected if one.verdict.kept)


def last_treated(found: CaptionSet, judge: Judge, verification: VerificationConfig) -> CaptionSet:
    """With what is left to be tried with false captions when nobody is asked any more."""
    remedies = after_asking(verification.contradicted)
    candidates = tuple(
        one if CONTRADICTED in one.verdict.reasons else judge.treat(one, remedies) for one in found.candidates
    )
    return found.model_copy(update={"candidates": candidates})


def to_verify(
    found: CaptionSet,
    config: CaptionConfig,
    verification: VerificationConfig,
    wants: Callable[[Candidate], bool],
) -> tuple[Candidate, ...]:
    """Of the captions that would be kept, those that a verifier wants to see; others are not worth a question."""
    return tuple(one for one in best(found, config, verification) if wants(one))
