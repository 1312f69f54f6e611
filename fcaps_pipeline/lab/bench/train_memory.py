"""How much memory a training step takes, by the rows of its batch, with and without gradient caching.

Enters: a training job. Leaves: the peak of each size, each in a process of its own: weights, gradients,
optimizer and activations. On a GPU that is what torch allocates there, on a CPU what the process
grows by beyond its libraries. All rows are as long as the longest one of the train split, cropped.
"""

import re
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch

from fcaps_pipeline.errors import ResourceError
from fcaps_pipeline.lab.bench.train_batch import HERE, first_batch, longest_samples, of_size
from fcaps_pipeline.learn.data.batches import TrainingBatch
from fcaps_pipeline.learn.data.catalogue import Catalogue
from fcaps_pipeline.learn.data.splits import read_splits
from fcaps_pipeline.learn.ranks import process_group
from fcaps_pipeline.learn.training.build import build_learner, build_objective
from fcaps_pipeline.learn.training.job import TrainJob
from fcaps_pipeline.learn.training.train_step import TrainStep
from fcaps_pipeline.records.audio import SAMPLE_RATE_HZ
from fcaps_pipeline.records.base import Record

_STATUS = Path("/proc/self/status")
_NUM_STEPS = 2
"""The optimizer allocates its moments in the first."""


class MemoryPoint(Record):
    """One size of batch."""

    num_rows: int
    whole_bytes: int | None
    """Peak with the whole batch at once; None where it does not fit on the GPU."""
    cached_bytes: int | None
    """Peak with gradient caching; None where it does not fit on the GPU."""


class MemoryTable(Record):
    """All sizes."""

    audio_s: float
    """Length of every row."""
    chunk_rows: int
    """Rows that are backpropagated together under gradient caching."""
    points: tuple[MemoryPoint, ...]


def measure_memory(job: TrainJob, *, batch_rows: Sequence[int], chunk_rows: int) -> MemoryTable:
    """Takes steps of each size.

    Args:
        job: as for `fcaps train`.
        batch_rows: sizes.
        chunk_rows: for gradient caching, where the job does not name its own.

    Raises:
        ResourceError: a process was killed, or the system does not tell the peak of a process.
        FcapsError: as `train` raises of the job, its shards and its model.
    """
    train = read_splits(job.data.splits).train
    num_samples = longest_samples(job, train)
    chunk_rows = job.optimisation.chunk_rows or chunk_rows
    texts = first_batch(job, train)
    # What this process keeps for later is not there for the others.
    torch.cuda.empty_cache()
    with tempfile.TemporaryDirectory() as folder:
        build_learner(job, train, None, HERE).model.save_pretrained(folder)
        same = job.model_copy(update={"model": None, "init_from": folder})

        def peak(num_rows: int, chunk_rows: int | None) -> int | None:
            optimisation = job.optimisation.model_copy(update={"chunk_rows": chunk_rows})
            sized = same.model_copy(update={"optimisation": optimisation})
            return _run(_Trial(sized, train.take(np.arange(0)), texts, num_rows, num_samples))

        points = tuple(
            MemoryPoint(num_rows=num_rows, whole_bytes=peak(num_rows, None), cached_bytes=peak(num_rows, chunk_rows))
            for num_rows in batch_rows
        )
    return MemoryTable(audio_s=num_samples / SAMPLE_RATE_HZ, chunk_rows=chunk_rows, points=points)


@dataclass(frozen=True)
class _Trial:
    """What a process of its own must know."""

    job: TrainJob
    train: Catalogue
    """Without rows: the model comes from a folder."""
    texts: TrainingBatch
    num_rows: int
    num_samples: int


def _run(trial: _Trial) -> int | None:
    try:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            return pool.submit(_peak_bytes, trial).result()
    except BrokenProcessPool as error:
        raise ResourceError(
            f"the process with a batch of {trial.num_rows} rows died, most likely because memory ran out; "
            "measure smaller batches, or lower data.max_s"
        ) from error


def _peak_bytes(trial: _Trial) -> int | None:
    job = trial.job
    num_steps = job.optimisation.warmup_steps + _NUM_STEPS
    with process_group(job.device) as context:
        before_bytes = _own_bytes("VmRSS")
        learner = build_learner(job, trial.train, None, context)
        objective = build_objective(job, learner, trial.train, None)
        train_step = TrainStep(job, learner, objective, num_steps=num_steps, rank=context.rank)
        batch = of_size(trial.texts, num_rows=trial.num_rows, num_samples=trial.num_samples, seed=job.seed)
        try:
            for step in range(_NUM_STEPS):
                train_step.run(batch, step)
        except torch.OutOfMemoryError:
            return None
        if context.device.type == "cuda":
            return torch.cuda.max_memory_allocated(context.device)
    return _own_bytes("VmHWM") - before_bytes


def _own_bytes(field: str) -> int:
    """From /proc, because the peak that `getrusage` tells begins with that of the process this one came from."""
    try:
        found = re.search(rf"^{field}:\s+(\d+) kB$", _STATUS.read_text(encoding="utf-8"), re.MULTILINE)
    except OSError as error:
        raise ResourceError(f"memory is read from {_STATUS}, which is not here ({error}); measure on Linux") from error
    if found is None:
        raise ResourceError(f"{_STATUS} has no {field}, the memory of a process; measure on another kernel")
    return int(found[1]) * 1024
