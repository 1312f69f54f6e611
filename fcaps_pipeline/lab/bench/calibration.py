"""Takes the bounds of evidence from voices whose truth is known, and from human captions.

Enters: clips of known truth with their measurements, and captions that people vouch for, with theirs. Leaves: a
`BoundTable`. A bound is where two true statements in a hundred lie beyond; where a human caption lies further out, the
bound moves there: people call a voice deep that a synthesizer would not.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from fcaps_pipeline.annotate.verification.bounds import Attribute, Bound, BoundTable, Measure
from fcaps_pipeline.annotate.verification.evidence import StatementsOfCaption, can_be_measured, read_statements
from fcaps_pipeline.lab.synthesis.truth import SpeechTruth
from fcaps_pipeline.records.audio import Acoustics, Gender

TAIL = 0.02
"""Share of true statements that lie beyond a bound, as far as known truth tells."""
_HUMAN_MARGIN = 0.02


@dataclass(frozen=True)
class _Kind:
    """A statement, what bears on it, and on which side of the usual a measurement speaks against it."""

    attribute: Attribute
    value: str
    measure: Measure
    side: Literal["above", "below"]


_KINDS: tuple[_Kind, ...] = (
    _Kind("gender", "male", "f0_p5_hz", "above"),
    _Kind("gender", "female", "f0_median_hz", "below"),
    _Kind("pitch", "low", "f0_p5_hz", "above"),
    _Kind("pitch", "medium", "f0_p5_hz", "above"),
    _Kind("pitch", "medium", "f0_p95_hz", "below"),
    _Kind("pitch", "high", "f0_p95_hz", "below"),
    _Kind("rate", "slow", "tempo_hz", "above"),
    _Kind("rate", "measured", "tempo_hz", "above"),
    _Kind("rate", "measured", "tempo_hz", "below"),
    _Kind("rate", "fast", "tempo_hz", "below"),
    _Kind("pauses", "some", "dip_longest_s", "below"),
    _Kind("pauses", "none", "pause_longest_s", "above"),
    _Kind("loudness_course", "rising", "level_change_db", "below"),
    _Kind("loudness_course", "falling", "level_change_db", "above"),
    _Kind("pitch_course", "rising", "f0_change_semitones", "below"),
    _Kind("pitch_course", "falling", "f0_change_semitones", "above"),
    _Kind("rate_course", "rising", "rate_change_ratio", "below"),
    _Kind("rate_course", "falling", "rate_change_ratio", "above"),
    _Kind("whisper", "whole", "voiced_share", "above"),
)


def true_statements(truth: SpeechTruth) -> dict[Attribute, str]:
    """What may be said of a clip, attribute by attribute."""
    stated: dict[Attribute, str] = {
        "gender": truth.gender,
        "rate": truth.rate,
        "pauses": "some" if truth.pauses else "none",
    }
    if truth.pitch is not None:
        stated["pitch"] = truth.pitch
    if truth.voice_quality == "whisper":
        stated["whisper"] = "whole"
    courses: dict[Attribute, str] = {
        "loudness_course": truth.loudness,
        "pitch_course": truth.pitch_course,
        "rate_course": truth.rate_course,
    }
    return stated | {name: value for name, value in courses.items() if value != "steady"}


def calibrate(
    clips: Iterable[tuple[SpeechTruth, Acoustics]], human: Iterable[tuple[str, Acoustics]], provenance: str
) -> BoundTable:
    """Bounds from known truth.

    Args:
        clips: truths with what was measured in their clips.
        human: fine captions that people vouch for, with what was measured in theirs.
        provenance: what both are, for the table.
    """
    known = list(clips)
    vouched = [(read_statements(text, None), acoustics) for text, acoustics in human]
    bounds: list[Bound] = []
    for kind in _KINDS:
        genders: tuple[Gender | None, ...] = ("female", "male") if kind.attribute == "pitch" else (None,)
        found = [_bound(kind, gender, known, vouched) for gender in genders]
        bounds.extend(found)
        if kind.attribute == "pitch":
            bounds.append(_loosest(found))
    return BoundTable(provenance=provenance, bounds=tuple(bounds))


def _bound(
    kind: _Kind,
    gender: Gender | None,
    known: Sequence[tuple[SpeechTruth, Acoustics]],
    vouched: Sequence[tuple[StatementsOfCaption, Acoustics]],
) -> Bound:
    true = [
        getattr(acoustics, kind.measure)
        for truth, acoustics in known
        if true_statements(truth).get(kind.attribute) == kind.value and gender in {None, truth.gender}
        if _bears(kind, acoustics)
    ]
    said = [
        getattr(acoustics, kind.measure)
        for read, acoustics in vouched
        if any((one.attribute, one.value) == (kind.attribute, kind.value) for one in read.statements)
        if gender in {None, read.gender} and _bears(kind, acoustics)
    ]
    if kind.side == "above":
        bound = max([float(np.quantile(true, 1 - TAIL)), *(value * (1 + _HUMAN_MARGIN) for value in said)])
    else:
        bound = min([float(np.quantile(true, TAIL)), *(value * (1 - _HUMAN_MARGIN) for value in said)])
    return Bound(
        attribute=kind.attribute,
        value=kind.value,
        gender=gender,
        measure=kind.measure,
        usual=round(float(np.median(true)), 4),
        bound=round(bound, 4),
    )


def _bears(kind: _Kind, acoustics: Acoustics) -> bool:
    return can_be_measured(kind.attribute, acoustics) and getattr(acoustics, kind.measure) is not None


def _loosest(bounds: Sequence[Bound]) -> Bound:
    """For a voice whose gender nobody states: what is false of either is false."""
    is_upper = bounds[0].bound > bounds[0].usual
    chosen = max(bounds, key=lambda one: one.bound if is_upper else -one.bound)
    return chosen.model_copy(update={"gender": None})
