"""What reading costs at the size of a published corpus: start-up, memory, batches, and ranks side by side.

Enters: a number of rows for a corpus that is made up, and a training job for real sound. Leaves: figures. The made-up
corpus has lengths and speakers as Emilia has them, rows of a speaker behind one another, and texts of usual length; its
sound is never read.

Shape suffixes: N rows, K batches.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import psutil
import pyarrow as pa

from fcaps_pipeline.lab.bench.alone import alone
from fcaps_pipeline.lab.bench.train_batch import HERE
from fcaps_pipeline.learn.data.batch_sampler import EpochPlan, Position, SamplerSettings
from fcaps_pipeline.learn.data.catalogue import Catalogue
from fcaps_pipeline.learn.data.config import SharedRuns
from fcaps_pipeline.learn.data.dataloader import planned
from fcaps_pipeline.learn.data.made_once import made_once
from fcaps_pipeline.learn.data.row_sound import requests_of
from fcaps_pipeline.learn.data.row_store import PROFILE, ROW_SCHEMA, RowStore, write_rows
from fcaps_pipeline.learn.data.splits import divide
from fcaps_pipeline.learn.training.build import build_dataloader
from fcaps_pipeline.learn.training.job import TrainJob
from fcaps_pipeline.records.audio import SAMPLE_RATE_HZ
from fcaps_pipeline.records.base import Record

NUM_RANKS, NUM_WORKERS = 8, 4
_ROWS_OF_SPEAKER = 24
_MEAN_S, _LEAST_S, _MOST_S = 9.3, 3.0, 30.0
_SETTINGS = SamplerSettings(seed=0, batch_s=2560.0, max_s=30.0, min_rows=64)
_SPLITS = SharedRuns(runs=("made up",), dev_share=0.001, test_share=0.001)
_ROWS_AT_ONCE = 2**16
_CAPTION = "A man in his thirties speaks in a low, slightly hoarse voice, calm at first and then with growing urgency. "


class StartUp(Record):
    """From nothing in memory to the texts of the first batch, in a fresh process."""

    num_rows: int
    listing_s: float
    """Writing the store, which happens once for a corpus."""
    first_s: float
    """With dividing, checking and planning, which happens once for a job."""
    next_s: float
    """Every later start, and the other ranks."""
    memory_bytes: int
    """What the ranks of a node have together that is not mapped, beyond what they had before."""


class BatchFigures(Record):
    """What the batches of an epoch are like."""

    num_batches: int
    useful_share: float
    """Of the padded seconds."""
    same_speaker: float
    """Pairs of a batch that are of one speaker."""
    same_speaker_at_random: float
    """The same of any two rows."""
    same_speaker_apart: float
    """Pairs of one speaker where `data.apart` keeps speakers apart."""


class RanksReading(Record):
    """Reading by several ranks with several workers each, on this machine."""

    rows_per_s: float
    bytes_per_byte: float
    """Bytes that an epoch reads of sound over the bytes of sound that there are."""
    memory_bytes: int
    """Of all processes, what they share counted once."""


def measure_start(num_rows: int) -> StartUp:
    """Starts a node twice; what was made up stays in the cache.

    Raises:
        OutputError: the cache cannot be written.
    """
    begun_s = time.perf_counter()
    made_up(num_rows)
    listing_s = time.perf_counter() - begun_s
    (first_s, _), (next_s, own_bytes) = (alone(partial(_start, num_rows)) for _ in range(2))
    return StartUp(
        num_rows=num_rows,
        listing_s=listing_s,
        first_s=first_s,
        next_s=next_s,
        memory_bytes=NUM_RANKS * own_bytes,
    )


def measure_batches(num_rows: int) -> BatchFigures:
    """Plans an epoch of the corpus that is made up, with speakers left to chance and kept apart."""
    catalogue = Catalogue.of([made_up(num_rows)])
    counts = np.unique(catalogue.speaker_N, return_counts=True)[1].astype(np.int64)
    plan = planned(catalogue, _SETTINGS, 0)
    apart = planned(catalogue, _SETTINGS.model_copy(update={"apart": "speaker"}), 0)
    return BatchFigures(
        num_batches=plan.num_batches,
        useful_share=_useful(catalogue, plan),
        same_speaker=_same(catalogue, plan),
        same_speaker_at_random=float((counts * (counts - 1)).sum() / (num_rows * (num_rows - 1))),
        same_speaker_apart=_same(catalogue, apart),
    )


def measure_ranks(job: TrainJob, catalogue: Catalogue, num_rows: int) -> RanksReading:
    """Reads with all ranks and workers of a node, one batch of each rank after the other.

    Args:
        job: says what batches are like.
        catalogue: rows with sound.
        num_rows: rows to time, after as many that are not.
    """
    data = job.data.model_copy(update={"num_workers": NUM_WORKERS, "min_rows": max(job.data.min_rows, NUM_RANKS)})
    job = job.model_copy(update={"data": data})
    with ExitStack() as stack:
        ranks = []
        for rank in range(NUM_RANKS):
            loader = build_dataloader(job, catalogue, replace(HERE, rank=rank, world_size=NUM_RANKS))
            ranks.append(loader.batches(Position()))
            stack.callback(ranks[-1].close)
        for limit in (num_rows, num_rows):
            begun_s, read = time.perf_counter(), 0
            while read < limit:
                read += sum(len(batch.rows) + len(batch.bad_rows) for batch in map(next, ranks))
            elapsed_s = time.perf_counter() - begun_s
        memory = sum(one.memory_full_info().pss for one in _family())
    asked, held = _bytes_of_epoch(job, catalogue)
    return RanksReading(rows_per_s=read / elapsed_s, bytes_per_byte=asked / held, memory_bytes=memory)


def made_up(num_rows: int) -> RowStore:
    """The store of the corpus that is made up."""
    return RowStore(made_once(f"rows/made-up-{num_rows}", lambda folder: write_rows(folder, _tables(num_rows))))


def _tables(num_rows: int) -> Iterator[pa.Table]:
    rng = np.random.default_rng(0)
    for start in range(0, num_rows, _ROWS_AT_ONCE):
        number_N = np.arange(start, min(start + _ROWS_AT_ONCE, num_rows))
        length_N = np.clip(rng.gamma(2.0, (_MEAN_S - _LEAST_S) / 2, len(number_N)) + _LEAST_S, _LEAST_S, _MOST_S)
        names = [f"EN_B{number // 1000:05d}_S{number:08d}" for number in number_N.tolist()]
        captions = [[f"{_CAPTION}{name}"] for name in names]
        columns: dict[str, object] = {
            "segment_id": [f"{name}-c0" for name in names],
            "recording_id": names,
            "speaker": [f"speaker {number // _ROWS_OF_SPEAKER}" for number in number_N.tolist()],
            "tags": pa.nulls(len(names), ROW_SCHEMA.field("tags").type),
            "global_captions": captions,
            "fine_captions": captions,
            "events": pa.nulls(len(names), ROW_SCHEMA.field("events").type),
            "audio_sha256": pa.nulls(len(names), pa.string()),
            "location": [f"/corpora/emilia/EN/{name}.mp3" for name in names],
            "channel": ["0"] * len(names),
            "start_samples": np.zeros(len(names), np.int64),
            "end_samples": (length_N * SAMPLE_RATE_HZ).astype(np.int64),
        }
        nothing = {name: pa.nulls(len(names), pa.string()) for name in PROFILE}
        yield pa.table(columns | nothing, schema=ROW_SCHEMA)


def _start(num_rows: int) -> tuple[float, int]:
    """Seconds and bytes of one rank up to the texts of its first batch."""
    before = _own_bytes()
    begun_s = time.perf_counter()
    train = divide(_SPLITS, (Catalogue.of([made_up(num_rows)]),)).train
    plan = planned(train, _SETTINGS, 0)
    texts = train.contents(plan.rows(0), ("segment_id", "fine_captions"))
    assert len(texts) == len(plan.rows(0))
    return time.perf_counter() - begun_s, max(0, _own_bytes() - before)


def _own_bytes() -> int:
    """Of this process, without what is mapped."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon:")) * 1024


