"""From the score of an event to how often one of such a score is right, and where that is too seldom.

Enters: `event_bounds.json` beside this module, made by `fcaps bench events --calibrate`. Leaves: confidences. A kind of
event that known truth does not bear out is in the table without a bound, and is never given.
"""

from bisect import bisect_right
from functools import cache
from importlib import resources

from fcaps_pipeline.annotate.acoustics.voice_states import StateNetwork
from fcaps_pipeline.records.audio import EventPhrase
from fcaps_pipeline.records.base import Record

EVENT_BOUNDS_FILE = "event_bounds.json"


class EventKind(Record):
    """What a score of one kind of event is worth."""

    phrase: EventPhrase
    bound: float | None
    """Least score of an event that is given; None where no score is right often enough."""
    scores: tuple[float, ...]
    """Ascending: each step of the confidence begins at one of these."""
    shares: tuple[float, ...]
    """Of each step, the share of candidates that are right on known truth, never falling."""

    def confidence(self, score: float) -> float | None:
        """Share of right ones at this score; None below the bound."""
        if self.bound is None or score < self.bound:
            return None
        return self.shares[max(0, bisect_right(self.scores, score) - 1)]


class EventBounds(Record):
    """Content of `event_bounds.json`."""

    provenance: str
    """What was measured, so that the file can be made again."""
    kinds: tuple[EventKind, ...]
    states: StateNetwork

    def confidence(self, phrase: EventPhrase, score: float) -> float | None:
        """See `EventKind`; None of a phrase that nobody calibrated."""
        return next((kind.confidence(score) for kind in self.kinds if kind.phrase == phrase), None)


@cache
def shipped_event_bounds() -> EventBounds:
    """The bounds that ship with the package."""
    return EventBounds.model_validate_json(resources.files(__package__).joinpath(EVENT_BOUNDS_FILE).read_bytes())
