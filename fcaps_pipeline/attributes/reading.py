"""Reads what a caption of any author states about the voice.

A text enters, `StatedAttributes` leave; `read_mentions` gives the statements with the characters
that carry them. Words count only where the grammar around them binds them to the voice, so that a
high volume, a high pitch and a high level of energy are three things. Where a caption says nothing,
nothing is read; what it quotes is not looked at.
"""

import re
from dataclasses import dataclass
from typing import Any

from fcaps_pipeline.attributes.courses import find_courses
from fcaps_pipeline.attributes.mentions import Field, Mention
from fcaps_pipeline.attributes.pauses import find_pauses
from fcaps_pipeline.attributes.scales import find_classes
from fcaps_pipeline.attributes.stated import Course, StatedAttributes, StatedPauses, StatedSound
from fcaps_pipeline.attributes.tokens import Tokens
from fcaps_pipeline.attributes.traits import find_traits

_NO_SPEECH = re.compile(
    r"\b(?:there is|contains?|has|with) no (?:speech|voice|speaker)(?= *(?:$|[.,;:!?]|"
    r"(?:to|here|at|in|on|and|or|but|whatsoever|present|audible|from|throughout)\b))|"
    r"\bno (?:speech|voice) (?:is|can be)\b|"
    r"\b(?:nobody|no one) (?:speaks|talks|is (?:speaking|talking))\b"
)
"""Not `no speech errors` or `no voice breaks`: what follows must end or place the statement."""
_COURSES: dict[Field, str] = {"loudness_course": "loudness", "pitch_course": "pitch", "rate_course": "rate"}


@dataclass(frozen=True)
class Reading:
    """A caption as it was read, in a single pass."""

    text: str
    plain: str
    """The text in lower case with blanks for quotations, character for character."""
    stated: StatedAttributes
    mentions: tuple[Mention, ...]
    """Every statement, in the order of the text."""


def read_attributes(text: str) -> StatedAttributes:
    """What a caption states; for the classes the first statement counts."""
    return read_both(text)[0]


def read_mentions(text: str) -> tuple[Mention, ...]:
    """Every statement of the caption, in the order of the text."""
    return read_both(text)[1]


def read_both(text: str) -> tuple[StatedAttributes, tuple[Mention, ...]]:
    """What the caption states, and the statements, in a single reading."""
    found = read_caption(text)
    return found.stated, found.mentions


def read_caption(text: str) -> Reading:
    """Reads the caption once, for all who want to know what it says."""
    tokens = Tokens(text)
    found = (*find_classes(tokens), *find_traits(tokens), *find_courses(tokens), *find_pauses(tokens))
    mentions = tuple(sorted(found, key=lambda mention: mention.start))
    is_silent = _NO_SPEECH.search(tokens.plain) is not None
    stated = StatedAttributes(speech=False) if is_silent else _summed_up(mentions)
    return Reading(text, tokens.plain, stated, mentions)


def _summed_up(mentions: tuple[Mention, ...]) -> StatedAttributes:
    stated: dict[str, Any] = {
        "gender": _first_gender(mentions),
        "emotions": _values(mentions, "emotion"),
        "timbre": _values(mentions, "timbre"),
        "voice_qualities": _values(mentions, "voice_quality"),
        "courses": _courses(mentions),
        "pauses": _pauses(mentions),
        "sounds": _sounds(mentions),
    }
    classes: tuple[Field, ...] = ("age_group", "pitch", "rate", "volume", "accent")
    for field in classes:
        stated[field] = next(iter(_values(mentions, field)), None)
    return StatedAttributes(**stated)


def _values(mentions: tuple[Mention, ...], field: Field) -> tuple[str, ...]:
    return tuple(dict.fromkeys(mention.value for mention in mentions if mention.field == field))


def _first_gender(mentions: tuple[Mention, ...]) -> str | None:
    """Of the first noun; pronouns count where no noun tells."""
    named = [mention for mention in mentions if mention.field == "gender"]
    nouns = [mention.value for mention in named if mention.spans[0].form == "person"]
    return next(iter([*nouns, *(mention.value for mention in named)]), None)


def _courses(mentions: tuple[Mention, ...]) -> tuple[Course, ...]:
    """Each change once: repeated words for one quantity in one direction are one course."""
    courses: dict[tuple[str, str], Course] = {}
    for mention in mentions:
        if mention.field not in _COURSES:
            continue
        key = (_COURSES[mention.field], mention.value)
        known = courses.get(key)
        if known is None or known.place is None:
            courses[key] = Course.model_validate({"quantity": key[0], "direction": key[1], "place": mention.place})
    return tuple(courses.values())


def _pauses(mentions: tuple[Mention, ...]) -> StatedPauses | None:
    found = [mention for mention in mentions if mention.field == "pauses"]
    heard = [mention for mention in found if mention.value != "none"]
    if not found:
        return None
    if not heard:
        return StatedPauses(count="none")
    if len(heard) > 1 or heard[0].value == "several":
        return StatedPauses(count="several")
    return StatedPauses(count="one", place=heard[0].place)


def _sounds(mentions: tuple[Mention, ...]) -> tuple[StatedSound, ...]:
    """Each sound once, with the first place that is named."""
    sounds: dict[str, StatedSound] = {}
    for mention in mentions:
        known = sounds.get(mention.value)
        if mention.field == "sound" and (known is None or known.place is None):
            sounds[mention.value] = StatedSound(sound=mention.value, place=mention.place)
    return tuple(sounds.values())
