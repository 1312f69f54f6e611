"""Keeps up to k distinct captions among those that passed the rules.

Candidates enter in the order they were asked for; they leave with the kept ones first and every other one with its
reason. Best is what the measurements bear out most; of as good ones the shortest, as in FCaps.
"""

import re

from fcaps_pipeline.annotate.verification.evidence import evidence_score
from fcaps_pipeline.records.annotations import Candidate

_SCORE_STEP = 0.1
_WORD = re.compile(r"[\w']+")


def select(candidates: tuple[Candidate, ...], *, keep: int, max_similarity: float) -> tuple[Candidate, ...]:
    """Gives `duplicate` or `surplus` as reason to what is not kept.

    Args:
        candidates: with the verdicts of the rules.
        keep: captions to keep, at most.
        max_similarity: share of common words from which two captions count as the same, 0 to 1.

    Returns:
        The kept candidates, best first, then the dropped ones in their order.
    """
    kept: list[Candidate] = []
    dropped = [candidate for candidate in candidates if not candidate.verdict.kept]
    passed = [candidate for candidate in candidates if candidate.verdict.kept]
    for candidate in sorted(passed, key=_rank):
        twin = next((other for other in kept if similarity(candidate.text, other.text) >= max_similarity), None)
        if twin is not None:
            dropped.append(drop(candidate, "duplicate", f"of the caption with seed {twin.completion.seed}"))
        elif len(kept) == keep:
            dropped.append(drop(candidate, "surplus", f"{keep} kept already"))
        else:
            kept.append(candidate)
    order = {id(candidate.completion): index for index, candidate in enumerate(candidates)}
    return (*kept, *sorted(dropped, key=lambda item: order[id(item.completion)]))


def drop(candidate: Candidate, reason: str, detail: str) -> Candidate:
    """The candidate with one reason more against it."""
    verdict = candidate.verdict
    update = {"reasons": (*verdict.reasons, reason), "details": (*verdict.details, detail)}
    return candidate.model_copy(update={"verdict": verdict.model_copy(update=update)})


def similarity(first: str, second: str) -> float:
    """Jaccard index of the two sets of words, 0 to 1; 1 for texts without words."""
    words, others = _words(first), _words(second)
    return len(words & others) / len(words | others) if words | others else 1.0


def _words(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text.lower()))


def _rank(candidate: Candidate) -> tuple[float, int]:
    """Scores within a step are as good."""
    return (-round(evidence_score(candidate.verdict.scores) / _SCORE_STEP), len(candidate.text))
