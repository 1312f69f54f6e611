"""Recordings in tars, as WebDataset and Emilia have them: audio, with JSON or text of the same name beside it.

Enters: a TarSource. Leaves: Recordings that lie where they are in the tar: nothing is unpacked, one pass over the
headers finds them. Neighbours with the same name up to their suffix belong together, in any order. A member that is
refused or damaged stays a Recording, which fails by name; what is beside audio and cannot be read is noted.
"""

from collections import deque
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from operator import attrgetter
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import pyarrow as pa
from pydantic import TypeAdapter, ValidationError

from fcaps_pipeline.annotate.sources.archives import find_archives
from fcaps_pipeline.annotate.sources.blocks import blocks_of
from fcaps_pipeline.annotate.sources.fields import FieldNames
from fcaps_pipeline.annotate.sources.ids import id_from_path
from fcaps_pipeline.annotate.sources.kinds import AUDIO_SUFFIXES, is_taken
from fcaps_pipeline.annotate.sources.listing_processes import listed_apart
from fcaps_pipeline.annotate.sources.located import Block, Located, Place, place_of
from fcaps_pipeline.annotate.sources.passed_over import PassedOver
from fcaps_pipeline.annotate.sources.recording_line import Description, recording_from, with_defaults
from fcaps_pipeline.annotate.sources.source_path import SourcePath
from fcaps_pipeline.annotate.sources.tar_headers import TarEntry, TarHeaders
from fcaps_pipeline.audio.byte_source import ByteSource, open_file
from fcaps_pipeline.audio.location import FilePart, RefusedPart, is_url, local_path, location_in, parts_of, shown_name
from fcaps_pipeline.errors import RecordingError, SourceError
from fcaps_pipeline.jobs.sources import TarSource
from fcaps_pipeline.records.audio import Recording

_COMPRESSED = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd"}
TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst")
"""Of tars, and of compressed ones, which are refused by name rather than passed over."""
_ARCHIVES = {".tar", ".tgz", ".gz", ".bz2", ".xz", ".zst", ".zip", ".7z", ".rar"}
_MAX_BESIDE_BYTES = 1_000_000
"""What is larger is no description of one recording."""
_FEW = 20_000
"""Recordings that are listed sooner than processes start."""
_MANY = 100_000
"""Recordings that one process sends to another, some 40 MB; a tar with more is listed here."""
_NOTHING = Description()
_OBJECT = TypeAdapter(dict[str, object])


class _Tar(NamedTuple):
    """An open tar on its way to Recordings."""

    content: ByteSource
    place: Place
    uri: str
    """Of the file."""
    source: TarSource
    fields: FieldNames
    passed_over: PassedOver

    def named(self, entry: TarEntry) -> str:
        """A member, for messages."""
        return f"{shown_name(entry.name)} in {self.content.name}"


def list_tars(source: TarSource, passed_over: PassedOver) -> Iterator[Located | Block]:
    """Yields the audio in one tar or in many.

    The first tars are listed here. Where there are more, the rest is listed in processes of their own.

    Raises:
        SourceError: there is no tar, one is compressed, or none holds audio that can be read.
        StorageError: the storage fails.
        ResourceError: a process died.
    """
    archives = find_archives(source.path, TAR_SUFFIXES, "tar")
    fields, met, files = FieldNames(source.fields), _Met(), deque(archives.files)
    while files and met.num_entries < _FEW:
        yield from met.on_the_way(_of_file(files.popleft(), archives.root, source, fields, passed_over))
    apart = listed_apart(partial(_listed, root=archives.root, source=source), files) if files else ()
    for file, one in apart:
        if one is None:
            yield from met.on_the_way(_of_file(file, archives.root, source, fields, passed_over))
            continue
        yield from (Block(table, where=partial(_where, table)) for table in one.tables)
        if one.error is not None:
            raise one.error
        met.add(one.met)
        passed_over.add(one.passed_over)
        fields.add(one.fields)
    if not met.num_readable:
        found = f"the first of what it holds is refused: {met.first_refusal}" if met.first_refusal else ""
        raise SourceError(
            f"{source.path} holds no audio that can be read in its tars, found {found or passed_over.summary()}"
        )
    fields.check_met(source.path)


@dataclass
class _Met:
    """Counts what passes."""

    num_entries: int = 0
    num_readable: int = 0
    first_refusal: str = ""

    def on_the_way(self, entries: Iterator[Located]) -> Iterator[Located]:
        """Passes entries on."""
        for located in entries:
            is_there = isinstance(parts_of(located.recording.location), FilePart)
            self.add(_Met(1, int(is_there), "" if is_there else located.where))
            yield located

    def add(self, more: "_Met") -> None:
        """Takes in what came after."""
        self.num_entries += more.num_entries
        self.num_readable += more.num_readable
        self.first_refusal = self.first_refusal or more.first_refusal


class _Listed(NamedTuple):
    """What one tar holds."""

    tables: list[pa.Table]
    met: _Met
    passed_over: PassedOver
    fields: FieldNames
    error: SourceError | None
    """What ended it."""


def _listed(file: SourcePath, root: SourcePath, source: TarSource) -> _Listed | None:
    """One tar, whole; None where that is too much to be sent from one process to another."""
    listed = _Listed([], _Met(), PassedOver(), FieldNames(source.fields), None)
    try:
        for block in blocks_of(listed.met.on_the_way(_of_file(file, root, source, listed.fields, listed.passed_over))):
            listed.tables.append(block.table)
            if listed.met.num_entries > _MANY:
                return None
    except SourceError as error:
        return listed._replace(error=error)
    return listed


