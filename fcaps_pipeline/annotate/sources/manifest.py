"""Recordings of lines that name audio files, fields as in `ManifestLine`.

Enters: lines with their numbers. Leaves: Recordings; segments that a line declares
become Cuts, which are captioned as they are. The lines of NeMo (`audio_filepath`, `offset`, `duration`, `text`) are
manifests too: a line with an offset is one segment, and neighbouring lines of one file make one Recording. Audio files
are not opened here.
"""

from collections.abc import Iterable, Iterator
from typing import Annotated, ClassVar, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from fcaps_pipeline.annotate.sources.lines import (
    MAX_SEGMENTS,
    ChannelNumber,
    MaybeEmpty,
    OpenLine,
    PathText,
    Seconds,
    Text,
    gender_of,
    json_text,
)
from fcaps_pipeline.annotate.sources.located import Located, Place, locate
from fcaps_pipeline.annotate.sources.recording_line import RecordingLine, recording_from
from fcaps_pipeline.annotate.sources.source_path import SourcePath, resolved
from fcaps_pipeline.errors import SourceError
from fcaps_pipeline.records.audio import Channel, Cut, Recording, seconds_to_samples

PATH_NAMES = ("path", "audio", "audio_filepath", "file_name")
"""Names under which manifests tell the audio file; the last two are those of NeMo and of Hugging Face."""
_IN_SEGMENT = "belongs to an entry of segments"


class ManifestSegment(OpenLine):
    """A stretch of a recording that is to be captioned as it is."""

    other_names: ClassVar = {"transcript": ("text",)}

    start_s: Seconds
    """Start, in seconds."""
    end_s: Seconds
    """End, in seconds."""
    channel: ChannelNumber | Literal["mix"] | None = Field(default=None, union_mode="left_to_right")
    """Channel counted from 0, or `mix`; None means the one that is heard in the segment."""
    transcript: MaybeEmpty | None = None
    """Words spoken in the segment."""
    speaker: Text | None = None
    """Who speaks."""

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if seconds_to_samples(self.end_s) <= seconds_to_samples(self.start_s):
            raise ValueError(f"end_s {self.end_s} must be after start_s {self.start_s}")
        return self


class ManifestLine(RecordingLine):
    """One line of a manifest."""

    other_names: ClassVar = {**RecordingLine.other_names, "path": PATH_NAMES[1:], "offset_s": ("offset",)}
    elsewhere: ClassVar = {"start_s": _IN_SEGMENT, "end_s": _IN_SEGMENT, "channel": _IN_SEGMENT}

    path: PathText
    """The audio file, absolute or relative to the manifest (or to `audio_root` of the job)."""
    offset_s: Seconds | None = None
    """Where the one segment of this line starts, in seconds, which `duration_s` is the length of then; None when the
    line is a whole recording."""
    segments: Annotated[tuple[ManifestSegment, ...], Field(max_length=MAX_SEGMENTS)] | None = None
    """Segments to caption as they are; without them, speech is detected."""

    @model_validator(mode="after")
    def _check_segment(self) -> Self:
        if self.offset_s is not None and (self.segments is not None or not self.duration_s):
            raise ValueError("a line with an offset is one segment: give its duration, above 0, and no segments")
        return self


class _Line(NamedTuple):
    content: ManifestLine
    place: Place
    where: str


def root_of(audio_root: str | None, path: SourcePath) -> SourcePath:
    """Folder that relative paths of a list start from."""
    return resolved(audio_root) if audio_root else path.parent


def list_lines(
    lines: Iterable[tuple[int, ManifestLine]], audio_root: str | None, path: SourcePath
) -> Iterator[Located]:
    """The Recordings of numbered lines, whatever they were read from: one per line, or per run of segments of one file.

    Args:
        lines: in order.
        audio_root: that relative paths start from; None for the folder of the list.
        path: of the list.

    Raises:
        SourceError: lines do not go together, or there is none.
    """
    manifest = ManifestLines(root_of(audio_root, path), path)
    for number, line in lines:
        yield from manifest.take(number, line)
    yield from manifest.end()


class ManifestLines:
    """Makes Recordings of lines, of which neighbours may go together."""

    def __init__(self, root: SourcePath, path: SourcePath) -> None:
        """Starts before the first line of a list.

        Args:
            root: that relative paths start from.
            path: of the list.
        """
        self._root = root
        self._path = path
        self._segments = _Segments()
        self._is_empty = True

    def take(self, number: int, line: ManifestLine) -> Iterator[Located]:
        """Yields the Recordings that are whole with this line."""
        self._is_empty = False
        one = _Line(line, locate(line.path, [self._root]), f"{self._path}:{number}")
        if self._segments.takes(one):
            return
        yield from self._segments.finish()
        if line.offset_s is not None and line.id is None:
            self._segments.begin(one)
        else:
            yield Located(_whole(one), one.where)

    def take_others(self) -> Iterator[Located]:
        """Yields the Recording at hand, since lines follow that are Recordings already."""
        self._is_empty = False
        yield from self._segments.finish()

    def end(self) -> Iterator[Located]:
        """Yields the last Recording.

        Raises:
            SourceError: there was no line.
        """
        yield from self._segments.finish()
        if self._is_empty:
            raise SourceError(f"{self._path} holds no line; expected one recording per line")


