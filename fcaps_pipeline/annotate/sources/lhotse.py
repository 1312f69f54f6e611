"""Recordings of Lhotse JSONL: recordings, or MonoCuts whose intervals are captioned as they are.

Enters: a LhotseSource with its resolved path. Leaves: Recordings. Neighbouring cuts of one
recording become one Recording with several Cuts; text and speaker come from the supervisions, the
style tags of FCaps and ParaSpeechCaps (accent, rate, intrinsic and situational tags) become tags.
Fields that Lhotse or its users added and that say nothing of use here are passed over.

Source: lhotse/audio/recording.py, lhotse/cut/mono.py, lhotse/supervision.py.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from fcaps_pipeline.annotate.sources.ids import MAX_ID_CHARACTERS, id_from_name
from fcaps_pipeline.annotate.sources.jsonl import read_jsonl
from fcaps_pipeline.annotate.sources.located import Located, locate
from fcaps_pipeline.annotate.sources.manifest import unique_cuts
from fcaps_pipeline.errors import SourceError
from fcaps_pipeline.jobs.annotate_job import LhotseSource
from fcaps_pipeline.jobs.resources import resolve_path
from fcaps_pipeline.records.audio import Cut, Recording, seconds_to_samples

_TAG_LISTS = ("intrinsic_tags", "situational_tags")
_TAG_VALUES = ("accent", "pitch", "speaking_rate")
_TAG_HASH_DIGITS = 6
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _Foreign(BaseModel):
    """Part of a format that others own: unknown fields are no mistake."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class LhotseAudioSource(_Foreign):
    """Where the audio of a Lhotse recording lies."""

    type: str
    source: str


class LhotseRecording(_Foreign):
    """Lhotse `Recording`."""

    id: str
    sources: Annotated[tuple[LhotseAudioSource, ...], Field(min_length=1)]
    duration: Seconds
    transforms: tuple[Any, ...] | None = None


class LhotseSupervision(_Foreign):
    """Lhotse `SupervisionSegment`."""

    text: str | None = None
    speaker: str | None = None
    language: str | None = None
    custom: dict[str, Any] | None = None


class LhotseCut(_Foreign):
    """Lhotse `MonoCut`."""

    id: str
    type: Literal["MonoCut"] = "MonoCut"
    start: Seconds
    duration: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    channel: Annotated[int, Field(ge=0)]
    recording: LhotseRecording
    supervisions: tuple[LhotseSupervision, ...] = ()
    custom: dict[str, Any] | None = None


class LhotseLine(_Foreign):
    """Either of the two; a line with a `recording` inside is a cut."""

    recording: Any = None
    tracks: Any = None


class _CutLine(NamedTuple):
    cut: LhotseCut
    tags: tuple[str, ...]
    language: str | None
    where: str


def list_lhotse(source: LhotseSource, path: Path) -> Iterator[Located]:
    """Yields the Recordings of the file.

    Raises:
        SourceError: a line is neither a recording nor a MonoCut over one plain file.
    """
    root = resolve_path(source.audio_root).absolute() if source.audio_root else path.absolute().parent
    first = next(read_jsonl(path, LhotseLine), None)
    if first is None:
        raise SourceError(f"{path} holds no line; expected one recording or cut per line")
    number, line = first
    if line.tracks is not None:
        raise SourceError(f"{path}:{number}: MixedCuts are not supported; save MonoCuts (`cuts.save_audios`) first")
    found = _list_cuts(path, root) if line.recording is not None else _list_plain(path, root)
    for recording, where in found:
        yield Located(recording.model_copy(update={"licence": source.licence}), where)


def _list_plain(path: Path, root: Path) -> Iterator[Located]:
    for number, line in read_jsonl(path, LhotseRecording):
        where = f"{path}:{number}"
        location, shown = _location(line, root, where)
        recording = Recording(
            recording_id=id_from_name(line.id), location=location, source=shown, duration_s=line.duration
        )
        yield Located(recording, where)


def _list_cuts(path: Path, root: Path) -> Iterator[Located]:
    lines = (
        _CutLine(cut, _tags(cut), _common(item.language for item in cut.supervisions), f"{path}:{number}")
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
        yield from _group(members, root)


def _group(members: list[_CutLine], root: Path) -> Iterator[Located]:
    """One Recording per combination of tags and language, as both belong to the Recording."""
    by_style: dict[tuple[tuple[str, ...], str | None], list[_CutLine]] = {}
    for member in members:
        by_style.setdefault((member.tags, member.language), []).append(member)
    base_id = id_from_name(members[0].cut.recording.id)
    for style, lines in by_style.items():
        recording_id = base_id if len(by_style) == 1 else _styled_id(base_id, style)
        yield Located(_recording(lines, recording_id, root), lines[0].where)


def _styled_id(base_id: str, style: tuple[tuple[str, ...], str | None]) -> str:
    digest = hashlib.sha256(json.dumps(style).encode()).hexdigest()[:_TAG_HASH_DIGITS]
    return f"{base_id[: MAX_ID_CHARACTERS - len(digest) - 1]}-{digest}"


def _recording(lines: list[_CutLine], recording_id: str, root: Path) -> Recording:
    first = lines[0]
    audio = first.cut.recording
    location, shown = _location(audio, root, first.where)
    cuts = unique_cuts((_cut(line.cut) for line in lines), first.where)
    return Recording(
        recording_id=recording_id,
        location=location,
        source=shown,
        duration_s=audio.duration,
        cuts=cuts,
        speaker=_common(cut.speaker for cut in cuts),
        language=first.language,
        tags=first.tags,
    )


def _cut(cut: LhotseCut) -> Cut:
    texts = [supervision.text for supervision in cut.supervisions if supervision.text]
    return Cut(
        start_samples=seconds_to_samples(cut.start),
        end_samples=seconds_to_samples(cut.start + cut.duration),
        channel=cut.channel,
        transcript=" ".join(texts) or None,
        speaker=_common(supervision.speaker for supervision in cut.supervisions),
    )


def _common(values: Iterable[str | None]) -> str | None:
    """The one value that all agree on; None when they differ."""
    found = set(values)
    return found.pop() if len(found) == 1 else None


def _tags(cut: LhotseCut) -> tuple[str, ...]:
    tags: dict[str, None] = {}
    for custom in (cut.custom, *(supervision.custom for supervision in cut.supervisions)):
        tags |= dict.fromkeys(_custom_tags(custom or {}))
    return tuple(tags)


def _custom_tags(custom: dict[str, Any]) -> Iterator[str]:
    for key in _TAG_VALUES:
        if isinstance(value := custom.get(key), str) and value:
            yield f"{key.replace('_', ' ')}: {value}"
    for key in _TAG_LISTS:
        values = custom.get(key)
        yield from (str(value) for value in (values if isinstance(values, list) else []))


def _location(recording: LhotseRecording, root: Path, where: str) -> tuple[str, str]:
    if recording.transforms:
        raise SourceError(f"{where}: recording {recording.id!r} has transforms; save the transformed audio first")
    kinds = [source.type for source in recording.sources]
    if kinds != ["file"]:
        raise SourceError(f"{where}: recording {recording.id!r} has sources {kinds}, expected one of type 'file'")
    return locate(recording.sources[0].source, root)
