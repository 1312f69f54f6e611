"""How claims, their evidence and timed events are put into one line each, for cards in a terminal.

Enters: records. Leaves: text.
"""

from collections.abc import Sequence

from fcaps_pipeline.annotate.verification.claims import OTHER
from fcaps_pipeline.records.annotations import Claim, Evidence, SampleSpan
from fcaps_pipeline.records.audio import SAMPLE_RATE_HZ, Event


def claim_line(claim: Claim) -> str:
    """`supported     rate slow: tempo_hz 3.2 Hz (fast: at least 3.773), …`."""
    about = f"{claim.result:<12}  {_named(claim)}{_where(claim.interval)}"
    told = ", ".join(map(_evidence, claim.evidence))
    return f"{about}: {told}" if told else about


def claims_in_short(claims: Sequence[Claim]) -> str:
    """All claims of a caption by their result, with the measurement that decided; of what is open the name alone."""
    results = ("supported", "contradicted", "unverifiable")
    understood = [one for one in claims if one.attribute != OTHER]
    named = {result: ", ".join(_in_short(one) for one in understood if one.result == result) for result in results}
    told = [f"{result}: {text}" for result, text in named.items() if text]
    num_others = len(claims) - len(understood)
    return "; ".join(told + [f"not understood: {num_others} of {len(claims)}"] * bool(num_others))


def event_line(event: Event) -> str:
    """`0.40 to 1.20 s  grows softer (acoustics, 0.98)`."""
    confidence = "" if event.confidence is None else f", {event.confidence:.2f}"
    return f"{_seconds(event)}  {event.phrase} ({event.source}{confidence})"


def events_in_short(events: Sequence[Event]) -> str:
    """All events of a Segment."""
    return ", ".join(f"{one.phrase} {_seconds(one)}" for one in events)


def _named(claim: Claim) -> str:
    return f"{claim.attribute.replace('_', ' ')} {claim.value}"


def _in_short(claim: Claim) -> str:
    decided = None if claim.result == "unverifiable" else next(iter(claim.evidence), None)
    return _named(claim) if decided is None else f"{_named(claim)} ({decided.tool} {_value(decided)})"


def _evidence(evidence: Evidence) -> str:
    if evidence.tool == "none":
        return evidence.value
    expected = f" ({evidence.expected})" if evidence.expected else ""
    return f"{evidence.tool} {_value(evidence)}{_where(evidence.interval)}{expected}"


def _value(evidence: Evidence) -> str:
    return f"{evidence.value} {evidence.unit}" if evidence.unit else evidence.value


def _where(interval: SampleSpan | None) -> str:
    return "" if interval is None else f" from {_seconds(interval)}"


def _seconds(span: SampleSpan | Event) -> str:
    return f"{span.start_samples / SAMPLE_RATE_HZ:.2f} to {span.end_samples / SAMPLE_RATE_HZ:.2f} s"
