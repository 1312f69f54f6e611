"""What is known of a Segment beside its captions: what tools look at, in one place.

Enters: a `SegmentAudio`. Leaves: `Facts`. Parts of the Segment are measured when a claim first asks for one, each once.

Shape suffix: T samples.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from fcaps_pipeline.attributes.reading import read_mentions
from fcaps_pipeline.records.annotations import SampleSpan
from fcaps_pipeline.records.audio import Acoustics, Event, Gender, SegmentAudio, Tracks

if TYPE_CHECKING:
    from fcaps_pipeline.annotate.acoustics.parts import PartMeasures, PartMeter

_COVERING_SHARE = 0.8


@dataclass(frozen=True)
class Facts:
    """One Segment, as tools see it."""

    acoustics: Acoustics
    num_samples: int = 0
    """Length of the Segment."""
    pcm_T: npt.NDArray[np.int16] | None = None
    """Its samples; None where the whole alone was measured, and no part can be."""
    tracks: Tracks | None = None
    """None makes them from the samples."""
    events: tuple[Event, ...] = ()
    """What was placed in time."""
    speaker_gender: Gender | None = None
    """As the source tells it."""
    tags: tuple[str, ...] = ()
    """Human tags of the style."""
    transcript: str | None = None
    """Words of the Segment, where the source says so."""
    _parts: dict[SampleSpan, "PartMeasures | None"] = field(default_factory=dict)

    @staticmethod
    def of(audio: SegmentAudio) -> "Facts":
        """All that is known of a Segment."""
        return Facts(
            acoustics=audio.acoustics,
            num_samples=audio.segment.num_samples,
            pcm_T=audio.pcm_T,
            tracks=audio.tracks,
            events=audio.events or (),
            speaker_gender=audio.recording.speaker_gender,
            tags=audio.recording.tags,
            transcript=transcript_of(audio),
        )

    @cached_property
    def tagged(self) -> Mapping[str, tuple[str, ...]]:
        """What human tags say, by attribute."""
        found: dict[str, tuple[str, ...]] = {}
        for one in read_mentions(". ".join(self.tags)) if self.tags else ():
            found[one.field] = (*found.get(one.field, ()), one.value)
        return found

    def part(self, interval: SampleSpan) -> "PartMeasures | None":
        """What was measured in an interval; None where the Segment is too short for it, or its samples are not here."""
        if self._meter is None:
            return None
        if interval not in self._parts:
            self._parts[interval] = self._meter.measure(interval.start_samples, interval.end_samples)
        return self._parts[interval]

    @cached_property
    def _meter(self) -> "PartMeter | None":
        if self.pcm_T is None:
            return None
        # Its libraries take half a second to load, and many a process asks for no part.
        from fcaps_pipeline.annotate.acoustics.parts import PartMeter

        return PartMeter(self.pcm_T, self.tracks)


def transcript_of(audio: SegmentAudio) -> str | None:
    """Words of the Segment; those of the Recording only stand for it where it covers most of the Recording."""
    whole_s = audio.recording.duration_s
    covers = whole_s is not None and audio.segment.duration_s >= _COVERING_SHARE * whole_s
    return audio.segment.transcript or (audio.recording.transcript if covers else None)
