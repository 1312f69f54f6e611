"""Holds a claim against what was measured, by bounds that were taken from known truth.

A claim and `Facts` enter, a `Finding` leaves. A measurement beyond the bound of what is claimed contradicts it. One
that lies beyond the bounds of every other value bears it out: it could not be the same were the claim false. Between
the two nothing follows. What is said of a part is held against that part; that it is found nowhere in the Segment, too,
speaks against it. What no measurement bears on is said so: volume, because the gain of a recording is unknown; moods,
accents.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from fcaps_pipeline.annotate.verification.bounds import UNITS, VALUES, Attribute, Bound, BoundTable, Scope
from fcaps_pipeline.annotate.verification.claims import OTHER, part_of
from fcaps_pipeline.annotate.verification.facts import Facts
from fcaps_pipeline.annotate.verification.findings import Finding, reason
from fcaps_pipeline.records.annotations import Claim, Evidence, EvidenceScore, SampleSpan
from fcaps_pipeline.records.audio import Acoustics, Gender

VOICED_AT_LEAST = 0.25
"""Share of voiced speech below which neither F0 nor the syllable counter, which counts voiced peaks, says anything:
what a pitch tracker finds in a whisper is chance."""
QUIET_SNR_DB = 10.0
"""In more noise the level between two words is that of the noise, whether the voice rests or not; where nothing is
free of speech, nobody knows how much noise there is."""
_NEED_A_VOICE = frozenset({"gender", "pitch", "rate", "pitch_course", "rate_course"})
_GENDERS: dict[str, Gender] = {"female": "female", "male": "male"}
_FOUND_NOWHERE = frozenset({("pauses", "some"), ("pitch", "low"), ("pitch", "medium"), ("pitch", "high")})
"""What the whole Segment rules out for each of its parts: it is held against its extremes."""


@dataclass(frozen=True)
class Statement:
    """A claim in the words of the bounds."""

    attribute: Attribute
    value: str
    scope: Scope = "whole"


@dataclass(frozen=True)
class Context:
    """What else the caption says that decides what a claim means."""

    text: str
    claims: tuple[Claim, ...]
    gender: Gender | None
    """Of the speaker, by the source or the caption; a statement about pitch means another F0 in a woman than in a man.
    """
    num_samples: int
    """Length of the Segment."""

    @staticmethod
    def of(text: str, claims: Sequence[Claim], facts: Facts) -> "Context":
        """That of the claims of one caption."""
        said = next((_GENDERS.get(one.value) for one in claims if one.attribute == "gender"), None)
        return Context(text, tuple(claims), facts.speaker_gender or said, facts.num_samples)

    def values(self, attribute: str) -> set[str]:
        """All that the caption says of an attribute."""
        return {one.value for one in self.claims if one.attribute == attribute}


def by_bounds(claim: Claim, facts: Facts, context: Context, table: BoundTable) -> Finding:
    """What measurements make of a claim; where they make nothing of it, why."""
    statement = statement_of(claim, context)
    if isinstance(statement, str):
        return reason(statement)
    if (fault := why_unmeasured(statement.attribute, facts.acoustics)) is not None:
        return reason(fault)
    scope = _Scope(statement, claim.interval, facts, context.gender if statement.attribute == "pitch" else None, table)
    own = scope.weigh(statement.value)
    against = [one for one in (own, scope.weigh_anywhere()) if one is not None]
    worst = min(against, key=lambda one: one.score, default=None)
    if worst is None:
        return reason(scope.why_not())
    if worst.score < 0:
        return Finding((worst.evidence(1 - table.tail),), "contradicted", worst.record(statement))
    others = [scope.weigh(value) for value in VALUES[statement.attribute] if value != statement.value]
    ruled_out = [one for one in others if one is not None and one.score < 0]
    if own is None or len(ruled_out) < len(others) or _is_one_of_several(claim, facts.acoustics):
        return Finding((worst.evidence(),), None, worst.record(statement))
    evidence = tuple(one.evidence(1 - table.tail) for one in ruled_out)
    return Finding(evidence, "supported", worst.record(statement))


def measures_of(statement: Statement, interval: SampleSpan | None, facts: Facts) -> object | None:
    """What was measured where a statement is about, by names of `Measure`; None where that lets measure nothing."""
    if why_unmeasured(statement.attribute, facts.acoustics) is not None:
        return None
    if statement.scope == "whole" or interval is None:
        return facts.acoustics
    part = facts.part(interval)
    if part is None or statement.attribute not in _NEED_A_VOICE:
        return part
    return part if (part.voiced_share or 0.0) >= VOICED_AT_LEAST else None


def why_unmeasured(attribute: Attribute, acoustics: Acoustics) -> str | None:
    """Why the Segment does not let measure what bears on an attribute; None where it does.

    It must be voiced enough, or quiet enough between the words.
    """
    if attribute in _NEED_A_VOICE and acoustics.voiced_share < VOICED_AT_LEAST:
        return f"{acoustics.voiced_share:.0%} of it is voiced, expected at least {VOICED_AT_LEAST:.0%}"
    if attribute == "pauses" and acoustics.snr_db is None:
        return "no part of it is free of speech, so that nobody knows the noise between the words"
    if attribute == "pauses" and acoustics.snr_db is not None and acoustics.snr_db < QUIET_SNR_DB:
        return f"its speech is {acoustics.snr_db:.1f} dB above the noise, expected at least {QUIET_SNR_DB:.0f} dB"
    return None


def statement_of(claim: Claim, context: Context) -> Statement | str:
    """The claim in the words of the bounds, or why it cannot be put into them."""
    scope: Scope = "whole" if claim.interval is None else "part"
    match claim.attribute:
        case "gender" | "pitch":
            return Statement(cast("Attribute", claim.attribute), claim.value, scope)
        case "rate":
            return _rate(claim, context, scope)
        case "pauses":
            return _pauses(claim, context, scope)
        case "loudness_course" | "pitch_course" | "rate_course":
            return _course(claim, context)
        case "voice_quality" if claim.value == "whisper":
            return _whisper(claim, context, scope)
        case "volume":
            return "the gain of the recording is unknown"
        case _ if claim.attribute == OTHER:
            return "not understood"
        case _:
            return f"nothing measures {claim.attribute.replace('_', ' ')} {claim.value}"


def _rate(claim: Claim, context: Context, scope: Scope) -> Statement | str:
    is_changing = bool(context.values("rate_course")) or len(context.values("rate")) > 1
    if scope == "whole" and is_changing:
        return "the rate is said to change, and not which part is meant"
    return Statement("rate", claim.value, scope)


def _pauses(claim: Claim, context: Context, scope: Scope) -> Statement | str:
    if claim.value != "none":
        return Statement("pauses", "some", scope)
    if len(context.values("pauses")) > 1:
        return "pauses are said to be there, too"
    return Statement("pauses", "none", scope)


def _course(claim: Claim, context: Context) -> Statement | str:
    """What changes towards the end is told by comparing the end with the beginning; elsewhere by events alone."""
    if len(context.values(claim.attribute)) > 1:
        return "it is said to rise and to fall"
    if claim.interval not in {None, part_of("end", context.num_samples)}:
        return "no bound is known for a change before the end"
    return Statement(cast("Attribute", claim.attribute), claim.value)


def _whisper(claim: Claim, context: Context, scope: Scope) -> Statement | str:
    if scope == "whole" and context.values("pitch"):
        return "a pitch is told, too, and not which part is whispered"
    if scope == "whole" and _words(context, claim) == "whisper":
        return "one may drop to a whisper, and which part is meant is not said"
    return Statement("whisper", "whole", scope)


def _words(context: Context, claim: Claim) -> str:
    span = claim.span
    return "" if span is None else context.text[span.start : span.end].lower()


def _is_one_of_several(claim: Claim, acoustics: Acoustics) -> bool:
    """Whether a pause is there, but no second one, where several are told."""
    return (claim.attribute, claim.value) == ("pauses", "several") and acoustics.num_pauses < 2


@dataclass(frozen=True)
class _Weight:
    """A bound with the measurement held against it."""

    bound: Bound
    measured: float
    interval: SampleSpan | None

    @property
    def score(self) -> float:
        return self.bound.score(self.measured)

    def evidence(self, confidence: float | None = None) -> Evidence:
        return Evidence(
            tool=self.bound.measure,
            tier="analytic",
            value=f"{self.measured:.4g}",
            unit=UNITS[self.bound.measure],
            expected=self.bound.expected,
            interval=self.interval,
            confidence=confidence,
        )

    def record(self, statement: Statement) -> EvidenceScore:
        return EvidenceScore(
            attribute=statement.attribute,
            value=statement.value,
            measure=self.bound.measure,
            measured=self.measured,
            score=self.score,
        )


@dataclass(frozen=True)
class _Scope:
    """Where a statement is weighed, and by which bounds."""

    statement: Statement
    interval: SampleSpan | None
    facts: Facts
    gender: Gender | None
    table: BoundTable

    def weigh(self, value: str) -> _Weight | None:
        """The measurement that speaks most against a value; None where none bears on it."""
        measures = measures_of(self.statement, self.interval, self.facts)
        if measures is None:
            return None
        bounds = self.table.find(self.statement.attribute, value, self.gender, self.statement.scope)
        interval = self.interval if self.statement.scope == "part" else None
        found = [
            _Weight(bound, measured, interval)
            for bound in bounds
            if (measured := getattr(measures, bound.measure, None)) is not None
        ]
        return min(found, key=lambda one: one.score, default=None)

    def weigh_anywhere(self) -> _Weight | None:
        """What speaks against a statement about a part because it speaks against it anywhere in the Segment."""
        said = (self.statement.attribute, self.statement.value)
        if self.statement.scope == "whole" or said not in _FOUND_NOWHERE:
            return None
        return _Scope(Statement(*said), None, self.facts, self.gender, self.table).weigh(self.statement.value)

    def why_not(self) -> str:
        """Why nothing was weighed."""
        bounds = self.table.find(self.statement.attribute, self.statement.value, self.gender, self.statement.scope)
        names = ", ".join(dict.fromkeys(one.measure for one in bounds))
        where = "there" if self.statement.scope == "part" else "in it"
        return f"too little speech {where} to measure {names}" if bounds else "no bound is known for it"
