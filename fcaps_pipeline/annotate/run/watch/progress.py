"""What the processes of a run tell of their work: sums that add up, never single Segments.

Imports the standard library alone, because the process that collects the sums should hold nothing else.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

Outcome = Literal["annotated", "rejected", "failed"]


@dataclass(frozen=True)
class Progress:
    """What happened since the last report."""

    audio_s: float = 0.0
    segments: Counter[Outcome] = field(default_factory=Counter)
    """Segments by what they became."""
    num_recording_failures: int = 0
    output_tokens: Counter[str] = field(default_factory=Counter)
    """By engine, answers that were dropped included."""
    verdicts: Counter[str] = field(default_factory=Counter)
    """Candidates by the rule that spoke against them, or `kept`."""

    def __add__(self, other: "Progress") -> "Progress":
        return Progress(
            audio_s=self.audio_s + other.audio_s,
            segments=self.segments + other.segments,
            num_recording_failures=self.num_recording_failures + other.num_recording_failures,
            output_tokens=self.output_tokens + other.output_tokens,
            verdicts=self.verdicts + other.verdicts,
        )

    @property
    def num_segments(self) -> int:
        """Segments with an outcome of any kind."""
        return self.segments.total()

    @property
    def num_failures(self) -> int:
        """Recordings and Segments that nobody could be asked about."""
        return self.num_recording_failures + self.segments["failed"]


@dataclass(frozen=True)
class EngineState:
    """One engine of the job at one moment, all its replicas together."""

    engine: str
    """Its name in the job."""
    wanted: int
    """Replicas that the job asks for."""
    up: int
    """Replicas that answer."""
    room: int
    """Segments that the replicas that are up can hold at once."""
    in_hand: int
    """Segments that they hold."""
    queued: int
    """Segments that wait for any of them."""
    restarts: int = 0
    """Replicas started anew since the call began."""
    kv_cache_share: float | None = None
    """Mean use of the KV cache, 0 to 1; None where no engine tells."""
    preemptions: int = 0
    """Requests that lost their KV cache to others, of the replicas that are up since each of them started."""

    @property
    def busy_share(self) -> float:
        """Share of the room that is in use, 0 to 1; 0 without a replica."""
        return min(1.0, self.in_hand / self.room) if self.room else 0.0
