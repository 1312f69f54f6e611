"""The records of what a caption states: `StatedAttributes` and its parts.

None or an empty tuple always means that the caption says nothing about it.
"""

from typing import Literal

from fcaps_pipeline.records.audio import Gender
from fcaps_pipeline.records.base import Record

AgeGroup = Literal["child", "young adult", "middle-aged", "elderly"]
PitchClass = Literal["low", "medium", "high"]
RateClass = Literal["slow", "measured", "fast"]
VolumeClass = Literal["soft", "moderate", "loud"]
"""The classes of `GlobalCaption`, without `unknown`."""
Quantity = Literal["loudness", "pitch", "rate"]
Direction = Literal["rising", "falling"]
Place = Literal["beginning", "middle", "end"]
PauseCount = Literal["none", "one", "several"]


class Course(Record):
    """A change in time."""

    quantity: Quantity
    direction: Direction
    place: Place | None = None
    """Roughly where, when the caption says so."""


class StatedPauses(Record):
    """What is said about pauses; `none` is a statement too."""

    count: PauseCount
    place: Place | None = None
    """Of the only pause, when the caption says so."""


class StatedSound(Record):
    """A sound of the voice that is no word, by its name in `trait_words.SOUNDS`."""

    sound: str
    place: Place | None = None


class StatedAttributes(Record):
    """What a caption states about one voice. Of several classes for one attribute the first counts."""

    speech: bool = True
    """False when the caption says that nobody speaks."""
    gender: Gender | None = None
    age_group: AgeGroup | None = None
    pitch: PitchClass | None = None
    rate: RateClass | None = None
    volume: VolumeClass | None = None
    accent: str | None = None
    """In lower case, such as `british` or `southern american`."""
    emotions: tuple[str, ...] = ()
    """Labels of `trait_words.EMOTIONS` in the order of the text, each once."""
    timbre: tuple[str, ...] = ()
    """Words of `trait_words.TIMBRES`, likewise."""
    voice_qualities: tuple[str, ...] = ()
    """Labels of `trait_words.VOICE_QUALITIES`, likewise."""
    courses: tuple[Course, ...] = ()
    """In the order of the text."""
    pauses: StatedPauses | None = None
    sounds: tuple[StatedSound, ...] = ()
    """In the order of the text."""

    def direction(self, quantity: Quantity) -> Direction | None:
        """The only direction in which a quantity is said to change; None for none or both."""
        found = {course.direction for course in self.courses if course.quantity == quantity}
        return found.pop() if len(found) == 1 else None
