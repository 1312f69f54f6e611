"""The section `data.augmentation` of a job: how clips of the train split sound otherwise each time they come."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from fcaps_pipeline.jobs.job_file import Section

_Share = Annotated[float, Field(gt=0, le=1)]
_Range = tuple[Annotated[float, Field(ge=0)], Annotated[float, Field(ge=0)]]


class Drawn(Section):
    """Something that is done to part of the rows."""

    share: _Share = 0.5
    """Of the rows, each time they come."""


class Speed(Drawn):
    """Plays clips faster or slower, so that pitch and rate change with it: captions may tell of both."""

    factors: Annotated[tuple[Annotated[float, Field(ge=0.5, le=2)], ...], Field(min_length=1)] = (0.9, 1.1)
    """One is drawn; below 1 a clip is longer, and a batch by as much."""


class Room(Drawn):
    """Adds the echo of a room."""

    decay_s: _Range = (0.1, 0.7)
    """Time in which it loses 60 dB, from and to."""
    wet: _Range = (0.02, 0.4)
    """Energy of the room relative to the direct sound, from and to."""


class Noise(Drawn):
    """Adds steady noise: white, pink, brown or a hum."""

    snr_db: _Range = (5.0, 30.0)
    """Level of the clip over that of the noise, from and to."""


class Masks(Drawn):
    """Leaves out stretches of time and bands of frequency.

    Source: SpecAugment, arXiv 1904.08779, on the waveform in place of the spectrum.
    """

    num_times: Annotated[int, Field(ge=0)] = 2
    """Stretches of time."""
    time_s: Annotated[float, Field(gt=0)] = 0.4
    """Length of one at most; never more than a fifth of the clip."""
    num_bands: Annotated[int, Field(ge=0)] = 2
    """Bands of frequency."""
    band_hz: Annotated[float, Field(gt=0)] = 800.0
    """Width of one at most."""


class Wording(Drawn):
    """Words the profile of a voice anew, in place of the global captions of the row."""


class Augmentation(Section):
    """What is done to clips of the train split, in this order; nothing by default."""

    speed: Speed | None = None
    room: Room | None = None
    noise: Noise | None = None
    masks: Masks | None = None
    wording: Wording | None = None

    @model_validator(mode="after")
    def _check_ranges(self) -> Self:
        for section in (self.room, self.noise):
            for name, value in [] if section is None else section.model_dump().items():
                if isinstance(value, tuple) and value[0] > value[1]:
                    raise ValueError(f"{name} goes from {value[0]:g} to {value[1]:g}; give the lower one first")
        return self


NO_AUGMENTATION = Augmentation()