class _Segments:
    """Neighbouring lines that are segments of one file, on their way to one Recording."""

    def __init__(self) -> None:
        self._lines: list[_Line] = []
        self._last_where: dict[str, str] = {}

    def takes(self, line: _Line) -> bool:
        """Takes a further segment of the file at hand; False for any other line."""
        if not self._lines or line.content.offset_s is None or line.content.id is not None:
            return False
        if line.place.safe_id != self._lines[0].place.safe_id:
            return False
        self._lines.append(line)
        return True

    def begin(self, line: _Line) -> None:
        """Begins a file.

        Raises:
            SourceError: it was begun and left before.
        """
        before = self._last_where.get(line.place.safe_id)
        if before is not None:
            raise SourceError(
                f"{line.where}: the segments of {line.place.shown} are not neighbours, the last of the others stands "
                f"at {before}; sort the manifest by audio file"
            )
        self._lines = [line]

    def finish(self) -> Iterator[Located]:
        """Yields the file at hand, if there is one."""
        lines, self._lines = self._lines, []
        if lines:
            self._last_where[lines[0].place.safe_id] = lines[-1].where
            yield Located(_of_segments(lines), lines[0].where)


def _whole(line: _Line) -> Recording:
    content = line.content
    if content.offset_s is not None:
        cuts = unique_cuts([_segment(content)], line.where)
        return recording_from(content, line.place, duration_s=None, cuts=cuts, transcript=None)
    if content.segments is None:
        return recording_from(content, line.place)
    return recording_from(content, line.place, cuts=unique_cuts(map(cut_of, content.segments), line.where))


def _of_segments(lines: list[_Line]) -> Recording:
    first = lines[0].content
    for line in lines[1:]:
        if (line.content.language, line.content.tags, line.content.license) != (
            first.language,
            first.tags,
            first.license,
        ):
            raise SourceError(
                f"{line.where}: language, tags and license belong to the recording, and differ from those of "
                f"{lines[0].where}; give each line an id of its own"
            )
    return Recording(
        recording_id=lines[0].place.safe_id,
        location=lines[0].place.location,
        source=lines[0].place.shown,
        cuts=unique_cuts((_segment(line.content) for line in lines), lines[0].where),
        language=first.language,
        tags=first.tags,
        license=first.license,
        corpus=first.corpus,
    )


def _segment(line: ManifestLine) -> Cut:
    offset_s = line.offset_s or 0.0
    return Cut(
        start_samples=seconds_to_samples(offset_s),
        end_samples=max(seconds_to_samples(offset_s) + 1, seconds_to_samples(offset_s + (line.duration_s or 0.0))),
        transcript=line.transcript,
        speaker=line.speaker,
        speaker_gender=gender_of(line.extra),
        extra=json_text(line.extra),
    )


def cut_of(segment: ManifestSegment) -> Cut:
    """The stretch that a segment of a line declares."""
    return Cut(
        start_samples=seconds_to_samples(segment.start_s),
        end_samples=seconds_to_samples(segment.end_s),
        channel=segment.channel,
        transcript=segment.transcript,
        speaker=segment.speaker,
        speaker_gender=gender_of(segment.extra),
        extra=json_text(segment.extra),
    )


def unique_cuts(cuts: Iterable[Cut], where: str) -> tuple[Cut, ...]:
    """The Cuts of one Recording, by time; two over the same samples would be one Segment twice.

    Raises:
        SourceError: two Cuts have the same channel, start and end.
    """
    by_place: dict[tuple[int, int, str], Cut] = {}
    spans: dict[tuple[int, int], set[Channel | None]] = {}
    for cut in cuts:
        place = (cut.start_samples, cut.end_samples, str(cut.channel))
        others = spans.setdefault(place[:2], set())
        if cut.channel in others or None in others or (others and cut.channel is None):
            raise SourceError(
                f"{where}: two segments cover {cut.start_s:.3f} s to {cut.end_s:.3f} s of one channel; keep one"
            )
        others.add(cut.channel)
        by_place[place] = cut
    return tuple(by_place[place] for place in sorted(by_place))
