"""Recordings of Lhotse JSONL: recordings, or MonoCuts whose intervals are captioned as they are.

Enters: a LhotseSource with its resolved path. Leaves: Recordings. Neighbouring cuts of one
recording become one Recording with several Cuts; text and speaker come from the supervisions inside the cut, the
style tags of FCaps and ParaSpeechCaps (accent, rate, intrinsic and situational tags) become tags, and `custom` travels
as it is. A recording of several files, or whose channels are numbered otherwise than the rows of its file, keeps its
channel map. Fields that Lhotse added and that say nothing of use here are passed over.

Source: lhotse/audio/recording.py, lhotse/cut/mono.py, lhotse/supervision.py.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator
from pydantic_core import PydanticCustomError

from fcaps_pipeline.annotate.sources.ids import MAX_ID_CHARACTERS, id_from_name
from fcaps_pipeline.annotate.sources.jsonl import read_jsonl
from fcaps_pipeline.annotate.sources.lines import (
    LINE_FAULT,
    LONGEST_S,
    ChannelNumber,
    PathText,
    Seconds,
    Text,
    gender_of,
    json_text,
)
from fcaps_pipeline.annotate.sources.located import Located, Place, locate
from fcaps_pipeline.annotate.sources.manifest import unique_cuts
from fcaps_pipeline.errors import SourceError
from fcaps_pipeline.jobs.resources import resolve_path
from fcaps_pipeline.jobs.sources import LhotseSource
from fcaps_pipeline.records.audio import AudioFile, Cut, Recording, seconds_to_samples

_TAG_LISTS = ("intrinsic_tags", "situational_tags")
_TAG_VALUES = ("accent", "pitch", "speaking_rate")
_TAG_HASH_DIGITS = 6
TextT = TypeVar("TextT", bound=str)

_NOT_TAKEN = {
    "MixedCut": "MixedCuts are not supported; save MonoCuts (`cuts.save_audios`) first",
    "MultiCut": "MultiCuts are not supported; write one MonoCut per channel (`cut.to_mono()`) first",
    "PaddingCut": "a PaddingCut holds no audio; leave it out",
}


class _Foreign(BaseModel):
    """Part of a format that others own: unknown fields are no mistake, and null means that a field is absent."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, content: Any) -> Any:
        if not isinstance(content, dict):
            return content
        return {name: value for name, value in content.items() if value is not None}


class _Line(_Foreign):
    """What stands on a line of its own."""

    @model_validator(mode="before")
    @classmethod
    def _name_what_is_not_taken(cls, content: Any) -> Any:
        if isinstance(content, dict) and (hint := _hint(content)) is not None:
            raise PydanticCustomError(LINE_FAULT, hint)
        return content


def _hint(content: dict[str, Any]) -> str | None:
    """Why a line of Lhotse cannot be annotated; None for recordings and MonoCuts."""
    kind = content.get("type")
    if isinstance(kind, str) and kind in _NOT_TAKEN:
        return _NOT_TAKEN[kind]
    if content.get("tracks") is not None:
        return _NOT_TAKEN["MixedCut"]
    if "feat_value" in content:
        return _NOT_TAKEN["PaddingCut"]
    if isinstance(content.get("channel"), list):
        return _NOT_TAKEN["MultiCut"]
    if content.get("recording") is not None or content.get("sources") is not None:
        return None
    if content.get("features") is not None or "storage_type" in content:
        return "features without a recording hold no sound; annotate the recordings they were made from"
    if content.get("recording_id") is not None and content.get("start") is not None:
        return (
            "supervisions name no audio; join them with their recordings "
            "(`CutSet.from_manifests(recordings=…, supervisions=…).trim_to_supervisions()`) and give the cuts"
        )
    if content.get("channel") is not None:
        return "the cut names no recording; write cuts with their recordings (without `drop_recording`)"
    return None


class LhotseAudioSource(_Foreign):
    """Where the audio of a Lhotse recording lies."""

    type: str
    channels: tuple[ChannelNumber, ...] = (0,)
    source: PathText


class LhotseRecording(_Line):
    """Lhotse `Recording`."""

    id: Text
    sources: Annotated[tuple[LhotseAudioSource, ...], Field(min_length=1)]
    duration: Seconds
    transforms: tuple[Any, ...] | None = None


