"""Lists the Recordings of any source, checks that their ids differ, reports what was passed over.

Enters: a SourceConfig. Leaves: a Listing, which yields Recordings one by one and afterwards knows
which files it did not take. It decodes nothing: a file that has vanished stays a Recording, whose
decoding fails later without stopping the corpus.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import assert_never

from fcaps_pipeline.annotate.sources.archives import existing, is_pattern
from fcaps_pipeline.annotate.sources.folder import list_folder
from fcaps_pipeline.annotate.sources.kaldi import list_kaldi
from fcaps_pipeline.annotate.sources.lhotse import list_lhotse
from fcaps_pipeline.annotate.sources.lhotse_shar import is_shar, list_shar
from fcaps_pipeline.annotate.sources.located import Located
from fcaps_pipeline.annotate.sources.manifest import list_manifest
from fcaps_pipeline.annotate.sources.parquet import list_parquet
from fcaps_pipeline.annotate.sources.passed_over import PassedOver
from fcaps_pipeline.annotate.sources.run import list_run
from fcaps_pipeline.annotate.sources.table import list_table
from fcaps_pipeline.annotate.sources.tar import list_tars
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
from fcaps_pipeline.records.audio import Recording


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
                    f"two recordings have the id {recording.recording_id!r}: {first} and {where}; rename one of "
                    "them, or take ids from elsewhere (source.fields)"
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
    passed_over = PassedOver()
    return Listing(_entries(source, passed_over), passed_over, source.corpus)


def _entries(source: SourceConfig, passed_over: PassedOver) -> Iterable[Located]:
    path = _path_of(source)
    match source:
        case FolderSource():
            return list_folder(source, path, passed_over)
        case ManifestSource():
            return list_manifest(source, path)
        case TableSource():
            return list_table(source, path)
        case KaldiSource():
            return list_kaldi(source, path, passed_over)
        case LhotseSource():
            return list_shar(source, path) if is_shar(path) else list_lhotse(source, path)
        case TarSource():
            return list_tars(source, passed_over)
        case ParquetSource():
            return list_parquet(source)
        case RunSource():
            return list_run(path, passed_over)
        case _:
            assert_never(source)


def _path_of(source: SourceConfig) -> Path:
    path = existing(source.path)
    if is_pattern(path) and not isinstance(source, TarSource | ParquetSource):
        raise SourceError(f"{path} is a pattern, which archives alone are named by; give a file or a folder")
    if path.is_dir() and isinstance(source, ManifestSource | TableSource | LhotseSource) and not is_shar(path):
        raise SourceError(f"{path} is a folder, expected a list; give a folder of audio with source.kind folder")
    return path
