"""Recordings of a JSONL manifest: one JSON object per line, fields as in `ManifestLine`.

Enters: a ManifestSource with its resolved path. Leaves: Recordings; segments that a line declares
become Cuts, which are captioned as they are. Audio files are not opened here.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Self

from pydantic import AliasChoices, Field, StringConstraints, model_validator

from fcaps_pipeline.annotate.sources.ids import id_from_name, id_from_path
from fcaps_pipeline.annotate.sources.jsonl import read_jsonl
from fcaps_pipeline.annotate.sources.located import Located, locate
from fcaps_pipeline.errors import SourceError
from fcaps_pipeline.jobs.annotate_job import ManifestSource
from fcaps_pipeline.jobs.resources import resolve_path
from fcaps_pipeline.records.audio import Channel, Cut, Recording, seconds_to_samples
from fcaps_pipeline.records.base import Record

Text = Annotated[str, StringConstraints(min_length=1)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class ManifestSegment(Record):
    """A stretch of a recording that is to be captioned as it is."""

    start_s: Seconds
    """Start, in seconds."""
    end_s: Seconds
    """End, in seconds."""
    channel: Channel = Field(default=0, union_mode="left_to_right")
    """Channel counted from 0, or `mix`."""
    transcript: str | None = None
    """Words spoken in the segment."""
    speaker: str | None = None
    """Who speaks."""

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if seconds_to_samples(self.end_s) <= seconds_to_samples(self.start_s):
            raise ValueError(f"end_s {self.end_s} must be after start_s {self.start_s}")
        return self


class ManifestLine(Record):
    """One line of a manifest."""

    path: Text = Field(validation_alias=AliasChoices("path", "audio"))
    """The audio file, absolute or relative to the manifest (or to `audio_root` of the job)."""
    id: Text | None = None
    """Id of the recording; without it, the id follows from the path."""
    transcript: str | None = None
    """Words spoken in the recording."""
    speaker: str | None = None
    """Who speaks."""
    language: str | None = None
    """BCP 47 tag."""
    tags: tuple[Text, ...] = ()
    """Human tags of the style, such as an accent."""
    licence: str | None = None
    """Licence of the recording."""
    duration_s: Seconds | None = None
    """Length in seconds, where known; saves reading the header."""
    segments: tuple[ManifestSegment, ...] | None = None
    """Segments to caption as they are; without them, speech is detected."""


def list_manifest(source: ManifestSource, path: Path) -> Iterator[Located]:
    """Yields one Recording per line.

    Raises:
        SourceError: a line is not a ManifestLine, or the manifest is empty.
    """
    root = resolve_path(source.audio_root).absolute() if source.audio_root else path.absolute().parent
    number = 0
    for number, line in read_jsonl(path, ManifestLine):
        where = f"{path}:{number}"
        location, shown = locate(line.path, root)
        recording = Recording(
            recording_id=id_from_path(shown) if line.id is None else id_from_name(line.id),
            location=location,
            source=shown,
            duration_s=line.duration_s,
            cuts=None if line.segments is None else unique_cuts(map(_cut, line.segments), where),
            transcript=line.transcript,
            speaker=line.speaker,
            language=line.language,
            tags=line.tags,
            licence=line.licence,
        )
        yield Located(recording, where)
    if number == 0:
        raise SourceError(f"{path} holds no line; expected one recording per line")


def _cut(segment: ManifestSegment) -> Cut:
    return Cut(
        start_samples=seconds_to_samples(segment.start_s),
        end_samples=seconds_to_samples(segment.end_s),
        channel=segment.channel,
        transcript=segment.transcript,
        speaker=segment.speaker,
    )


def unique_cuts(cuts: Iterator[Cut], where: str) -> tuple[Cut, ...]:
    """The Cuts of one Recording, by time; two over the same samples would be one Segment twice.

    Raises:
        SourceError: two Cuts have the same channel, start and end.
    """
    by_place: dict[tuple[int, int, str], Cut] = {}
    for cut in cuts:
        place = (cut.start_samples, cut.end_samples, str(cut.channel))
        if place in by_place:
            raise SourceError(
                f"{where}: two segments cover channel {cut.channel} from {cut.start_s:.3f} s "
                f"to {cut.end_s:.3f} s; keep one"
            )
        by_place[place] = cut
    return tuple(by_place[place] for place in sorted(by_place))
