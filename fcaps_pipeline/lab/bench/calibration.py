"""Takes the bounds of evidence from voices whose truth is known, and from human captions.

Enters: clips of known truth with what was measured in them, and captions that people vouch for, with theirs. Leaves: a
`BoundTable`. A bound is where two true statements in a hundred lie beyond; where a human caption lies further out, the
bound moves there: people call a voice deep that a synthesizer would not. Bounds of parts are taken from what is true of
the beginning, the middle and the end of a clip, from all three together.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np

from fcaps_pipeline.annotate.verification.bounds import Attribute, Bound, BoundTable, Measure, Scope
from fcaps_pipeline.annotate.verification.claims import PARTS, part_of
from fcaps_pipeline.annotate.verification.facts import Facts
from fcaps_pipeline.annotate.verification.measured import Context, Statement, measures_of, statement_of
from fcaps_pipeline.attributes.stated import Place
from fcaps_pipeline.lab.synthesis.truth import SpeechTruth
from fcaps_pipeline.records.annotations import Claim
from fcaps_pipeline.records.audio import Gender

TAIL = 0.02
"""Share of true statements that lie beyond a bound, as far as known truth tells."""
_HUMAN_MARGIN = 0.02


@dataclass(frozen=True)
class Vouched:
    """A caption that people stand for, with what was measured in what it is about."""

    text: str
    claims: tuple[Claim, ...]
    facts: Facts


@dataclass(frozen=True)
class _Kind:
    """A statement, what bears on it, and on which side of the usual a measurement speaks against it."""

    attribute: Attribute
    value: str
    measure: Measure
    side: Literal["above", "below"]
    scopes: tuple[Scope, ...] = ("whole",)


_BOTH: tuple[Scope, ...] = ("whole", "part")
_KINDS: tuple[_Kind, ...] = (
    _Kind("gender", "male", "f0_p5_hz", "above"),
    _Kind("gender", "female", "f0_median_hz", "below"),
    _Kind("pitch", "low", "f0_p5_hz", "above", _BOTH),
    _Kind("pitch", "medium", "f0_p5_hz", "above", _BOTH),
    _Kind("pitch", "medium", "f0_p95_hz", "below", _BOTH),
    _Kind("pitch", "high", "f0_p95_hz", "below", _BOTH),
    _Kind("rate", "slow", "tempo_hz", "above", _BOTH),
    _Kind("rate", "measured", "tempo_hz", "above", _BOTH),
    _Kind("rate", "measured", "tempo_hz", "below", _BOTH),
    _Kind("rate", "fast", "tempo_hz", "below", _BOTH),
    _Kind("pauses", "some", "dip_longest_s", "below", _BOTH),
    _Kind("pauses", "none", "pause_longest_s", "above", _BOTH),
    _Kind("loudness_course", "rising", "level_change_db", "below"),
    _Kind("loudness_course", "steady", "level_change_db", "above"),
    _Kind("loudness_course", "steady", "level_change_db", "below"),
    _Kind("loudness_course", "falling", "level_change_db", "above"),
    _Kind("pitch_course", "rising", "f0_change_semitones", "below"),
    _Kind("pitch_course", "steady", "f0_change_semitones", "above"),
    _Kind("pitch_course", "steady", "f0_change_semitones", "below"),
    _Kind("pitch_course", "falling", "f0_change_semitones", "above"),
    _Kind("rate_course", "rising", "rate_change_ratio", "below"),
    _Kind("rate_course", "steady", "rate_change_ratio", "above"),
    _Kind("rate_course", "steady", "rate_change_ratio", "below"),
    _Kind("rate_course", "falling", "rate_change_ratio", "above"),
    _Kind("whisper", "whole", "voiced_share", "above", _BOTH),
    _Kind("whisper", "none", "voiced_share", "below", _BOTH),
)

Said = tuple[Attribute, Place | None]
"""What is stated, and of which part; None for the whole."""


def true_statements(truth: SpeechTruth) -> dict[Said, str]:
    """What may be said of a clip and of its parts.

    A quantity that changes has one class over the whole; of the parts, only the first is where the whole begins.
    """
    places: tuple[Place, ...] = tuple(PARTS)
    whole: dict[Attribute, str] = {
        "gender": truth.gender,
        "rate": truth.rate,
        "pauses": "some" if truth.pauses else "none",
        "whisper": "whole" if truth.voice_quality == "whisper" else "none",
        "loudness_course": truth.loudness,
        "rate_course": truth.rate_course,
    }
    if truth.pitch is not None:
        whole |= {"pitch": truth.pitch, "pitch_course": truth.pitch_course}
    stated: dict[Said, str] = {(name, None): value for name, value in whole.items()}
    paused = {one.place for one in truth.pauses}
    for place in places:
        stated["pauses", place] = "some" if place in paused else "none"
        stated["whisper", place] = whole["whisper"]
        if truth.rate_course == "steady" or place == "beginning":
            stated["rate", place] = truth.rate
        if truth.pitch is not None and (truth.pitch_course == "steady" or place == "beginning"):
            stated["pitch", place] = truth.pitch
    return stated


def calibrate(clips: Iterable[tuple[SpeechTruth, Facts]], human: Iterable[Vouched], provenance: str) -> BoundTable:
    """Bounds from known truth.

    Args:
        clips: truths with what is known of their clips.
        human: captions that people vouch for.
        provenance: what both are, for the table.
    """
    known, vouched = list(clips), list(human)
    bounds: list[Bound] = []
    for kind in _KINDS:
        for scope in kind.scopes:
            genders: tuple[Gender | None, ...] = ("female", "male") if kind.attribute == "pitch" else (None,)
            found = [_bound(kind, scope, gender, known, vouched) for gender in genders]
            bounds.extend(found)
            if kind.attribute == "pitch":
                bounds.append(_loosest(found))
    return BoundTable(provenance=provenance, tail=TAIL, bounds=tuple(bounds))


def _bound(
    kind: _Kind,
    scope: Scope,
    gender: Gender | None,
    known: Sequence[tuple[SpeechTruth, Facts]],
    vouched: Sequence[Vouched],
) -> Bound:
    true = [
        value
        for truth, facts in known
        if gender in {None, truth.gender}
        for value in _measured(kind, scope, true_statements(truth), facts)
    ]
    said = [value for one in vouched for value in _measured_in(kind, scope, gender, one)]
    if kind.side == "above":
        bound = max([float(np.quantile(true, 1 - TAIL)), *(value * (1 + _HUMAN_MARGIN) for value in said)])
    else:
        bound = min([float(np.quantile(true, TAIL)), *(value * (1 - _HUMAN_MARGIN) for value in said)])
    usual = float(np.median(true))
    return Bound(
        attribute=kind.attribute,
        value=kind.value,
        gender=gender,
        scope=scope,
        measure=kind.measure,
        usual=round(usual, 4),
        bound=round(bound, 4),
    )


def _measured(kind: _Kind, scope: Scope, stated: dict[Said, str], facts: Facts) -> Iterator[float]:
    """The measure of each true statement of a kind."""
    places: tuple[Place | None, ...] = (None,) if scope == "whole" else tuple(PARTS)
    for place in places:
        if stated.get((kind.attribute, place)) == kind.value:
            interval = None if place is None else part_of(place, facts.num_samples)
            measures = measures_of(Statement(kind.attribute, kind.value, scope), interval, facts)
            if (value := getattr(measures, kind.measure, None)) is not None:
                yield cast("float", value)


def _measured_in(kind: _Kind, scope: Scope, gender: Gender | None, vouched: Vouched) -> Iterator[float]:
    """The measure of each statement of a kind that a human caption makes."""
    context = Context.of(vouched.text, vouched.claims, vouched.facts)
    if gender not in {None, context.gender}:
        return
    for claim in vouched.claims:
        statement = statement_of(claim, context)
        if statement == Statement(kind.attribute, kind.value, scope):
            measures = measures_of(statement, claim.interval, vouched.facts)
            if (value := getattr(measures, kind.measure, None)) is not None:
                yield cast("float", value)


def _loosest(bounds: Sequence[Bound]) -> Bound:
    """For a voice whose gender nobody states: what is false of either is false."""
    is_upper = bounds[0].bound > bounds[0].usual
    chosen = max(bounds, key=lambda one: one.bound if is_upper else -one.bound)
    return chosen.model_copy(update={"gender": None})
