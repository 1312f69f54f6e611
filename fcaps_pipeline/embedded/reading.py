"""Reads facts back from captions written in the words of `lexicon`.

Enters: a fine caption or the JSON of a global one. Leaves: `ReadFacts`, with None where the caption
says nothing. It is the judge of `evaluation`, so it knows nothing of the audio.
"""

import re

from pydantic import ValidationError

from fcaps_pipeline.records.base import Record
from fcaps_pipeline.records.captions import GlobalCaption


class ReadFacts(Record):
    """What a caption states; None where it is silent."""

    speech: bool
    """False where the caption says that nobody speaks."""
    gender: str | None = None
    pitch: str | None = None
    rate: str | None = None
    volume: str | None = None
    loudness: str | None = None
    pitch_course: str | None = None
    rate_course: str | None = None
    pauses: str | None = None
    """`none`, `several`, or the place of the only one."""


_NO_SPEECH = re.compile(r"\bno (speech|voice|speaker)\b", re.IGNORECASE)
_WORDS: dict[str, dict[str, str]] = {
    "gender": {"female": r"woman|female", "male": r"man|male"},
    "pitch": {"low": r"low|deep", "medium": r"mid-range|medium", "high": r"high"},
    "rate": {"slow": r"slow|unhurried", "measured": r"measured|middling", "fast": r"fast|quick|rapid"},
    "volume": {"soft": r"soft|quiet", "moderate": r"moderate", "loud": r"loud|strong"},
    "loudness": {
        "rising": r"grows louder|gains volume|becomes louder|swells",
        "falling": r"grows softer|loses volume|becomes softer|fades",
    },
    "pitch_course": {
        "rising": r"moves higher|climbs in pitch|ends higher",
        "falling": r"moves lower|drops in pitch|ends lower",
    },
    "rate_course": {
        "rising": r"speeds up|becomes faster|picks up pace",
        "falling": r"slows down|becomes slower|eases off the pace",
    },
    "pauses": {
        "several": r"more than once|several pauses|repeatedly",
        "beginning": r"pauses early|near the beginning|soon after the start",
        "middle": r"pauses midway|in the middle|halfway",
        "end": r"pauses late|towards the end|before the close",
    },
}
_PATTERNS = {
    field: {value: re.compile(rf"\b(?:{words})\b(?!-)", re.IGNORECASE) for value, words in values.items()}
    for field, values in _WORDS.items()
}
_COURSES = ("loudness", "pitch_course", "rate_course")


def read_fine(text: str) -> ReadFacts:
    """Facts of a fine caption; a course it does not mention counts as steady, a pause as absent."""
    if _NO_SPEECH.search(text):
        return ReadFacts(speech=False)
    found = {field: _first(text, field) for field in _PATTERNS}
    for course in _COURSES:
        found[course] = found[course] or "steady"
    found["pauses"] = found["pauses"] or "none"
    return ReadFacts(speech=True, **found)


def read_global(text: str) -> ReadFacts | None:
    """Facts of a global caption; None when it is not valid JSON of the schema."""
    try:
        caption = GlobalCaption.model_validate_json(text)
    except ValidationError:
        return None
    fields = {name: getattr(caption, name) for name in ("gender", "pitch", "rate", "volume")}
    known = {name: value for name, value in fields.items() if value != "unknown"}
    return ReadFacts(speech=_NO_SPEECH.search(caption.caption) is None, **known)


def _first(text: str, field: str) -> str | None:
    """The value whose words come first in the text."""
    hits = [(match.start(), value) for value, pattern in _PATTERNS[field].items() if (match := pattern.search(text))]
    return min(hits)[1] if hits else None
