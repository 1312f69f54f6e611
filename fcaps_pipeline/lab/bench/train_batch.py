"""Batches of noise of any size, with the texts of real rows: steps that differ in nothing but their size.

Shape suffixes: B rows of the batch, T samples.
"""

from contextlib import closing
from dataclasses import replace

import torch

from fcaps_pipeline.errors import TrainingError
from fcaps_pipeline.learn.data.batch_sampler import Position
from fcaps_pipeline.learn.data.batches import TrainingBatch
from fcaps_pipeline.learn.data.catalogue import Catalogue
from fcaps_pipeline.learn.ranks import RankContext
from fcaps_pipeline.learn.training.build import build_dataloader
from fcaps_pipeline.learn.training.job import TrainJob
from fcaps_pipeline.records.audio import seconds_to_samples

HERE = RankContext(rank=0, world_size=1, device=torch.device("cpu"))
"""This process alone."""

_LEVEL = 0.1


def first_batch(job: TrainJob, train: Catalogue) -> TrainingBatch:
    """The batch that training begins with, read without workers.

    Raises:
        JobError: the rows do not suffice for a batch.
        TrainingError: none of its rows can be used.
        CorruptRunError: a row group cannot be read.
    """
    data = job.data.model_copy(update={"num_workers": 0})
    loader = build_dataloader(job.model_copy(update={"data": data}), train, HERE)
    with closing(loader.batches(Position())) as batches:
        batch = next(batches)
    if not batch.rows:
        raise no_usable_row(batch)
    return batch


def no_usable_row(batch: TrainingBatch) -> TrainingError:
    """What to raise where every row of a batch is bad."""
    first = batch.bad_rows[0]
    return TrainingError(
        f"no row of a batch can be used; {first.segment_id} {first.reason}: "
        "`fcaps train` names every bad row in its log.jsonl"
    )


def longest_samples(job: TrainJob, train: Catalogue) -> int:
    """Length of the longest row after its crop."""
    longest = int(train.num_samples_N.max())
    return longest if job.data.max_s is None else min(longest, seconds_to_samples(job.data.max_s))


def of_size(batch: TrainingBatch, *, num_rows: int, num_samples: int, seed: int) -> TrainingBatch:
    """As many rows of noise of one length; their texts are those of the batch, over and over."""
    generator = torch.Generator().manual_seed(seed)
    return replace(
        batch,
        num_global_rows=num_rows,
        audio_BT=_LEVEL * torch.randn(num_rows, num_samples, generator=generator),
        lengths_B=torch.full((num_rows,), num_samples),
        rows=tuple(batch.rows[index % len(batch.rows)] for index in range(num_rows)),
        bad_rows=(),
    )
