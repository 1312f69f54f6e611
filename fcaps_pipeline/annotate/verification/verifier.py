"""Who checks a caption claim by claim: the protocol behind which evidence, probes and agents stand.

A `Subject` enters, an `Opinion` leaves. What follows from it (a sentence deleted, the captioner asked again, the
caption dropped) is decided in `remedies`, the same for all.
"""

from dataclasses import dataclass
from typing import Protocol

from fcaps_pipeline.records.annotations import Candidate, Claim
from fcaps_pipeline.records.audio import SegmentAudio


@dataclass(frozen=True)
class Subject:
    """A caption with what it was written about."""

    segment: SegmentAudio
    candidate: Candidate
    """With the claims that it was taken apart into, each as verifiers before left it."""
    others: tuple[Candidate, ...] = ()
    """The other captions of the row that nothing speaks against."""


@dataclass(frozen=True)
class Fault:
    """A reason against a caption as a whole, such as a speaker too many."""

    name: str
    """Stable, with underscores: what reports count by."""
    detail: str


@dataclass(frozen=True)
class Opinion:
    """What a verifier makes of a caption."""

    claims: tuple[Claim, ...]
    """Those of the Subject in their order, each with its result and the evidence that decided."""
    faults: tuple[Fault, ...] = ()
    trajectory: str | None = None
    """Steps as JSON; None of a verifier that takes none worth keeping."""
    num_tokens: int = 0
    """Prompt and output of all that an engine was asked."""


class Verifier(Protocol):
    """Checks claims by whatever it has: code, an engine that hears, one that reads."""

    async def verify(self, subject: Subject) -> Opinion:
        """Gives every claim a result; one that it cannot judge stays as it was.

        Nonsense, loops and a spent budget of an engine are no exceptions: the claim stays open and its evidence says
        why.

        Raises:
            EngineDeadError: the engine is gone; nothing is known about this caption.
            EngineRetryableError: it could not answer for a passing reason, and patience is over.
            NotAskedError: no earlier run was asked this, and nobody may be asked now.
        """
        ...
