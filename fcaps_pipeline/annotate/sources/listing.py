"""Lists the Recordings of any source, checks that their ids differ, reports what was passed over.

Enters: a SourceConfig. Leaves: a Listing, which yields Recordings one by one and afterwards knows
which files it did not take. It decodes nothing: a file that has vanished stays a Recording, whose
decoding fails later without stopping the corpus.
"""

import json
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import assert_never

from fcaps_pipeline.annotate.sources.folder import list_folder
from fcaps_pipeline.annotate.sources.jsonl import raw_lines
from fcaps_pipeline.annotate.sources.kinds import is_taken
from fcaps_pipeline.annotate.sources.lhotse import list_lhotse
from fcaps_pipeline.annotate.sources.located import Located
from fcaps_pipeline.annotate.sources.manifest import PATH_NAMES, list_manifest
from fcaps_pipeline.annotate.sources.passed_over import PassedOver
from fcaps_pipeline.annotate.sources.run import is_run, list_run
from fcaps_pipeline.audio.location import is_url
from fcaps_pipeline.errors import SourceError
from fcaps_pipeline.jobs.annotate_job import FolderSource, LhotseSource, ManifestSource, RunSource, SourceConfig
from fcaps_pipeline.jobs.resources import resolve_path
from fcaps_pipeline.records.audio import Recording

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
_LIST_SUFFIXES = frozenset({".jsonl", ".ndjson", ".json"})


@dataclass
class Listing:
    """The Recordings of one source, in a stable order; iterate once."""

    entries: Iterable[Located]
    passed_over: PassedOver
    """What was not taken; complete after the iteration."""
    corpus: str | None
    """Name that the job gives to the corpus of Recordings whose source names none."""
    _seen: dict[str, str] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Recording]:
        """Yields every Recording.

        Raises:
            SourceError: the source cannot be read further, or two Recordings have one id.
        """
        for recording, where in self.entries:
            first = self._seen.setdefault(recording.recording_id, where)
            if first is not where:
                raise SourceError(
                    f"two recordings have the id {recording.recording_id!r}: {first} and {where}; rename one of them"
                )
            if self.corpus is None or recording.corpus is not None:
                yield recording
            else:
                yield recording.model_copy(update={"corpus": self.corpus})


def list_recordings(source: SourceConfig) -> Listing:
    """Opens a source.

    Raises:
        SourceError: the path is missing or unreadable. Mistakes inside the source, such as a bad
            manifest line or a folder without audio, are raised while the Listing is read.
    """
    path = _existing(source.path)
    passed_over = PassedOver()
    if path.is_dir() and not isinstance(source, FolderSource | RunSource):
        raise SourceError(f"{path} is a folder, expected a JSONL file; give a folder with source.kind folder")
    match source:
        case FolderSource():
            return Listing(list_folder(source, path, passed_over), passed_over, source.corpus)
        case ManifestSource():
            return Listing(list_manifest(source, path), passed_over, source.corpus)
        case LhotseSource():
            return Listing(list_lhotse(source, path), passed_over, source.corpus)
        case RunSource():
            return Listing(list_run(path, passed_over), passed_over, source.corpus)
        case _:
            assert_never(source)


def detect_source(path: str | Path) -> SourceConfig:
    """Source of the command line: a folder, an audio file, a manifest, Lhotse JSONL, or a finished run.

    Raises:
        SourceError: the path is missing or of no known kind.
    """
    resolved = _existing(str(path))
    suffixes = [suffix.lower() for suffix in resolved.suffixes if suffix != ".gz"]
    if is_run(resolved):
        return RunSource(kind="run", path=str(path))
    if resolved.is_dir():
        return FolderSource(kind="folder", path=str(path))
    if suffixes and suffixes[-1] in _LIST_SUFFIXES:
        keys = _first_keys(resolved)
        if (_LHOTSE_KEYS & keys or keys >= _CUT_KEYS) and not keys & set(PATH_NAMES):
            return LhotseSource(kind="lhotse", path=str(path))
        return ManifestSource(kind="manifest", path=str(path))
    if is_taken(resolved):
        return FolderSource(kind="folder", path=str(path))
    raise SourceError(f"{resolved} is neither a folder, an audio file nor a JSONL list of recordings")


def _existing(location: str) -> Path:
    if is_url(location):
        raise SourceError(f"{location} is an address, and sources are read from file systems only; copy or mount it")
    path = resolve_path(location)
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise SourceError(f"{path} does not exist; give a folder, an audio file or a JSONL manifest") from None
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}; check its permissions") from error
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        raise SourceError(
            f"{path} is neither a regular file nor a folder; give a folder, an audio file or a JSONL list"
        )
    return path


def _first_keys(path: Path) -> frozenset[str]:
    for number, line in raw_lines(path):
        try:
            content = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise SourceError(f"{path}:{number}: not a JSON object on one line ({error})") from None
        return frozenset(content) if isinstance(content, dict) else frozenset()
    raise SourceError(f"{path} holds no line; expected one recording per line")
