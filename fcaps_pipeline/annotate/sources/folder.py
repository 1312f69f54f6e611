"""Recordings of a folder: every audio file below it, in the order of their paths.

Enters: a FolderSource with its resolved path. Leaves: Recordings with ids from relative paths, and, on a file system,
with what files beside them say (`beside`). Hidden files are left out; what is not audio is counted, what is no
regular file is named.
"""

import errno
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import NamedTuple

from fcaps_pipeline.annotate.sources.beside import METADATA, Metadata, Neighbours, Told
from fcaps_pipeline.annotate.sources.fields import FieldNames
from fcaps_pipeline.annotate.sources.kinds import is_taken
from fcaps_pipeline.annotate.sources.lines import gender_of, json_text
from fcaps_pipeline.annotate.sources.located import Located, place_of
from fcaps_pipeline.annotate.sources.passed_over import PassedOver
from fcaps_pipeline.annotate.sources.source_path import SourcePath, files_on_store, is_folder
from fcaps_pipeline.audio.location import location_of, shown_name
from fcaps_pipeline.errors import SourceError
from fcaps_pipeline.jobs.sources import FolderSource
from fcaps_pipeline.records.audio import Recording
from fcaps_pipeline.storage.path import StorePath

_ONE_FOLDER_ALONE = {errno.EACCES, errno.EPERM, errno.ENAMETOOLONG, errno.ELOOP}
"""Errors that say nothing of the rest: such a folder fails alone, like a file that cannot be read."""
_BESIDE = frozenset({".txt", ".json", ".jsonl"})
"""What is read beside audio on a file system."""
_MANIFEST_SUFFIXES = (".jsonl", ".jsonl.gz", ".ndjson")


def list_folder(source: FolderSource, path: SourcePath, passed_over: PassedOver) -> Iterator[Located]:
    """Yields the audio files of a folder, or the one file that the path is.

    Raises:
        SourceError: a folder cannot be read, or there is no audio in it.
        StorageError: a store does not tell.
    """
    if not is_folder(path):
        if path.name.endswith(_MANIFEST_SUFFIXES):
            raise SourceError(f"{path} is a list, not a folder: give it with source.kind manifest, or lhotse")
        yield _located(path, path.parent, source, Told())
        return
    num_found, fields = 0, FieldNames(source.fields)
    files = (
        _walk(path, _Above(frozenset(), ()), fields, passed_over)
        if isinstance(path, Path)
        else _on_store(path, passed_over)
    )
    for file, told in files:
        num_found += 1
        yield _located(file, path, source, told)
    fields.check_met(str(path))
    if num_found == 0:
        raise SourceError(
            f"{path} holds no audio file, found {passed_over.summary()}; expected WAV, FLAC, MP3, OGG, M4A or SPH"
        )


def _located(file: SourcePath, root: SourcePath, source: FolderSource, told: Told) -> Located:
    place = place_of(file, root)
    recording = Recording(
        recording_id=place.safe_id,
        location=place.location,
        source=place.shown,
        transcript=told.transcript,
        speaker=told.speaker,
        speaker_gender=gender_of(told.extra),
        language=told.language or source.language,
        tags=told.tags,
        license=told.license or source.license,
        extra=json_text(told.extra),
    )
    return Located(recording, shown_name(str(file)))


def _on_store(folder: StorePath, passed_over: PassedOver) -> Iterator[tuple[StorePath, Told]]:
    """Audio files below a folder of a store; a request for each text beside them would take longer than they do."""
    unread: Counter[str] = Counter()
    for file in files_on_store(folder):
        if is_taken(PurePath(file.name), location_of(file)):
            yield file, Told()
            continue
        passed_over.add_files([file.name])
        unread.update({PurePath(file.name).suffix.lower()} & _BESIDE)
    if unread:
        counts = " and ".join(f"{count} x {suffix}" for suffix, count in sorted(unread.items()))
        passed_over.note(f"{folder}: {counts} are not read on a store; let a manifest tell what they say")


class _Above(NamedTuple):
    """What a folder has from those that it lies in."""

    parents: frozenset[tuple[int, int]]
    """Who they are."""
    lists: tuple[Metadata, ...]


def _walk(folder: Path, above: _Above, fields: FieldNames, passed_over: PassedOver) -> Iterator[tuple[Path, Told]]:
    """Audio files below a folder, sorted; links are followed, but never back into a folder they lie in.

    A folder further down that may not be read stands for what is in it, and fails by name later.
    """
    try:
        status = folder.stat()
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        if above.parents and error.errno in _ONE_FOLDER_ALONE:
            yield folder, Told()
            return
        raise SourceError(
            f"folder {shown_name(str(folder))} cannot be read: {error.strerror}; check its permissions"
        ) from error
    identity = (status.st_dev, status.st_ino)
    if identity in above.parents:
        return
    entries = [entry for entry in entries if not entry.name.startswith(".")]
    audio = {entry.name for entry in entries if _is_audio(entry, passed_over)}
    lists = (*above.lists, *_own_lists(folder, entries, fields, passed_over))
    names = {entry.name for entry in entries if _is_file(entry)} if audio else set()
    neighbours = Neighbours(folder, names, lists, fields)
    for entry in entries:
        if _is_folder(entry):
            yield from _walk(Path(entry.path), _Above(above.parents | {identity}, lists), fields, passed_over)
        elif entry.name in audio:
            yield Path(entry.path), neighbours.of(entry.name)
    others = (entry for entry in entries if entry.name not in audio | neighbours.read | {METADATA})
    passed_over.add_files(entry.name for entry in others if _is_file(entry))
    for line in neighbours.notes:
        passed_over.note(line)
    passed_over.num_read_beside += len(neighbours.read)


def _own_lists(
    folder: Path, entries: list[os.DirEntry[str]], fields: FieldNames, passed_over: PassedOver
) -> Iterator[Metadata]:
    """The list of an audiofolder, where the folder has one."""
    if any(entry.name == METADATA and _is_file(entry) for entry in entries):
        found = Metadata(folder / METADATA, fields)
        passed_over.num_read_beside += 1
        if found.note is not None:
            passed_over.note(found.note)
        yield found


def _is_audio(entry: os.DirEntry[str], passed_over: PassedOver) -> bool:
    """Whether an entry becomes a Recording; a link that leads nowhere does, and fails by name later."""
    path = Path(entry.path)
    if _is_folder(entry):
        return False
    if _is_file(entry) or not os.path.exists(path):  # noqa: PTH110 - False, not an error, where it may not look
        return is_taken(path)
    passed_over.add_special(path)
    return False


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:
        return False
