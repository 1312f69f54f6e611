"""What a caption may say: the two granularities, the schema of a global caption, the profile of a voice.

`GlobalCaption` is three things at once: the pydantic model that validates an answer, the JSON
Schema in `schemas/`, and the grammar that vLLM decodes under. It is therefore small and flat.
Free strings carry a character pattern, because length bounds alone let a model emit raw control
characters inside strings. Words are bounded inside their pattern; the length of the prose is
checked by pydantic afterwards, because a bound of hundreds of characters makes the grammar slow.
"""

from enum import StrEnum
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from fcaps_pipeline.records.audio import EventPhrase
from fcaps_pipeline.records.base import Record

MAX_CAPTION_CHARACTERS = 768


class Granularity(StrEnum):
    """How a caption describes speech, as in FCaps and CLSP."""

    GLOBAL = "global"
    """Atemporal profile of the voice."""
    FINE = "fine"
    """How the delivery unfolds in time."""


def _at_most(limit: int) -> AfterValidator:
    def check(text: str) -> str:
        if len(text) > limit:
            raise ValueError(f"has {len(text)} characters, at most {limit} are allowed")
        return text

    return AfterValidator(check)


Prose = Annotated[str, Field(pattern=r'^[^\x00-\x1f"\\]+$'), _at_most(MAX_CAPTION_CHARACTERS)]
Word = Annotated[str, Field(pattern=r"^[a-z][a-z ,-]{0,47}$")]


class GlobalCaption(Record):
    """Profile of one voice. Attributes come before the prose, so that the prose follows from them."""

    gender: Literal["female", "male", "unknown"]
    age_group: Literal["child", "young adult", "middle-aged", "elderly", "unknown"]
    pitch: Literal["low", "medium", "high", "unknown"]
    rate: Literal["slow", "measured", "fast", "unknown"]
    volume: Literal["soft", "moderate", "loud", "unknown"]
    timbre: Word
    emotion: Word
    accent: Word
    caption: Prose


class EventProposal(Record):
    """When an audio LLM believes to hear something; nothing is an event of a row before a measurement says so too."""

    phrase: EventPhrase
    start_s: Annotated[float, Field(ge=0, le=60, allow_inf_nan=False)]
    """From the start of the Segment."""
    end_s: Annotated[float, Field(ge=0, le=60, allow_inf_nan=False)]


class EventProposals(Record):
    """Answer of an audio LLM that was asked for timed events."""

    events: Annotated[tuple[EventProposal, ...], Field(max_length=16)]


class Profile(Record):
    """What the global captions of one Segment agree on; None where they do not, or say unknown."""

    gender: str | None = None
    age_group: str | None = None
    pitch: str | None = None
    rate: str | None = None
    volume: str | None = None
    timbre: str | None = None
    emotion: str | None = None
    accent: str | None = None


@cache
def event_proposals_schema() -> dict[str, Any]:
    """JSON Schema of proposed events, the grammar they are decoded under; treat it as read-only."""
    return EventProposals.model_json_schema()


@cache
def global_caption_schema() -> dict[str, Any]:
    """JSON Schema of an answer at granularity `global`, the grammar it is decoded under; treat it as read-only."""
    return GlobalCaption.model_json_schema()
