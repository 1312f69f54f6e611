"""Holds what a caption states against what was measured in its Segment, and against itself.

Enters: a caption, the fields of a global one, and `Acoustics`. Leaves: an `EvidenceScore` for every statement that a
measurement bears on. Scores rank captions that all passed; a score beyond its bound contradicts. What no measurement
bears on is not judged here: volume, because the gain of a recording is unknown; moods, timbre, accents.

A Segment is measured as a whole, so pitch is held against its extremes, which one expressive moment reaches.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from fcaps_pipeline.annotate.verification.bounds import Attribute, Bound, BoundTable, shipped_bounds
from fcaps_pipeline.attributes.mentions import Mention
from fcaps_pipeline.attributes.places import find_place
from fcaps_pipeline.attributes.reading import read_both
from fcaps_pipeline.attributes.stated import StatedAttributes
from fcaps_pipeline.records.annotations import EvidenceScore
from fcaps_pipeline.records.audio import Acoustics, Gender
from fcaps_pipeline.records.captions import GlobalCaption

_VOICED_AT_LEAST = 0.25
"""Share of voiced speech below which neither F0 nor the syllable counter, which counts voiced peaks, says anything:
what a pitch tracker finds in a whisper is chance."""
_QUIET_SNR_DB = 10.0
"""In more noise the level between two words is that of the noise, whether the voice rests or not; where nothing is
free of speech, nobody knows how much noise there is."""
_READ_CHARACTERS = 4_096
"""No caption that passes the bounds of length is longer; what is longer is not read to its end."""
_NEED_A_VOICE = frozenset({"gender", "pitch", "rate", "pitch_course", "rate_course"})
_COURSES: tuple[Attribute, ...] = ("loudness_course", "pitch_course", "rate_course")


@dataclass(frozen=True)
class Statement:
    """One thing that a caption says of the whole Segment, and that some measurement may bear on."""

    attribute: Attribute
    value: str


@dataclass(frozen=True)
class StatementsOfCaption:
    """What a caption states of the whole Segment."""

    statements: tuple[Statement, ...]
    gender: Gender | None
    """Of the speaker; a statement about pitch means another F0 in a woman than in a man."""


@dataclass(frozen=True)
class Weighed:
    """A statement with the measurement that speaks most against it."""

    statement: Statement
    bound: Bound
    measured: float

    @property
    def score(self) -> float:
        """See `Bound.score`."""
        return self.bound.score(self.measured)

    def record(self) -> EvidenceScore:
        """For the verdict."""
        return EvidenceScore(
            attribute=self.statement.attribute,
            value=self.statement.value,
            measure=self.bound.measure,
            measured=self.measured,
            score=self.score,
        )


def weigh(
    caption: StatementsOfCaption,
    acoustics: Acoustics,
    *,
    speaker_gender: Gender | None = None,
    table: BoundTable | None = None,
) -> tuple[Weighed, ...]:
    """Every statement that a measurement bears on.

    Args:
        caption: what it states.
        acoustics: measured in the same Segment.
        speaker_gender: where the source knows it; decides what a high pitch is.
        table: other bounds than the shipped ones.
    """
    gender = speaker_gender or caption.gender
    bounds = (table or shipped_bounds()).bounds
    weighed = (_weigh_one(one, gender, acoustics, bounds) for one in caption.statements)
    return tuple(one for one in weighed if one is not None)


def find_contradiction(weighed: tuple[Weighed, ...]) -> str | None:
    """The statement that lies furthest beyond its bound; None where none does."""
    worst = min(weighed, key=lambda one: one.score, default=None)
    return worst.bound.explain(worst.measured) if worst is not None and worst.score < 0 else None


def evidence_score(scores: tuple[EvidenceScore, ...]) -> float:
    """How well the measurements bear a caption out: the mean over what could be measured, 0 where nothing could."""
    return sum(one.score for one in scores) / len(scores) if scores else 0.0


def read_statements(text: str, attributes: GlobalCaption | None) -> StatementsOfCaption:
    """What the prose and the fields of a caption state; each statement once."""
    text = text[:_READ_CHARACTERS]
    stated, mentions = read_both(text)
    found = dict.fromkeys((*_fields(attributes), *_prose(text, stated, mentions)))
    return StatementsOfCaption(tuple(found), stated.gender or _field_gender(attributes))


def _weigh_one(
    statement: Statement, gender: Gender | None, acoustics: Acoustics, bounds: tuple[Bound, ...]
) -> Weighed | None:
    if not can_be_measured(statement.attribute, acoustics):
        return None
    of_gender = gender if statement.attribute == "pitch" else None
    found = [
        Weighed(statement, bound, measured)
        for bound in bounds
        if (bound.attribute, bound.value, bound.gender) == (statement.attribute, statement.value, of_gender)
        if (measured := getattr(acoustics, bound.measure)) is not None
    ]
    return min(found, key=lambda one: one.score, default=None)


def can_be_measured(attribute: Attribute, acoustics: Acoustics) -> bool:
    """Whether the Segment lets measure what bears on an attribute: voiced enough, or quiet enough between the words."""
    if attribute in _NEED_A_VOICE:
        return acoustics.voiced_share >= _VOICED_AT_LEAST
    return attribute != "pauses" or (acoustics.snr_db is not None and acoustics.snr_db >= _QUIET_SNR_DB)


def _field_gender(attributes: GlobalCaption | None) -> Gender | None:
    return None if attributes is None or attributes.gender == "unknown" else attributes.gender


def _fields(attributes: GlobalCaption | None) -> Iterator[Statement]:
    if attributes is None:
        return
    names: tuple[Attribute, ...] = ("gender", "pitch", "rate")
    for name in names:
        value: str = getattr(attributes, name)
        if value != "unknown":
            yield Statement(name, value)


def _prose(text: str, stated: StatedAttributes, mentions: tuple[Mention, ...]) -> Iterator[Statement]:
    """What is said of the whole; of changing pitch and rate, every class that is named is a part only."""
    if stated.gender:
        yield Statement("gender", stated.gender)
    for value in {one.value for one in mentions if one.field == "pitch"}:
        yield Statement("pitch", value)
    rates = {one.value for one in mentions if one.field == "rate"}
    if len(rates) == 1 and not any(one.field == "rate_course" for one in mentions):
        yield Statement("rate", rates.pop())
    if stated.pauses:
        yield Statement("pauses", "none" if stated.pauses.count == "none" else "some")
    for course in _COURSES:
        directions = {one.value for one in mentions if one.field == course}
        if len(directions) == 1:
            yield Statement(course, directions.pop())
    if stated.pitch is None and any(_is_whispered_whole(text, one) for one in mentions):
        yield Statement("whisper", "whole")


def _is_whispered_whole(text: str, mention: Mention) -> bool:
    """Whether `whispers` is said of all; `drops to a whisper` and `whispers at the end` are said of a part."""
    if (mention.field, mention.value) != ("voice_quality", "whisper"):
        return False
    span = mention.spans[0]
    return text[span.start : span.end].lower() != "whisper" and find_place(text.lower(), span.start, span.end) is None


_SUBJECT = re.compile(
    r"\b(?:(?P<female>she|her(?= (?:own )?(?:voice|tone|pitch|pace|delivery|speech)\b))|"
    r"(?P<male>he|his(?= (?:own )?(?:voice|tone|pitch|pace|delivery|speech)\b)))\b",
    re.IGNORECASE,
)
"""Who speaks: `his line to her audience` names one speaker."""


def find_self_contradiction(text: str, attributes: GlobalCaption | None) -> str | None:
    """Prose that gives its speaker both genders, or another one than the field."""
    text = text[:_READ_CHARACTERS]
    _, mentions = read_both(text)
    named = {one.value for one in mentions if one.field == "gender" and one.spans[0].form == "person"}
    named |= {str(match.lastgroup) for match in _SUBJECT.finditer(text)}
    if len(named) == 2:
        return "the text gives the speaker both genders"
    if attributes is None or attributes.gender == "unknown" or named <= {attributes.gender}:
        return None
    return f"gender is {attributes.gender}, the text says {named.pop()}"
