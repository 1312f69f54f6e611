"""The steps of an agent as JSON of bounded size, for the row.

Enters: each answer with what came of it. Leaves: one line, and from a row's list of such lines the answers again, so
that a run that judges anew asks no question twice. Of a long way texts are cut until it fits, and what was cut is no
answer any more.
"""

import json
from collections.abc import Iterator
from typing import Literal

from pydantic import ValidationError

from fcaps_pipeline.annotate.engines.answers import excerpt
from fcaps_pipeline.records.annotations import Completion, FinishReason
from fcaps_pipeline.records.base import Record

MAX_TRAJECTORY_CHARACTERS = 16_384
_CUTS = (600, 240, 80)
_MAX_FOUND_CHARACTERS = 160

Ending = Literal["verdict", "budget", "nonsense", "unknown_tool", "loop", "refused"]


class Turn(Record):
    """One answer of the model, and what came of it."""

    request_key: str
    answer: str
    """As given; of a model that thinks, behind its thinking."""
    finish_reason: FinishReason
    num_prompt_tokens: int
    num_output_tokens: int
    found: tuple[str, ...] = ()
    """Evidence by its name and value, or why there is none."""
    fault: str | None = None
    """What was wrong with the answer."""
    is_cut: bool = False
    """Whether the answer was longer."""


class Trajectory(Record):
    """All that an agent did about one caption."""

    tool: str
    """The name under which its word stands."""
    model: str
    model_revision: str
    prompt: str
    ending: Ending
    detail: str | None = None
    ignored_faults: tuple[str, ...] = ()
    """Faults that the agent named and code did not find."""
    turns: tuple[Turn, ...]

    def as_json(self) -> str:
        """One line of at most `MAX_TRAJECTORY_CHARACTERS`, without what is empty."""
        text = self._dump()
        for cut in _CUTS:
            if len(text) <= MAX_TRAJECTORY_CHARACTERS:
                return text
            text = self.model_copy(update={"turns": tuple(_cut(turn, cut) for turn in self.turns)})._dump()
        return text if len(text) <= MAX_TRAJECTORY_CHARACTERS else self.model_copy(update={"turns": ()})._dump()

    def _dump(self) -> str:
        return self.model_dump_json(exclude_defaults=True)


def make_turn(request_key: str, completion: Completion) -> Turn:
    """An answer of which nothing has come yet."""
    return Turn(
        request_key=request_key,
        answer=completion.text,
        finish_reason=completion.finish_reason,
        num_prompt_tokens=completion.num_prompt_tokens,
        num_output_tokens=completion.num_output_tokens,
    )


def has_walked(trajectory: str | None, tool: str) -> bool:
    """Whether a row's trajectory, which is a list of what each verifier did, holds a way under this name."""
    return f'"tool":{json.dumps(tool, ensure_ascii=False)}' in (trajectory or "")


def answers_in(trajectory: str) -> Iterator[tuple[str, Completion]]:
    """The answers of the agents in a row's trajectory, by the keys of their requests; what was cut is none."""
    for part in json.loads(trajectory):
        try:
            turns = Trajectory.model_validate(part).turns
        except ValidationError:
            continue  # another verifier's
        yield from ((turn.request_key, _completion(turn)) for turn in turns if not turn.is_cut)


def _completion(turn: Turn) -> Completion:
    return Completion(
        text=turn.answer,
        finish_reason=turn.finish_reason,
        num_prompt_tokens=turn.num_prompt_tokens,
        num_output_tokens=turn.num_output_tokens,
        seed=None,
    )


def _cut(turn: Turn, limit: int) -> Turn:
    return turn.model_copy(
        update={
            "answer": turn.answer if len(turn.answer) <= limit else excerpt(turn.answer)[:limit],
            "is_cut": len(turn.answer) > limit,
            "found": tuple(one[: min(limit, _MAX_FOUND_CHARACTERS)] for one in turn.found),
        }
    )
