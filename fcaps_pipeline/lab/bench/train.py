"""Where the time of a training step goes: how much of it is waiting for data.

Enters: a training job. Leaves: seconds of real steps on the job's own rows, after a warm-up, and the
part of them in which no batch was ready. Speed of reading, memory and large towers are measured in the
modules beside this one.
"""

import time
from contextlib import closing
from dataclasses import dataclass

from fcaps_pipeline.lab.bench.train_batch import no_usable_row
from fcaps_pipeline.learn.data.batch_sampler import Position
from fcaps_pipeline.learn.data.catalogue import Catalogue
from fcaps_pipeline.learn.data.dataloader import Batches
from fcaps_pipeline.learn.data.length_filter import drop_unusable
from fcaps_pipeline.learn.data.splits import read_splits
from fcaps_pipeline.learn.dual_encoder.speech_towers import SpeechTower
from fcaps_pipeline.learn.ranks import describe_machine, process_group
from fcaps_pipeline.learn.training.build import (
    balance_tags,
    build_dataloader,
    build_learner,
    build_objective,
    count_steps,
)
from fcaps_pipeline.learn.training.job import TrainJob
from fcaps_pipeline.learn.training.train_step import TrainStep
from fcaps_pipeline.records.base import Record


class WaitingTime(Record):
    """All timed steps together."""

    machine: str
    num_steps: int
    num_rows: int
    """Rows trained on; bad ones are left out."""
    step_s: float
    """From the call for a batch to changed weights."""
    wait_s: float
    """Of that, until the batch was there."""

    @property
    def share(self) -> float:
        """Waiting over everything."""
        return self.wait_s / self.step_s

    @property
    def rows_per_s(self) -> float:
        """Rows trained on per second."""
        return self.num_rows / self.step_s


def measure_waiting(job: TrainJob, *, num_steps: int, num_warmup_steps: int) -> WaitingTime:
    """Trains a new model for a few steps; nothing is written and dev is not measured.

    Args:
        job: as for `fcaps train`.
        num_steps: steps that are timed.
        num_warmup_steps: steps before them, in which workers start and memory is allocated.

    Raises:
        TrainingError: a batch has no row that can be used, or a number is not finite.
        FcapsError: as `train` raises of the job, its shards and its model.
    """
    num_all_steps = num_warmup_steps + num_steps
    with process_group(job.device) as context:
        train, tag_weight_G = balance_tags(job, read_splits(job.data.splits).train)
        loader = build_dataloader(job, train, context)
        learner = build_learner(job, train, None, context)
        objective = build_objective(job, learner, train, tag_weight_G)
        length = max(num_all_steps, count_steps(job, loader))
        train_step = TrainStep(job, learner, objective, num_steps=length, rank=context.rank)
        with closing(loader.batches(Position())) as batches:
            times = [
                _step(batches, learner.model.speech_tower, train, train_step, step) for step in range(num_all_steps)
            ]
        machine = describe_machine(context)
    timed = times[num_warmup_steps:]
    return WaitingTime(
        machine=machine,
        num_steps=num_steps,
        num_rows=sum(one.num_rows for one in timed),
        step_s=sum(one.step_s for one in timed),
        wait_s=sum(one.wait_s for one in timed),
    )


@dataclass(frozen=True)
class _StepTime:
    num_rows: int
    step_s: float
    wait_s: float


def _step(batches: Batches, tower: SpeechTower, train: Catalogue, train_step: TrainStep, step: int) -> _StepTime:
    """One step as the trainer takes it; the read-out of the loss waits for the GPU."""
    begun_s = time.perf_counter()
    raw = next(batches)
    wait_s = time.perf_counter() - begun_s
    batch = drop_unusable(raw, tower, train)
    if not batch.rows:
        raise no_usable_row(batch)
    train_step.run(batch, step)
    return _StepTime(len(batch.rows), time.perf_counter() - begun_s, wait_s)
