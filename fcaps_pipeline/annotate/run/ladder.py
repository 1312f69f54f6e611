"""The one answer to whatever takes a process down: asked again, then alone, then a Failure.

A name (of a Segment or a Recording) and the causes of its deaths enter; the step it stands on leaves.
A death convicts nobody while the machinery itself may be at fault: the last step needs a proof, something
else that lived since the first death.
"""

from dataclasses import dataclass
from enum import Enum

DEATHS_UNTIL_ALONE = 2
DEATHS_UNTIL_CONVICTED = 3


class Step(Enum):
    """How something is tried next."""

    TOGETHER = "together with others"
    ALONE = "alone"
    NEVER = "never again"


@dataclass(slots=True)
class _Deaths:
    proofs_before: int
    causes: list[str]


class Ladder:
    """Deaths by name; what never died is not kept."""

    def __init__(self) -> None:
        self._deaths: dict[str, _Deaths] = {}
        self._num_proofs = 0

    def lived(self, name: str) -> None:
        """Something ended well: it leaves the ladder, and proves that the machinery works."""
        self._num_proofs += 1
        if self._deaths:
            self._deaths.pop(name, None)

    def died(self, name: str, cause: str) -> None:
        """A process died, hung or stumbled over it."""
        self._deaths.setdefault(name, _Deaths(self._num_proofs, [])).causes.append(cause)

    def num_deaths(self, name: str) -> int:
        """How often it died."""
        deaths = self._deaths.get(name)
        return len(deaths.causes) if deaths else 0

    def step(self, name: str, *, is_last: bool = False) -> Step:
        """How it is tried next.

        Args:
            name: of the Segment or Recording.
            is_last: nothing else is left that could prove the machinery.
        """
        deaths = self._deaths.get(name)
        if deaths is None or len(deaths.causes) < DEATHS_UNTIL_ALONE:
            return Step.TOGETHER
        is_proven = is_last or self._num_proofs > deaths.proofs_before
        return Step.NEVER if is_proven and len(deaths.causes) >= DEATHS_UNTIL_CONVICTED else Step.ALONE

    def reason(self, name: str) -> str:
        """What happened to it, for its Failure."""
        causes = self._deaths[name].causes
        shown = "; ".join(dict.fromkeys(causes))
        return f"tried {len(causes)} times, the last time alone, and each time: {shown}"
