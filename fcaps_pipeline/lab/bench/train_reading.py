"""How fast rows are read and decoded, against `datasets` streaming and against decoding alone.

Enters: a training job. Leaves: rows per second of three readers on the same shards, in one run: the
loader of training; `datasets`, as a trainer would stream with it; and soundfile on FLAC bytes that are
in memory already, the bound of every reader in one process. The loader also shuffles, compares the
samples with their checksum and gathers rows of like length; `datasets` here reads audio and captions in
order. It delivers bytes that soundfile decodes, so that the decoder is the same everywhere.

Shape suffixes: B rows of a batch, T samples.
"""

import io
import itertools
import time
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import soundfile
import torch
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader

from fcaps_pipeline.errors import CorruptRunError, UsageError
from fcaps_pipeline.lab.bench.train_batch import HERE
from fcaps_pipeline.learn.data.batch_sampler import Position
from fcaps_pipeline.learn.data.catalogue import Catalogue, shown_file
from fcaps_pipeline.learn.data.config import AnySplits, ReleaseSplits, SharedRuns
from fcaps_pipeline.learn.data.dataloader import ShardDataLoader
from fcaps_pipeline.learn.data.row_sound import RowSound
from fcaps_pipeline.learn.data.sources import read_catalogue
from fcaps_pipeline.learn.training.build import build_dataloader
from fcaps_pipeline.learn.training.job import TrainJob
from fcaps_pipeline.records.audio import seconds_to_samples
from fcaps_pipeline.records.base import Record
from fcaps_pipeline.shards.schema import Row

Reader = Literal["bare soundfile", "datasets streaming", "loader"]

_ROWS_AT_ONCE = 256
_COLUMNS = ["audio", "global_captions", "fine_captions"]

_RowCounts = Generator[int, None, None]
"""Rows of one batch after the other, without end; closing it ends its workers."""


class ReadingSpeed(Record):
    """Of one reader."""

    reader: Reader
    num_workers: int
    """Processes that read and decode; 0 is the process that uses the rows."""
    rows_per_s: float


def measure_reading(job: TrainJob, *, max_rows: int, min_s: float) -> list[ReadingSpeed]:
    """Times the readers one after the other, each after a warm-up, bare soundfile first.

    Args:
        job: names runs, batches and the number of workers, which is timed beside none.
        max_rows: rows to time; the first files of the train runs that have so many are read whole.
        min_s: seconds to time a reader at least; it begins anew until they are over.

    Raises:
        UsageError: the runs have no row, or too few for a batch.
        CorruptRunError: a shard is damaged, or its audio cannot be decoded.
    """
    everything = _train_rows(job.data.splits)
    if not len(everything):
        raise UsageError("the runs of the train split have no row; annotate more, or name other runs")
    catalogue, files = _first_files(everything, max_rows)
    speeds = [ReadingSpeed(reader="bare soundfile", num_workers=0, rows_per_s=_decode(catalogue, min_s))]
    for num_workers in sorted({0, job.data.num_workers}):
        data = job.data.model_copy(update={"num_workers": num_workers})
        loader = build_dataloader(job.model_copy(update={"data": data}), catalogue, HERE)
        batch_rows = -(-len(catalogue) // loader.num_batches(0))
        streamed = _stream(files, _Collate(job.data.max_s), batch_rows=batch_rows, num_workers=num_workers)
        for reader, counts in (("datasets streaming", streamed), ("loader", _load(loader))):
            rows_per_s = _time(counts, len(catalogue), min_s)
            speeds.append(ReadingSpeed(reader=reader, num_workers=num_workers, rows_per_s=rows_per_s))
    return speeds


def _train_rows(splits: AnySplits) -> Catalogue:
    """Rows of which some are for training: speed does not ask which."""
    if isinstance(splits, ReleaseSplits):
        return read_catalogue(splits.releases, splits.train)
    return read_catalogue(splits.runs if isinstance(splits, SharedRuns) else splits.train)


@dataclass(frozen=True)
class _Collate:
    """Decodes what `datasets` streams, crops it at its end and pads it, as the batches of the loader are."""

    max_s: float | None

    def __call__(self, rows: Sequence[dict[str, Any]]) -> torch.Tensor:
        end = None if self.max_s is None else seconds_to_samples(self.max_s)
        decoded = [soundfile.read(io.BytesIO(row["audio"]["bytes"]), dtype="float32")[0][:end] for row in rows]
        return pad_sequence([torch.from_numpy(audio_T) for audio_T in decoded], batch_first=True)


def _first_files(catalogue: Catalogue, num_rows: int) -> tuple[Catalogue, list[str]]:
    """Rows of whole files, because `datasets` reads no less, and the files."""
    locations = [text for table in catalogue.tables(("location",)) for text in table["location"].to_pylist()]
    files = list(map(shown_file, locations))
    wanted = list(dict.fromkeys(files[:num_rows]))
    return catalogue.take(np.flatnonzero(np.isin(files, wanted))), wanted


def _decode(catalogue: Catalogue, min_s: float) -> float:
    """Rows per second of soundfile; reading the bytes is not timed."""
    num_rows, elapsed_s, reader = 0, 0.0, RowSound()
    starts = itertools.cycle(range(0, len(catalogue), _ROWS_AT_ONCE))
    while num_rows < len(catalogue) or elapsed_s < min_s:
        start = next(starts)
        rows = catalogue.contents(np.arange(start, min(start + _ROWS_AT_ONCE, len(catalogue))))
        stored = list(reader.stored(rows))
        begun_s = time.perf_counter()
        for place, content in stored:
            _decode_one(content, rows[place])
        elapsed_s += time.perf_counter() - begun_s
        num_rows += len(rows)
    return num_rows / elapsed_s


def _decode_one(content: bytes, row: Row) -> None:
    try:
        soundfile.read(io.BytesIO(content), dtype="int16")
    except soundfile.LibsndfileError as error:
        raise CorruptRunError(
            f"{shown_file(row['location'])}: the audio of {row['segment_id']} does not decode (libsndfile "
            f"{error.code}); `fcaps verify` checks every file of a run"
        ) from error


def _stream(files: list[str], collate: _Collate, *, batch_rows: int, num_workers: int) -> _RowCounts:
    """`datasets`, with row groups divided among workers and the columns named, as its manual advises."""
    from datasets import Audio, load_dataset

    rows = load_dataset("parquet", data_files=files, split="train", streaming=True, columns=_COLUMNS)
    batches = DataLoader(
        rows.reshard().cast_column("audio", Audio(decode=False)).repeat(None),
        batch_size=batch_rows,
        collate_fn=collate,
        num_workers=num_workers,
        multiprocessing_context="forkserver" if num_workers else None,
    )
    for batch_BT in batches:
        yield len(batch_BT)


def _load(loader: ShardDataLoader) -> _RowCounts:
    with closing(loader.batches(Position())) as batches:
        for batch in batches:
            yield len(batch.rows) + len(batch.bad_rows)


def _time(counts: _RowCounts, num_rows: int, min_s: float) -> float:
    """Rows per second, after as many rows have gone by in which workers start and files come into memory."""
    with closing(counts):
        warm = 0
        while warm < num_rows:
            warm += next(counts)
        begun_s = time.perf_counter()
        timed, elapsed_s = 0, 0.0
        while timed < num_rows or elapsed_s < min_s:
            timed += next(counts)
            elapsed_s = time.perf_counter() - begun_s
    return timed / elapsed_s
