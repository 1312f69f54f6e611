"""Recordings of Lhotse JSONL: recordings, or cuts whose intervals are captioned as they are, channel by channel.

Enters: a LhotseSource with its resolved path. Leaves: Recordings. The cuts of one recording become one Recording with
several Cuts; where they are no neighbours, all of them are in memory meanwhile. Text and speaker come from the
supervisions inside the cut, the style tags of FCaps and ParaSpeechCaps (accent, rate, intrinsic and situational tags)
become tags, and `custom` travels as it is. A recording of several files, or whose channels are numbered otherwise than
the rows of its file, keeps its channel map.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import NamedTuple, TypeVar

from pydantic import JsonValue

from fcaps_pipeline.annotate.sources.ids import MAX_ID_CHARACTERS, id_from_name
from fcaps_pipeline.annotate.sources.jsonl import read_jsonl
from fcaps_pipeline.annotate.sources.lhotse_lines import (
    AnyLine,
    CutOf,
    LhotseCut,
    LhotseRecording,
    LhotseSupervision,
)
from fcaps_pipeline.annotate.sources.lines import gender_of, json_text
from fcaps_pipeline.annotate.sources.located import Located, Place, locate
from fcaps_pipeline.annotate.sources.manifest import unique_cuts
from fcaps_pipeline.annotate.sources.source_path import SourcePath, resolved
from fcaps_pipeline.errors import SourceError
from fcaps_pipeline.jobs.sources import LhotseSource
from fcaps_pipeline.records.audio import AudioFile, Cut, Recording, seconds_to_samples

_TAG_LISTS = ("intrinsic_tags", "situational_tags")
_TAG_VALUES = ("accent", "pitch", "speaking_rate")
_TAG_HASH_DIGITS = 6
TextT = TypeVar("TextT", bound=str)


class CutLine(NamedTuple):
    """A cut of one channel, with what belongs to its Recording."""

    cut: LhotseCut
    channel: int
    tags: tuple[str, ...]
    language: str | None
    where: str


def list_lhotse(source: LhotseSource, path: SourcePath) -> Iterator[Located]:
    """Yields the Recordings of the file.

    Raises:
        SourceError: a line is neither a recording nor a MonoCut over plain files.
    """
    roots = _roots(source, path)
    first = next(read_jsonl(path, AnyLine), None)
    if first is None:
        raise SourceError(f"{path} holds no line; expected one recording or cut per line")
    found = _list_cuts(path, roots) if first[1].recording is not None else _list_plain(path, roots)
    for recording, where in found:
        yield Located(recording.model_copy(update={"license": source.license}), where)


def _roots(source: LhotseSource, path: SourcePath) -> list[SourcePath]:
    """Lhotse writes paths from the working directory in which the data were prepared: often the present one."""
    if source.audio_root:
        return [resolved(source.audio_root)]
    return [path.parent, Path.cwd()] if isinstance(path, Path) else [path.parent]


def _list_plain(path: SourcePath, roots: list[SourcePath]) -> Iterator[Located]:
    for number, line in read_jsonl(path, LhotseRecording):
        where = f"{path}:{number}"
        yield Located(_plain(line, id_from_name(line.id), _places(line, roots, where)), where)


def _list_cuts(path: SourcePath, roots: list[SourcePath]) -> Iterator[Located]:
    lines = (one for number, cut in read_jsonl(path, LhotseCut) for one in lines_of(cut, f"{path}:{number}"))
    if _are_neighbours(path):
        for _, members in groupby(lines, key=lambda line: line.cut.recording.id):
            yield from _group(list(members), roots)
        return
    by_recording: dict[str, list[CutLine]] = {}
    for line in lines:
        by_recording.setdefault(line.cut.recording.id, []).append(line)
    for found in by_recording.values():
        yield from _group(found, roots)


def _are_neighbours(path: SourcePath) -> bool:
    """Whether the cuts of each recording follow one another; of a list with mistakes, no matter what."""
    met: set[int] = set()
    last = None
    try:
        for _, line in read_jsonl(path, CutOf):
            if line.recording.id != last and hash(line.recording.id) in met:
                return False
            last = line.recording.id
            met.add(hash(last))
    except SourceError:
        return True  # it is told in its place, when the line is read whole
    return True


def lines_of(cut: LhotseCut, where: str) -> Iterator[CutLine]:
    """A cut, channel by channel."""
    for channel, one in cut.by_channel():
        yield CutLine(one, channel, _tags(one), _common(item.language for item in one.heard()), where)


def _group(members: list[CutLine], roots: list[SourcePath]) -> Iterator[Located]:
    """One Recording per combination of tags and language, as both belong to the Recording."""
    by_style: dict[tuple[tuple[str, ...], str | None], list[CutLine]] = {}
    for member in members:
        by_style.setdefault((member.tags, member.language), []).append(member)
    base_id = id_from_name(members[0].cut.recording.id)
    for style, lines in by_style.items():
        recording_id = base_id if len(by_style) == 1 else _styled_id(base_id, style)
        places = _places(lines[0].cut.recording, roots, lines[0].where)
        yield Located(recording_of(lines, recording_id, places), lines[0].where)


def _styled_id(base_id: str, style: tuple[tuple[str, ...], str | None]) -> str:
    digest = hashlib.sha256(json.dumps(style).encode()).hexdigest()[:_TAG_HASH_DIGITS]
    return f"{base_id[: MAX_ID_CHARACTERS - len(digest) - 1]}-{digest}"


def recording_of(lines: list[CutLine], recording_id: str, places: list[Place]) -> Recording:
    """The Recording of cuts with the same tags and language.

    Args:
        lines: of one recording.
        recording_id: of the Recording.
        places: of the files of the recording, in their order.
    """
    first = lines[0]
    cuts = unique_cuts((_cut(line) for line in lines), first.where)
    return _plain(first.cut.recording, recording_id, places).model_copy(
        update={
            "cuts": cuts,
            "speaker": _common(cut.speaker for cut in cuts),
            "speaker_gender": _common(cut.speaker_gender for cut in cuts),
            "language": first.language,
            "tags": first.tags,
        }
    )


def _cut(line: CutLine) -> Cut:
    cut = line.cut
    heard = cut.heard()
    gender = _common(one.gender for one in heard)
    extra = _extra(cut, heard)
    return Cut(
        start_samples=seconds_to_samples(cut.start),
        end_samples=seconds_to_samples(cut.start + cut.duration),
        channel=line.channel,
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


def _plain(audio: LhotseRecording, recording_id: str, places: list[Place]) -> Recording:
    """A recording as its source describes it, without cuts."""
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


def _places(recording: LhotseRecording, roots: list[SourcePath], where: str) -> list[Place]:
    if recording.transforms:
        raise SourceError(f"{where}: recording {recording.id!r} has transforms; save the transformed audio first")
    kinds = sorted({source.type for source in recording.sources} - {"file", "url"})
    if kinds:
        raise SourceError(
            f"{where}: recording {recording.id!r} has sources of type {', '.join(kinds)}, expected 'file'; "
            "save its audio to files (`cuts.save_audios`) first"
        )
    if not all(source.source for source in recording.sources):
        raise SourceError(f"{where}: recording {recording.id!r} has a source without a path; name its file")
    channels = [channel for source in recording.sources for channel in source.channels]
    if not channels or len(set(channels)) < len(channels):
        raise SourceError(
            f"{where}: the sources of recording {recording.id!r} give channels {channels}, expected each once"
        )
    return [locate(source.source, roots) for source in recording.sources]
