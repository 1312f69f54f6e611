"""Measures the timed events that a captioner tells of clips of known truth.

Enters: truths and answers. Leaves: `Score`s. An event is found where one of the same phrase was told whose start and
end both lie within 0.3 s of its own; each told event finds one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from fcaps_pipeline.lab.embedded.scores import Score, estimate, share
from fcaps_pipeline.lab.embedded.timed_events import read_events
from fcaps_pipeline.lab.synthesis.truth import ClipTruth, TimedEvent

WITHIN_S = 0.3
_KINDS = {"pauses": ("pauses",), "whispering": ("whispers",)}


@dataclass(frozen=True)
class ToldEvent:
    """An event as it was told, which may not be possible."""

    phrase: str
    start_s: float
    end_s: float


def score_events(truths: Sequence[ClipTruth], answers: Sequence[str], about: str = "") -> list[Score]:
    """Share of the events found, by kind, and of the told ones that are true.

    Args:
        truths: of the clips.
        answers: to the request for events.
        about: begins the name of every line.
    """
    found: list[tuple[str, bool]] = []
    true: list[bool] = []
    valid: list[bool] = []
    for truth, answer in zip(truths, answers, strict=True):
        proposals = read_events(answer)
        valid.append(proposals is not None)
        told = [] if proposals is None else [ToldEvent(one.phrase, one.start_s, one.end_s) for one in proposals.events]
        events = () if truth.speech is None else truth.speech.events
        matched = match_events(events, told)
        found += [(event.phrase, hit is not None) for event, hit in zip(events, matched, strict=True)]
        true += [index in matched for index in range(len(told))]
    known = {phrase for phrases in _KINDS.values() for phrase in phrases}
    kinds = {kind: [hit for phrase, hit in found if phrase in phrases] for kind, phrases in _KINDS.items()}
    kinds["changes"] = [hit for phrase, hit in found if phrase not in known]
    rows = [
        ("events found, both times within 0.3 s", [hit for _, hit in found]),
        *((f"events found, {kind}", hits) for kind, hits in kinds.items()),
        ("events told that are true, both times within 0.3 s", true),
        ("events are JSON of the schema without a grammar", valid),
    ]
    return [
        Score(name=about + name, measure="share", value=estimate(share, hits), constant=None, rule=None)
        for name, hits in rows
        if hits
    ]


def match_events(events: Sequence[TimedEvent], told: Sequence[ToldEvent]) -> list[int | None]:
    """Which told event finds each true one, the nearest first; None where none does."""
    distances = sorted(
        (max(abs(one.start_s - event.start_s), abs(one.end_s - event.end_s)), place, index)
        for place, event in enumerate(events)
        for index, one in enumerate(told)
        if one.phrase == event.phrase
    )
    matched: list[int | None] = [None] * len(events)
    for distance, place, index in distances:
        if distance <= WITHIN_S and matched[place] is None and index not in matched:
            matched[place] = index
    return matched