def _family() -> list[psutil.Process]:
    return [psutil.Process(), *psutil.Process().children(recursive=True)]


def _useful(catalogue: Catalogue, plan: EpochPlan) -> float:
    cropped_N = np.minimum(catalogue.num_samples_N, int((_SETTINGS.max_s or _MOST_S) * SAMPLE_RATE_HZ))
    samples_M = cropped_N[plan.rows_M].astype(np.int64)
    longest_K = np.maximum.reduceat(samples_M, plan.starts_K[:-1])
    return float(samples_M.sum() / (longest_K * np.diff(plan.starts_K)).sum())


def _same(catalogue: Catalogue, plan: EpochPlan) -> float:
    speaker_M = catalogue.speaker_N[plan.rows_M]
    pairs = [_pairs(speaker_M[begin:end]) for begin, end in zip(plan.starts_K[:-1], plan.starts_K[1:], strict=True)]
    sizes_K = np.diff(plan.starts_K)
    return sum(pairs) / int((sizes_K * (sizes_K - 1)).sum())


def _pairs(speaker_M: npt.NDArray[np.uint64]) -> int:
    counts = np.unique(speaker_M, return_counts=True)[1]
    return int((counts * (counts - 1)).sum())


def _bytes_of_epoch(job: TrainJob, catalogue: Catalogue) -> tuple[int, int]:
    """Bytes of the requests of all ranks over an epoch, and bytes of the rows."""
    asked = held = 0
    for rank in range(NUM_RANKS):
        loader = build_dataloader(job, catalogue, replace(HERE, rank=rank, world_size=NUM_RANKS))
        for step in range(loader.num_batches(0)):
            for request in requests_of(catalogue.contents(loader.rows(0, step))):
                asked += request.end - request.start
                held += sum(part.num_bytes for _, part in request.rows)
    return asked, held
