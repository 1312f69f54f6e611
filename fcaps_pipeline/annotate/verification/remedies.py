"""What becomes of a caption of which a claim is contradicted: a sentence deleted, another caption asked for, dropped.

Enters: a judged candidate and what the job says. Leaves: the candidate as it is then. Whatever is deleted, the shorter
text is judged again, by rules too, since a repair can spoil a good caption. Nothing is put in a sentence's place, and
the answer itself stays as it was. Pure: asking is left to who has an engine.
"""

from collections.abc import Callable, Sequence

from fcaps_pipeline.annotate.verification.selection import drop
from fcaps_pipeline.attributes.sentences import sentence_spans
from fcaps_pipeline.jobs.verification import Remedy
from fcaps_pipeline.records.annotations import Candidate, Claim, Evidence, Verdict

CONTRADICTED = "contradicts_evidence"
UNVERIFIED = "unverified"
ASK_AGAIN: Remedy = "ask_again"

JudgeAgain = Callable[[Candidate], Candidate]


def is_contradicted(candidate: Candidate) -> bool:
    """Whether it says something false."""
    return any(one.result == "contradicted" for one in candidate.claims or ())


def before_asking(remedies: Sequence[Remedy]) -> tuple[Remedy, ...]:
    """What is tried at once."""
    return tuple(remedies[: remedies.index(ASK_AGAIN)] if ASK_AGAIN in remedies else remedies)


def after_asking(remedies: Sequence[Remedy]) -> tuple[Remedy, ...]:
    """What is tried when nobody is asked any more."""
    return tuple(remedies[remedies.index(ASK_AGAIN) + 1 :] if ASK_AGAIN in remedies else ())


def asks_again(candidate: Candidate, remedies: Sequence[Remedy]) -> bool:
    """Whether another caption is to be drawn in place of this one, while attempts are left."""
    if ASK_AGAIN in remedies:
        return not candidate.verdict.kept or is_contradicted(candidate)
    return not {CONTRADICTED}.issuperset(candidate.verdict.reasons)


def treat(candidate: Candidate, remedies: Sequence[Remedy], judge: JudgeAgain) -> Candidate:
    """Tries what needs no engine, in order, until nothing that the caption says is contradicted.

    Args:
        candidate: judged.
        remedies: what is tried; to ask again is passed over.
        judge: judges a candidate with another text.
    """
    for remedy in remedies:
        if not is_contradicted(candidate):
            break
        if remedy == "delete" and candidate.verdict.kept:
            candidate = _shortened(candidate, judge) or candidate
        elif remedy == "drop":
            candidate = drop(candidate, CONTRADICTED, explain(candidate))
    return candidate


def drop_unverified(candidate: Candidate) -> Candidate:
    """The candidate, dropped where a claim of it could not be checked."""
    open_claims = [_named(one) for one in candidate.claims or () if one.result == "unverifiable"]
    if not open_claims or not candidate.verdict.kept:
        return candidate
    return drop(candidate, UNVERIFIED, ", ".join(open_claims))


def explain(candidate: Candidate) -> str:
    """What is contradicted, by what."""
    return "; ".join(map(_against, filter(_is_false, candidate.claims or ())))


def _shortened(candidate: Candidate, judge: JudgeAgain) -> Candidate | None:
    """Without the sentences that say what is false, as often as that takes; None where no good caption is left."""
    current = candidate
    while is_contradicted(current):
        shorter = _without_false_sentences(current)
        if shorter is None:
            return None
        current = judge(shorter)
        if not current.verdict.kept:
            return None
    return current


def _without_false_sentences(candidate: Candidate) -> Candidate | None:
    """None where a field is false, which is no sentence, or nothing would be left."""
    false = list(filter(_is_false, candidate.claims or ()))
    text, kept, repairs = candidate.text, list[str](), list[str]()
    if any(one.span is None for one in false):
        return None
    for start, end in sentence_spans(text):
        against = [one for one in false if one.span is not None and start <= one.span.start < end]
        if against:
            repairs.append(f"{text[start:end]} ({'; '.join(map(_against, against))})")
        else:
            kept.append(text[start:end])
    if not kept or not repairs:
        return None
    shorter = " ".join(kept)
    fields = candidate.attributes
    return candidate.model_copy(
        update={
            "text": shorter,
            "attributes": None if fields is None else fields.model_copy(update={"caption": shorter}),
            "repairs": (*candidate.repairs, *repairs),
            "verdict": Verdict(),
            "claims": None,
        }
    )


def _is_false(claim: Claim) -> bool:
    return claim.result == "contradicted"


def _named(claim: Claim) -> str:
    return f"{claim.attribute.replace('_', ' ')} {claim.value}"


def _against(claim: Claim) -> str:
    """`gender male, but f0_p5_hz is 212 Hz (male: at most 170.8)`."""
    return f"{_named(claim)}, but {' and '.join(map(_told, claim.evidence))}"


def _told(evidence: Evidence) -> str:
    expected = f" ({evidence.expected})" if evidence.expected else ""
    return f"{evidence.tool} is {' '.join(filter(None, (evidence.value, evidence.unit)))}{expected}"
