"""What kind of source a path of the command line is.

Enters: a path, or a pattern of archives. Leaves: a SourceConfig. A folder is told by the first of its files that tells
anything; a list by the fields of its first line.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path, PurePath

import pyarrow as pa
import pyarrow.parquet as pq

from fcaps_pipeline.annotate.sources.archives import existing, is_pattern
from fcaps_pipeline.annotate.sources.jsonl import raw_lines
from fcaps_pipeline.annotate.sources.kaldi import WAV_SCP
from fcaps_pipeline.annotate.sources.kinds import AUDIO_SUFFIXES, is_taken
from fcaps_pipeline.annotate.sources.lhotse_shar import are_cuts, is_shar
from fcaps_pipeline.annotate.sources.manifest import PATH_NAMES
from fcaps_pipeline.annotate.sources.parquet import PARQUET_SUFFIXES
from fcaps_pipeline.annotate.sources.run import is_run
from fcaps_pipeline.annotate.sources.source_path import SourcePath, is_file, is_folder, is_hidden, opened
from fcaps_pipeline.annotate.sources.table import TABLE_SUFFIXES
from fcaps_pipeline.annotate.sources.tar import TAR_SUFFIXES
from fcaps_pipeline.audio.location import location_of
from fcaps_pipeline.audio.parquet_rows import sound_columns
from fcaps_pipeline.errors import SourceError
from fcaps_pipeline.jobs.sources import (
    FolderSource,
    KaldiSource,
    LhotseSource,
    ManifestSource,
    ParquetSource,
    RunSource,
    SourceConfig,
    TableSource,
    TarSource,
)
from fcaps_pipeline.storage.path import StorePath

_LHOTSE_KEYS = frozenset(
    {
        "recording",
        "sources",
        "supervisions",
        "sampling_rate",
        "tracks",
        "recording_id",
        "features",
        "storage_type",
        "feat_value",
    }
)
_CUT_KEYS = frozenset({"start", "channel"})
_LIST_SUFFIXES = tuple(f".{kind}{packed}" for kind in ("jsonl", "ndjson", "json") for packed in ("", ".gz", ".zst"))


def detect_source(location: str | Path) -> SourceConfig:
    """Source of the command line.

    Raises:
        SourceError: the path is missing or of no known kind.
    """
    path = existing(str(location))
    found = _of_folder(path, str(location)) if is_folder(path) else _of_file(path, str(location))
    if found is None:
        raise SourceError(f"{path} is neither a folder, an audio file, an archive nor a list of recordings")
    return found


def _of_folder(path: SourcePath, location: str) -> SourceConfig:
    if is_run(path):
        return RunSource(kind="run", path=location)
    if isinstance(path, Path) and is_shar(path):
        return LhotseSource(kind="lhotse", path=location)
    if is_file(path / WAV_SCP):
        return KaldiSource(kind="kaldi", path=location)
    first = _first_telling_name(path)
    if isinstance(path, StorePath) and are_cuts(first):
        return LhotseSource(kind="lhotse", path=location)
    return _of_archives(first, location) or FolderSource(kind="folder", path=location)


def _of_file(path: SourcePath, location: str) -> SourceConfig | None:
    name = path.name.lower()
    if name.endswith(PARQUET_SUFFIXES) and _is_manifest(path):
        return ManifestSource(kind="manifest", path=location)
    if (archives := _of_archives(name, location)) is not None:
        return archives
    if name.endswith(TABLE_SUFFIXES):
        return TableSource(kind="table", path=location)
    if name.endswith(_LIST_SUFFIXES):
        return _list_source(path, location)
    is_audio = not is_pattern(path) and is_taken(PurePath(path.name), location_of(path))
    return FolderSource(kind="folder", path=location) if is_audio else None


def _is_manifest(path: SourcePath) -> bool:
    """Whether a Parquet file names files and holds no sound."""
    try:
        with opened(path) as content:
            schema = pq.read_schema(content)
    except (pa.ArrowException, OSError):
        return False
    are_paths = any(pa.types.is_string(field.type) for field in schema if field.name in PATH_NAMES)
    return are_paths and not sound_columns(schema)


def _of_archives(name: str, location: str) -> SourceConfig | None:
    if name.endswith(TAR_SUFFIXES):
        return TarSource(kind="tar", path=location)
    return ParquetSource(kind="parquet", path=location) if name.endswith(PARQUET_SUFFIXES) else None


def _first_telling_name(folder: SourcePath) -> str:
    """Of the first file that is audio or holds many recordings; empty where there is none."""
    names = _names_on_disk(folder) if isinstance(folder, Path) else _names_on_store(folder)
    return next(names, "")


def _names_on_disk(folder: Path) -> Iterator[str]:
    for _, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (name for name in sorted(map(str.lower, files)) if not name.startswith(".") and _tells(name))


def _names_on_store(folder: StorePath) -> Iterator[str]:
    """As the store lists them: to meet the first, most of them need not be listed. Cuts tell of Shar."""
    for path in folder.list():
        if (_tells(path.name.lower()) or (are_cuts(path.name) and path.parent == folder)) and not is_hidden(
            path, folder
        ):
            yield path.name.lower()


def _tells(name: str) -> bool:
    return name.endswith((*AUDIO_SUFFIXES, *TAR_SUFFIXES, *PARQUET_SUFFIXES))


def _list_source(path: SourcePath, location: str) -> SourceConfig:
    keys = _first_keys(path)
    if (_LHOTSE_KEYS & keys or keys >= _CUT_KEYS) and not keys & set(PATH_NAMES):
        return LhotseSource(kind="lhotse", path=location)
    return ManifestSource(kind="manifest", path=location)


def _first_keys(path: SourcePath) -> frozenset[str]:
    for number, line in raw_lines(path):
        try:
            content = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise SourceError(f"{path}:{number}: not a JSON object on one line ({error})") from None
        return frozenset(content) if isinstance(content, dict) else frozenset()
    raise SourceError(f"{path} holds no line; expected one recording per line")
