"""Lists the Recordings of any source, checks that their ids differ, reports what was passed over.

Enters: a SourceConfig. Leaves: a Listing, which yields Recordings one by one or in blocks and
afterwards knows which files it did not take. It decodes nothing: a file that has vanished stays a Recording, whose
decoding fails later without stopping the corpus.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fcaps_pipeline.annotate.sources.archives import existing, is_pattern
from fcaps_pipeline.annotate.sources.blocks import blocks_of
from fcaps_pipeline.annotate.sources.folder import list_folder
from fcaps_pipeline.annotate.sources.kaldi import list_kaldi
from fcaps_pipeline.annotate.sources.lhotse import list_lhotse
from fcaps_pipeline.annotate.sources.lhotse_shar import is_shar, list_shar
from fcaps_pipeline.annotate.sources.located import Block, Located
from fcaps_pipeline.annotate.sources.manifest_file import list_manifest
from fcaps_pipeline.annotate.sources.parquet import list_parquet
from fcaps_pipeline.annotate.sources.passed_over import PassedOver
from fcaps_pipeline.annotate.sources.run import list_run
from fcaps_pipeline.annotate.sources.source_path import SourcePath, is_folder
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
from fcaps_pipeline.shards.recording_table import ID_HASH, Hashes, recordings_of, with_hashes


@dataclass
class Listing:
    """The Recordings of one source, in a stable order; go over it once."""

    entries: Iterable[Located | Block]
    passed_over: PassedOver
    """What was not taken; complete after the iteration."""
    corpus: str | None
    """Name that the job gives to the corpus of Recordings whose source names none."""
    reopen: Callable[[], Iterable[Located | Block]] = tuple
    """Begins the source again."""
    part: str | None = None
    """Which part of them is taken, such as `3/16`; None takes all."""

    def __iter__(self) -> Iterator[Recording]:
        """Yields every Recording.

        Raises:
            SourceError: see `blocks`.
        """
        for table in self.blocks():
            yield from recordings_of(table)

    def blocks(self) -> Iterator[pa.Table]:
        """Yields tables of some thousands of Recordings, with hashes of their ids; a doubled id is found at the end.

        Raises:
            SourceError: the source cannot be read further, two Recordings have one id, or the part has none.
        """
        hashes, is_empty = [], True
        try:
            for block in blocks_of(self.entries):
                table = with_hashes(block.table)
                hashes.append(table[ID_HASH].to_numpy())
                table = self._of_part(table)
                is_empty = is_empty and not len(table)
                if len(table):
                    yield table if self.corpus is None else _with_corpus(table, self.corpus)
        except SourceError:
            self._refuse_doubled(hashes)
            raise
        self._refuse_doubled(hashes)
        if self.part is not None and is_empty:
            num_all = sum(map(len, hashes))
            raise SourceError(f"part {self.part} has none of the {num_all} recordings of the source; make fewer parts")

    def _of_part(self, table: pa.Table) -> pa.Table:
        if self.part is None:
            return table
        number, count = map(int, self.part.split("/"))
        return table.filter(pa.array(table[ID_HASH].to_numpy() % count == number - 1))

    def _refuse_doubled(self, hashes: list[Hashes]) -> None:
        met = np.sort(np.concatenate(hashes)) if hashes else np.empty(0, np.uint64)
        doubled = met[1:][met[1:] == met[:-1]]
        if not len(doubled):
            return
        first: dict[str, str] = {}
        for block in blocks_of(self.reopen()):
            table = with_hashes(block.table)
            for row in np.flatnonzero(np.isin(table[ID_HASH].to_numpy(), doubled)):
                recording_id, where = table["recording_id"][row].as_py(), block.where(row)
                if recording_id in first:
                    raise SourceError(
                        f"two recordings have the id {recording_id!r}: {first[recording_id]} and {where}; rename one "
                        "of them, or take ids from elsewhere (source.fields)"
                    )
                first[recording_id] = where


def _with_corpus(table: pa.Table, corpus: str) -> pa.Table:
    place = table.schema.get_field_index("corpus")
    return table.set_column(place, table.schema.field(place), pc.fill_null(table["corpus"], corpus))


def list_recordings(source: SourceConfig) -> Listing:
    """Opens a source.

    Raises:
        SourceError: the path is missing or unreadable. Mistakes inside the source, such as a bad
            manifest line or a folder without audio, are raised while the Listing is read.
    """
    passed_over = PassedOver()
    return Listing(
        _entries(source, passed_over),
        passed_over,
        source.corpus,
        reopen=lambda: _entries(source, PassedOver()),
        part=source.part,
    )


def _entries(source: SourceConfig, passed_over: PassedOver) -> Iterable[Located | Block]:
    path = _path_of(source)
    match source:
        case FolderSource():
            return list_folder(source, path, passed_over)
        case ManifestSource():
            return list_manifest(source, path)
        case TableSource():
            return list_table(source, path)
        case KaldiSource():
            return list_kaldi(source, path if isinstance(path, Path) else path.on_disk(), passed_over)
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


def _path_of(source: SourceConfig) -> SourcePath:
    path = existing(source.path)
    if is_pattern(path) and not isinstance(source, TarSource | ParquetSource):
        raise SourceError(f"{path} is a pattern, which archives alone are named by; give a file or a folder")
    if is_folder(path) and isinstance(source, ManifestSource | TableSource | LhotseSource) and not is_shar(path):
        raise SourceError(f"{path} is a folder, expected a list; give a folder of audio with source.kind folder")
    return path
