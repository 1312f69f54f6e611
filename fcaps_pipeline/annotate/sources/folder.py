"""Recordings of a folder: every audio file below it, in the order of their paths.

Enters: a FolderSource with its resolved path. Leaves: Recordings with ids from relative paths.
Hidden files are left out; files that are not audio by their suffix are counted, not hidden.
"""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from fcaps_pipeline.annotate.sources.ids import id_from_path
from fcaps_pipeline.annotate.sources.located import Located
from fcaps_pipeline.errors import SourceError
from fcaps_pipeline.jobs.annotate_job import FolderSource
from fcaps_pipeline.records.audio import Recording

AUDIO_SUFFIXES = frozenset(
    {
        ".aac",
        ".aif",
        ".aifc",
        ".aiff",
        ".amr",
        ".au",
        ".caf",
        ".flac",
        ".m4a",
        ".mka",
        ".mkv",
        ".mp3",
        ".mp4",
        ".nist",
        ".oga",
        ".ogg",
        ".opus",
        ".snd",
        ".sph",
        ".w64",
        ".wav",
        ".webm",
        ".wma",
    }
)
"""Suffixes, in lower case, of files that libsndfile or FFmpeg may read."""


def list_folder(source: FolderSource, path: Path, passed_over: Counter[str]) -> Iterator[Located]:
    """Yields the audio files of a folder, or the one file that the path is.

    Raises:
        SourceError: a folder cannot be read, or there is no audio in it.
    """
    root = path.absolute()
    if not root.is_dir():
        yield _located(root, root.parent, source)
        return
    num_found = 0
    for file in _walk(root, frozenset()):
        if file.suffix.lower() in AUDIO_SUFFIXES:
            num_found += 1
            yield _located(file, root, source)
        else:
            passed_over[file.suffix.lower() or "no suffix"] += 1
    if num_found == 0:
        others = ", ".join(f"{count} x {suffix}" for suffix, count in passed_over.most_common(3)) or "no other file"
        raise SourceError(f"{path} holds no audio file, found {others}; expected WAV, FLAC, MP3, OGG, M4A or SPH")


def _located(file: Path, root: Path, source: FolderSource) -> Located:
    relative = file.relative_to(root).as_posix()
    if not relative.isprintable():
        raise SourceError(
            f"{root / ascii(relative)}: the name holds characters that are not UTF-8 text; rename the file"
        )
    recording = Recording(
        recording_id=id_from_path(relative),
        location=str(file),
        source=relative,
        language=source.language,
        licence=source.licence,
    )
    return Located(recording, str(file))


def _walk(folder: Path, parents: frozenset[tuple[int, int]]) -> Iterator[Path]:
    """Files below a folder, sorted; links are followed, but never back into a folder they lie in."""
    try:
        status = folder.stat()
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise SourceError(f"folder {folder} cannot be read: {error.strerror}; check its permissions") from error
    identity = (status.st_dev, status.st_ino)
    if identity in parents:
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if _is_folder(entry):
            yield from _walk(Path(entry.path), parents | {identity})
        else:
            yield Path(entry.path)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """False also for links that lead nowhere: as Recordings they fail by name instead of stopping the listing."""
    try:
        return entry.is_dir()
    except OSError:
        return False