class LhotseSupervision(_Foreign):
    """Lhotse `SupervisionSegment`; its times count from the start of the cut it stands in."""

    start: Annotated[float, Field(ge=-LONGEST_S, le=LONGEST_S, allow_inf_nan=False)] = 0.0
    duration: Annotated[float, Field(ge=-LONGEST_S, le=LONGEST_S, allow_inf_nan=False)] | None = None
    text: str | None = None
    speaker: Text | None = None
    language: Text | None = None
    gender: str | None = None
    custom: dict[str, JsonValue] | None = None


class LhotseCut(_Line):
    """Lhotse `MonoCut`."""

    id: Text
    start: Seconds
    duration: Annotated[Seconds, Field(gt=0)]
    channel: ChannelNumber
    recording: LhotseRecording
    supervisions: tuple[LhotseSupervision, ...] = ()
    custom: dict[str, JsonValue] | None = None

    def heard(self) -> list[LhotseSupervision]:
        """Supervisions of which something lies inside the cut, by start."""
        inside = [one for one in self.supervisions if self._overlap_samples(one) > 0]
        return sorted(inside, key=lambda one: one.start)

    def _overlap_samples(self, one: LhotseSupervision) -> int:
        end_s = self.duration if one.duration is None else one.start + one.duration
        return seconds_to_samples(min(end_s, self.duration)) - seconds_to_samples(max(one.start, 0.0))


class _AnyLine(_Line):
    """Either of the two; a line with a `recording` inside is a cut."""

    recording: Any = None


class _CutLine(NamedTuple):
    cut: LhotseCut
    tags: tuple[str, ...]
    language: str | None
    where: str


def list_lhotse(source: LhotseSource, path: Path) -> Iterator[Located]:
    """Yields the Recordings of the file.

    Raises:
        SourceError: a line is neither a recording nor a MonoCut over plain files.
    """
    roots = _roots(source, path)
    first = next(read_jsonl(path, _AnyLine), None)
    if first is None:
        raise SourceError(f"{path} holds no line; expected one recording or cut per line")
    found = _list_cuts(path, roots) if first[1].recording is not None else _list_plain(path, roots)
    for recording, where in found:
        yield Located(recording.model_copy(update={"license": source.license}), where)


def _roots(source: LhotseSource, path: Path) -> list[Path]:
    """Lhotse writes paths from the working directory in which the data were prepared: often the present one."""
    if source.audio_root:
        return [resolve_path(source.audio_root).absolute()]
    return [path.absolute().parent, Path.cwd()]


def _list_plain(path: Path, roots: list[Path]) -> Iterator[Located]:
    for number, line in read_jsonl(path, LhotseRecording):
        where = f"{path}:{number}"
        yield Located(_plain(line, id_from_name(line.id), roots, where), where)


def _list_cuts(path: Path, roots: list[Path]) -> Iterator[Located]:
    lines = (
        _CutLine(cut, _tags(cut), _common(item.language for item in cut.heard()), f"{path}:{number}")
        for number, cut in read_jsonl(path, LhotseCut)
    )
    last_where: dict[str, str] = {}
    for recording_id, group in groupby(lines, key=lambda line: line.cut.recording.id):
        members = list(group)
        if recording_id in last_where:
            raise SourceError(
                f"{members[0].where}: the cuts of recording {recording_id!r} are not neighbours, the last of the "
                f"others stands at {last_where[recording_id]}; sort the file by recording"
            )
        last_where[recording_id] = members[-1].where
        yield from _group(members, roots)


def _group(members: list[_CutLine], roots: list[Path]) -> Iterator[Located]:
    """One Recording per combination of tags and language, as both belong to the Recording."""
    by_style: dict[tuple[tuple[str, ...], str | None], list[_CutLine]] = {}
    for member in members:
        by_style.setdefault((member.tags, member.language), []).append(member)
    base_id = id_from_name(members[0].cut.recording.id)
    for style, lines in by_style.items():
        recording_id = base_id if len(by_style) == 1 else _styled_id(base_id, style)
        yield Located(_recording(lines, recording_id, roots), lines[0].where)


