"""Places timed events in a Segment, by code alone, and accepts those that a model proposes.

Enters: the tracks of a Segment, and where a model listened, what it believes to hear. Leaves: `Event`s inside the
Segment, sorted, each with a confidence: how often an event of such a score is right where the truth is known. What is
not right often enough is not given (`event_bounds`).
"""

from collections.abc import Iterable

import numpy as np

from fcaps_pipeline.annotate.acoustics.analysis import Analysis
from fcaps_pipeline.annotate.acoustics.event_bounds import EventBounds, shipped_event_bounds
from fcaps_pipeline.annotate.acoustics.event_candidates import find_candidates
from fcaps_pipeline.annotate.acoustics.event_cues import Cues
from fcaps_pipeline.records.audio import Event, EventPhrase
from fcaps_pipeline.records.captions import EventProposals

SOURCE = "acoustics"
PROPOSED_SOURCE = "proposed, accepted by acoustics"


def find_events(analysis: Analysis, bounds: EventBounds | None = None) -> tuple[Event, ...]:
    """What happens in a Segment, and when.

    Args:
        analysis: of the Segment.
        bounds: None for those that ship with the package.
    """
    bounds = bounds or shipped_event_bounds()
    cues = Cues(analysis, bounds.states)
    found = find_candidates(cues)
    return _given(analysis, bounds, ((one.phrase, one.first, one.after, one.score) for one in found), SOURCE)


def accept(proposals: EventProposals, analysis: Analysis, bounds: EventBounds | None = None) -> tuple[Event, ...]:
    """Of what a model proposes, that which the tracks bear out in the interval that it names.

    A proposal is measured as a candidate of the code is, so that the same score is asked of both. What lies outside
    the Segment is cut off; what nothing is left of, or no tool can measure, is not accepted.

    Args:
        proposals: the answer of the model.
        analysis: of the Segment.
        bounds: None for those that ship with the package.
    """
    bounds = bounds or shipped_event_bounds()
    cues = Cues(analysis, bounds.states)
    time_s_N = analysis.frames.time_s_N
    placed = [
        (one.phrase, int(np.searchsorted(time_s_N, one.start_s)), int(np.searchsorted(time_s_N, one.end_s)))
        for one in proposals.events
    ]
    scored = ((phrase, first, after, cues.score(phrase, first, after)) for phrase, first, after in placed)
    return _given(analysis, bounds, scored, PROPOSED_SOURCE)


def _given(
    analysis: Analysis, bounds: EventBounds, scored: Iterable[tuple[EventPhrase, int, int, float]], source: str
) -> tuple[Event, ...]:
    """Those whose score is worth enough, in order, each once."""
    events: set[Event] = set()
    for phrase, first, after, score in scored:
        confidence = bounds.confidence(phrase, score)
        if confidence is not None and first < after:
            start, end = analysis.span_samples(first, after)
            events.add(Event(phrase=phrase, start_samples=start, end_samples=end, source=source, confidence=confidence))
    return tuple(sorted(events, key=lambda one: (one.start_samples, one.end_samples, one.phrase)))
