"""One place of a caption that states one value, with the characters that carry it.

`reading` sums mentions up, `flipping` puts other words in their place.
"""

from dataclasses import dataclass
from typing import Literal

from fcaps_pipeline.attributes.stated import Place

Field = Literal[
    "gender",
    "age_group",
    "pitch",
    "rate",
    "volume",
    "accent",
    "emotion",
    "timbre",
    "voice_quality",
    "loudness_course",
    "pitch_course",
    "rate_course",
    "pauses",
    "sound",
]


@dataclass(frozen=True)
class Span:
    """Characters `[start, end)` that carry a value."""

    start: int
    end: int
    form: str | None
    """Key of `substitutes.FORMS`: which words of another value fit here; None when none do."""


@dataclass(frozen=True)
class Mention:
    """One statement."""

    field: Field
    value: str
    spans: tuple[Span, ...]
    place: Place | None = None

    @property
    def start(self) -> int:
        """First character of the statement."""
        return self.spans[0].start
