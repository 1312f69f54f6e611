"""What every engine does with what it was answered, before any rule reads it.

Enters: text as a model or a server gave it, and log probabilities. Leaves: a `Completion` that every table can store,
the probability of an answer that can be spelt in several ways, and excerpts that fit into a message.
"""

import math
from collections.abc import Iterable

from fcaps_pipeline.records.annotations import MAX_ANSWER_CHARACTERS, Completion, FinishReason

_MAX_EXCERPT_CHARACTERS = 300


def make_completion(
    text: str,
    finish_reason: FinishReason,
    *,
    num_prompt_tokens: int,
    num_output_tokens: int,
    seed: int | None,
    log_probabilities: tuple[float, ...] | None = None,
) -> Completion:
    """The answer with U+FFFD in place of lone surrogates, which no file can hold; longer than any caption it is cut."""
    storable = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return Completion(
        text=storable[:MAX_ANSWER_CHARACTERS],
        finish_reason="length" if len(storable) > MAX_ANSWER_CHARACTERS else finish_reason,
        num_prompt_tokens=num_prompt_tokens,
        num_output_tokens=num_output_tokens,
        seed=seed,
        log_probabilities=log_probabilities,
    )


def behind_thinking(text: str, thinking_ends: str) -> str:
    """The answer of a model that thinks; empty where it was still thinking."""
    return text.rpartition(thinking_ends)[2].strip() if thinking_ends in text else ""


def spellings(answer: str) -> tuple[str, ...]:
    """How a model may begin an answer: as given, and with a capital letter."""
    return tuple(dict.fromkeys((answer, answer[:1].upper() + answer[1:])))


def any_of(log_probabilities: Iterable[float]) -> float:
    """Log probability that one of several tokens comes; none of them is beyond a double."""
    found = list(log_probabilities)
    highest = max(found)
    return highest + math.log(sum(math.exp(one - highest) for one in found))


def excerpt(said: object) -> str:
    """The beginning of what an error or a server says, in one line; the name of an error that says nothing."""
    return " ".join(str(said).split())[:_MAX_EXCERPT_CHARACTERS] or type(said).__name__
