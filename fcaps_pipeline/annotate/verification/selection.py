"""Keeps up to k distinct captions among those that passed the rules.

Candidates enter in the order they were asked for; they leave with the kept ones first, shortest
first as in FCaps, and every other one with its reason.
"""

import re

from fcaps_pipeline.records.annotations import Candidate

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
    for candidate in sorted(passed, key=lambda item: len(item.text)):
        twin = next((other for other in kept if similarity(candidate.text, other.text) >= max_similarity), None)
        if twin is not None:
            dropped.append(_drop(candidate, "duplicate", f"of the caption with seed {twin.completion.seed}"))
        elif len(kept) == keep:
            dropped.append(_drop(candidate, "surplus", f"{keep} kept already"))
        else:
            kept.append(candidate)
    order = {id(candidate.completion): index for index, candidate in enumerate(candidates)}
    return (*kept, *sorted(dropped, key=lambda item: order[id(item.completion)]))


def similarity(first: str, second: str) -> float:
    """Jaccard index of the two sets of words, 0 to 1; 1 for texts without words."""
    words, others = _words(first), _words(second)
    return len(words & others) / len(words | others) if words | others else 1.0


def _words(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text.lower()))


def _drop(candidate: Candidate, reason: str, detail: str) -> Candidate:
    verdict = candidate.verdict.model_copy(update={"reasons": (reason,), "details": (detail,)})
    return candidate.model_copy(update={"verdict": verdict})