def _styled_id(base_id: str, style: tuple[tuple[str, ...], str | None]) -> str:
    digest = hashlib.sha256(json.dumps(style).encode()).hexdigest()[:_TAG_HASH_DIGITS]
    return f"{base_id[: MAX_ID_CHARACTERS - len(digest) - 1]}-{digest}"


def _recording(lines: list[_CutLine], recording_id: str, roots: list[Path]) -> Recording:
    first = lines[0]
    cuts = unique_cuts((_cut(line.cut) for line in lines), first.where)
    return _plain(first.cut.recording, recording_id, roots, first.where).model_copy(
        update={
            "cuts": cuts,
            "speaker": _common(cut.speaker for cut in cuts),
            "speaker_gender": _common(cut.speaker_gender for cut in cuts),
            "language": first.language,
            "tags": first.tags,
        }
    )


def _cut(cut: LhotseCut) -> Cut:
    heard = cut.heard()
    gender = _common(one.gender for one in heard)
    extra = _extra(cut, heard)
    return Cut(
        start_samples=seconds_to_samples(cut.start),
        end_samples=seconds_to_samples(cut.start + cut.duration),
        channel=cut.channel,
        transcript=" ".join(one.text for one in heard if one.text) or None,
        speaker=_common(one.speaker for one in heard),
        speaker_gender=gender_of({"gender": gender}),
        extra=json_text(extra, {} if gender is None else {"gender": gender}),
    )


def _extra(cut: LhotseCut, heard: list[LhotseSupervision]) -> dict[str, JsonValue]:
    """What `custom` holds: of the cut, and of its supervisions where they agree."""
    said = [one.custom or {} for one in heard]
    shared = {
        key: value for key, value in (said[0] if said else {}).items() if all(one.get(key) == value for one in said)
    }
    return shared | (cut.custom or {})


def _common(values: Iterable[TextT | None]) -> TextT | None:
    """The one value that all agree on; None when they differ."""
    found = set(values)
    return found.pop() if len(found) == 1 else None


def _tags(cut: LhotseCut) -> tuple[str, ...]:
    tags: dict[str, None] = {}
    for custom in (cut.custom, *(one.custom for one in cut.heard())):
        tags |= dict.fromkeys(_custom_tags(custom or {}))
    return tuple(tags)


def _custom_tags(custom: dict[str, JsonValue]) -> Iterator[str]:
    for key in _TAG_VALUES:
        if isinstance(value := custom.get(key), str) and value.strip():
            yield f"{key.replace('_', ' ')}: {value.strip()}"
    for key in _TAG_LISTS:
        values = custom.get(key)
        yield from (
            value.strip()
            for value in (values if isinstance(values, list) else [])
            if isinstance(value, str) and value.strip()
        )


def _plain(audio: LhotseRecording, recording_id: str, roots: list[Path], where: str) -> Recording:
    """A recording as its source describes it, without cuts."""
    places = _places(audio, roots, where)
    return Recording(
        recording_id=recording_id,
        location=places[0].location,
        source=places[0].shown,
        duration_s=audio.duration,
        files=_files(audio, places),
    )


def _files(audio: LhotseRecording, places: list[Place]) -> tuple[AudioFile, ...] | None:
    """The channel map; None where the channels of one file are counted as its rows are."""
    channels = [source.channels for source in audio.sources]
    if len(channels) == 1 and channels[0] == tuple(range(len(channels[0]))):
        return None
    return tuple(AudioFile(location=place.location, channels=one) for place, one in zip(places, channels, strict=True))


def _places(recording: LhotseRecording, roots: list[Path], where: str) -> list[Place]:
    if recording.transforms:
        raise SourceError(f"{where}: recording {recording.id!r} has transforms; save the transformed audio first")
    kinds = sorted({source.type for source in recording.sources} - {"file", "url"})
    if kinds:
        raise SourceError(
            f"{where}: recording {recording.id!r} has sources of type {', '.join(kinds)}, expected 'file'; "
            "save its audio to files (`cuts.save_audios`) first"
        )
    channels = [channel for source in recording.sources for channel in source.channels]
    if not channels or len(set(channels)) < len(channels):
        raise SourceError(
            f"{where}: the sources of recording {recording.id!r} give channels {channels}, expected each once"
        )
    return [locate(source.source, roots) for source in recording.sources]