def _where(table: pa.Table, row: int) -> str:
    """As in `Located`."""
    location: str = table["location"][row].as_py()
    part = parts_of(location)
    if isinstance(part, FilePart | RefusedPart):
        file = part.file if is_url(part.file) else local_path(part.file)
        return f"{shown_name(part.name)} in {file}"
    return location


def _of_file(
    file: SourcePath, root: SourcePath, source: TarSource, fields: FieldNames, passed_over: PassedOver
) -> Iterator[Located]:
    place = place_of(file, root)
    try:
        opened = open_file(place.location)
    except RecordingError as error:  # it stands for what should be in it, and fails by name
        yield _refused(place, "", "", str(error))
        return
    with closing(opened):
        _refuse_compressed(opened)
        headers = TarHeaders(opened)
        tar = _Tar(opened, place, file.as_uri() if isinstance(file, Path) else str(file), source, fields, passed_over)
        shown = (entry for entry in headers if not entry.is_hidden)
        for _, entries in groupby(shown, key=attrgetter("stem")):
            yield from _of_one_name(list(entries), tar)
    if not headers.has_end:
        passed_over.note(f"{opened.name} breaks off: its end is not marked as tars mark it; copy it again")


def _refuse_compressed(source: ByteSource) -> None:
    head = source.at(0, 8)
    kind = next((kind for magic, kind in _COMPRESSED.items() if head.startswith(magic)), None)
    if kind is not None:
        raise SourceError(
            f"{source.name} is compressed with {kind}: members cannot be read where they lie; decompress it first, "
            "audio gains nothing by it"
        )


def _of_one_name(entries: list[TarEntry], tar: _Tar) -> Iterator[Located]:
    """Audio among neighbours of one name, and what the others tell of it."""
    audio = [entry for entry in entries if _is_audio(entry, tar)]
    others = [entry for entry in entries if entry not in audio]
    told, text = _NOTHING, None
    for entry in others:
        suffix = entry.suffix.lower()
        content = _beside(entry, tar) if audio and suffix in {".json", ".txt"} else None
        if content is None:
            _pass_over(entry, suffix, tar)
            continue
        tar.passed_over.num_read_beside += 1
        if suffix == ".json":
            told = _described(content, entry, tar) or told
        else:
            text = " ".join(content.split()) or None
    if len(audio) > 1:  # one id is not enough for all of them
        told = told.model_copy(update={"id": None})
    for entry in audio:
        yield _located(entry, told, text, tar)


def _is_audio(entry: TarEntry, tar: _Tar) -> bool:
    if entry.suffix.lower() in AUDIO_SUFFIXES:
        return True
    if entry.refusal is not None:
        return not entry.suffix
    return is_taken(PurePosixPath(entry.name), _location(entry, tar))


def _located(entry: TarEntry, told: Description, text: str | None, tar: _Tar) -> Located:
    if entry.refusal is not None:
        return _refused(tar.place, entry.name, tar.named(entry), entry.refusal)
    shown = f"{tar.place.shown}/{shown_name(entry.name)}"
    # The id from the path takes a tenth of the time of a member, so that it is made where it counts.
    own_id = "" if told.id is not None else id_from_path(f"{tar.place.shown}/{entry.name}")
    place = Place(_location(entry, tar), shown, own_id)
    recording = recording_from(told, place, transcript=text or told.transcript)
    return Located(with_defaults(recording, tar.source), tar.named(entry))


def _location(entry: TarEntry, tar: _Tar) -> str:
    return location_in(FilePart(tar.uri, entry.name, entry.offset, entry.num_bytes))


def _refused(place: Place, name: str, named: str, reason: str) -> Located:
    """A Recording that fails by name when it is opened."""
    recording = Recording(
        recording_id=id_from_path(f"{place.shown}/{name}"),
        location=location_in(RefusedPart(place.location, name, reason)) if name else place.location,
        source=f"{place.shown}/{shown_name(name)}" if name else place.shown,
    )
    return Located(recording, f"{named} {reason}" if name else reason)


def _beside(entry: TarEntry, tar: _Tar) -> str | None:
    """The text of a member beside audio; None where it cannot be read."""
    if entry.refusal is not None:
        return None
    if entry.num_bytes > _MAX_BESIDE_BYTES:
        _note(entry, f"is larger than {_MAX_BESIDE_BYTES:,} bytes", tar)
        return None
    try:
        return tar.content.at(entry.offset, entry.num_bytes).decode("utf-8-sig")
    except UnicodeDecodeError:
        _note(entry, "is no UTF-8 text", tar)
        return None


def _described(content: str, entry: TarEntry, tar: _Tar) -> Description | None:
    try:
        return Description.model_validate(_OBJECT.validate_json(content), context=tar.fields)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        _note(entry, f"describes no recording ({f'{key}: ' if key else ''}{first['msg']})", tar)
        return None


def _pass_over(entry: TarEntry, suffix: str, tar: _Tar) -> None:
    tar.passed_over.by_suffix[shown_name(suffix) or "no suffix"] += 1
    if suffix in _ARCHIVES:
        tar.passed_over.note(f"{tar.named(entry)} is an archive inside an archive: what it holds is not read")
    elif entry.refusal is not None:
        tar.passed_over.note(f"{tar.named(entry)} {entry.refusal}")


def _note(entry: TarEntry, what: str, tar: _Tar) -> None:
    tar.passed_over.note(f"{tar.named(entry)} {what}: the audio beside it goes without it")
