"""Tools that look at what is told of a Segment rather than at its sound: source, human tags, transcript, events.

A claim and `Facts` enter, a `Finding` leaves, or None where the tool knows nothing that bears on the claim.
"""

import re

from fcaps_pipeline.annotate.verification.conflicts import CONFLICTS
from fcaps_pipeline.annotate.verification.facts import Facts
from fcaps_pipeline.annotate.verification.findings import Finding, Says
from fcaps_pipeline.attributes.event_phrases import EventPhrase
from fcaps_pipeline.attributes.reading import read_mentions
from fcaps_pipeline.records.annotations import Claim, Evidence, SampleSpan
from fcaps_pipeline.records.audio import Event

_PHRASES: dict[tuple[str, str], EventPhrase] = {
    ("loudness_course", "rising"): "grows louder",
    ("loudness_course", "falling"): "grows softer",
    ("pitch_course", "rising"): "raises the pitch",
    ("pitch_course", "falling"): "lowers the pitch",
    ("rate_course", "rising"): "speaks faster",
    ("rate_course", "falling"): "speaks slower",
    ("pauses", "one"): "pauses",
    ("voice_quality", "whisper"): "whispers",
    ("voice_quality", "breathy"): "speaks in a breathy voice",
    ("voice_quality", "creaky"): "speaks in a creaky voice",
    ("sound", "laugh"): "laughs",
}
"""The event that a claim speaks of. That nothing was placed says little, so that its absence is not held against it."""
_OPPOSITES: dict[EventPhrase, EventPhrase] = {
    "grows louder": "grows softer",
    "grows softer": "grows louder",
    "raises the pitch": "lowers the pitch",
    "lowers the pitch": "raises the pitch",
    "speaks faster": "speaks slower",
    "speaks slower": "speaks faster",
}
_HEURISTIC: frozenset[str] = frozenset({"speaks in a breathy voice", "speaks in a creaky voice", "laughs"})
"""Events that take more than energy, F0 and gaps to place."""
_MARK = re.compile(r"[\[(<*]([A-Za-z ]{2,40})[\])>*]")
"""How transcripts note what is no word: `[laughter]`, `(sighs)`."""


def by_source(claim: Claim, facts: Facts) -> Finding | None:
    """Who speaks, where the source knows it."""
    known = facts.speaker_gender
    if claim.attribute != "gender" or known is None:
        return None
    says: Says = "supported" if claim.value == known else "contradicted"
    return Finding((Evidence(tool="source", tier="probabilistic", value=known),), says, is_final=True)


def by_tags(claim: Claim, facts: Facts) -> Finding | None:
    """What people tagged."""
    tagged = facts.tagged.get(claim.attribute, ())
    evidence = Evidence(tool="human_tags", tier="probabilistic", value=", ".join(tagged))
    if claim.value in tagged:
        return Finding((evidence,), "supported")
    conflict = CONFLICTS.get(claim.attribute)
    if tagged and conflict is not None and all(conflict(claim.value, one) for one in tagged):
        return Finding((evidence,), "contradicted")
    return None


def by_transcript(claim: Claim, facts: Facts) -> Finding | None:
    """Sounds that the transcript notes between the words."""
    if claim.attribute != "sound" or not facts.transcript:
        return None
    for mark in _MARK.finditer(facts.transcript):
        if any((one.field, one.value) == ("sound", claim.value) for one in read_mentions(mark[1])):
            return Finding((Evidence(tool="transcript", tier="probabilistic", value=mark[0]),), "supported")
    return None


def by_events(claim: Claim, facts: Facts) -> Finding | None:
    """What was placed in time: there, or anywhere for a claim about the whole."""
    phrase = _PHRASES.get((claim.attribute, claim.value))
    if phrase is None:
        return None
    same, opposite = (_placed(facts.events, one, claim.interval) for one in (phrase, _OPPOSITES.get(phrase)))
    if same is not None:
        return Finding((as_evidence(same),), "supported")
    if opposite is not None and claim.interval is not None:
        return Finding((as_evidence(opposite),), "contradicted")
    return None


def _placed(events: tuple[Event, ...], phrase: str | None, interval: SampleSpan | None) -> Event | None:
    return next((one for one in events if one.phrase == phrase and meets(one, interval)), None)


def attribute_of(phrase: str) -> str | None:
    """What kind of claim an event speaks of; None of a phrase that nobody has a word for."""
    return next((attribute for (attribute, _), one in _PHRASES.items() if one == phrase), None)


def meets(event: Event, interval: SampleSpan | None) -> bool:
    """Whether an event has a part in an interval; None is the whole Segment."""
    return interval is None or (
        event.start_samples < interval.end_samples and event.end_samples > interval.start_samples
    )


def as_evidence(event: Event) -> Evidence:
    """An event as what it proves."""
    return Evidence(
        tool="events",
        tier="heuristic" if event.phrase in _HEURISTIC else "analytic",
        value=event.phrase,
        interval=SampleSpan(start_samples=event.start_samples, end_samples=event.end_samples),
        confidence=event.confidence,
    )
