"""Takes one step: texts, gradients of the whole batch over all ranks, and the update of the weights.

Enters: a batch and the number of the step. Leaves: changed weights and the figures of the step. Each
step seeds the global generators that dropout and feature masks draw from, so that a resumed run
takes the steps an uninterrupted one would.
"""

import math
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fcaps_pipeline.learn.data.batches import TrainingBatch
from fcaps_pipeline.learn.data.randomness import Stream, seed_sequence
from fcaps_pipeline.learn.training.checkpoint import Learner
from fcaps_pipeline.learn.training.collectives import gather_counts, gather_texts
from fcaps_pipeline.learn.training.gradient_caching import Outputs, backward_in_parts
from fcaps_pipeline.learn.training.job import TrainJob
from fcaps_pipeline.learn.training.losses import require_finite
from fcaps_pipeline.learn.training.lr_schedule import rate_share
from fcaps_pipeline.learn.training.objectives import Objective
from fcaps_pipeline.learn.training.optimizer import set_frozen, set_rate
from fcaps_pipeline.learn.training.sharding import Distributed
from fcaps_pipeline.learn.training.text_sampling import StepContext


@dataclass(frozen=True)
class StepMetrics:
    """What one step says."""

    loss: float
    terms: dict[str, float]
    """Each loss without its weight, and the share of ignored pairs."""
    learning_rate: float
    gradient_norm: float
    """Before clipping."""
    num_truncated: int
    """Captions of all ranks that were cut."""
    num_substituted: int
    """Rows of all ranks that brought other captions than asked for."""
    text_s: float
    """Time of this rank for drawing, tokenizing and comparing texts, in which towers wait."""


class TrainStep:
    """Moves the weights of one rank, which stay equal on all ranks."""

    def __init__(self, job: TrainJob, learner: Learner, objective: Objective, *, num_steps: int, rank: int) -> None:
        self._job = job
        self._learner = learner
        self._objective = objective
        self._num_steps = num_steps
        self._rank = rank
        self._towers: Distributed | None = None

    def run(self, batch: TrainingBatch, step: int, row_counts: Sequence[int] | None = None) -> StepMetrics:
        """Takes a step. All ranks call it together, each with its share of the batch.

        Args:
            batch: with a row on one rank at least.
            step: steps taken before.
            row_counts: rows of the share of each rank; None asks for them.

        Raises:
            TrainingError: the loss or the gradient is not finite.
            UsageError: a caption is too long, where long texts are refused.
        """
        begun_s = time.perf_counter()
        _seed_everything(self._job.seed, step, self._rank)
        towers = self._towers_at(step)
        context = StepContext(self._job.seed, batch.position.epoch, step, self._num_steps)
        row_counts = row_counts or [count for (count,) in gather_counts([len(batch.rows)])]
        prepared = self._objective.prepare(batch, context, row_counts)
        text_s = time.perf_counter() - begun_s
        terms: dict[str, Tensor] = {}

        def loss_of(outputs: Outputs) -> Tensor:
            loss, found = self._objective.loss(prepared, outputs)
            terms.update(found)
            return loss

        loss = backward_in_parts(prepared.parts, towers.embed, loss_of, towers.embed_last)
        towers.finish()
        figures = torch.stack([loss, towers.gradient_norm(), *terms.values()])
        # The only place of a step where the CPU waits for a GPU.
        loss_value, norm, *values = figures.tolist()
        _check(loss_value, "loss", batch, step)
        _check(norm, "norm of the gradient", batch, step)
        rate = self._update(towers, step, batch.position.epoch, norm)
        cut, substituted = np.sum(gather_counts([prepared.num_truncated, prepared.num_substituted]), axis=0).tolist()
        return StepMetrics(loss_value, dict(zip(terms, values, strict=True)), rate, norm, cut, substituted, text_s)

    def close(self) -> None:
        """Ends what works behind the steps."""
        if self._towers is not None:
            self._towers.close()

    def _towers_at(self, step: int) -> Distributed:
        has_changed = set_frozen(self._learner.optimizer, step)
        if self._towers is None:
            self._towers = Distributed(self._objective)
        elif has_changed:
            self._towers.rewrap()
        return self._towers

    def _update(self, towers: Distributed, step: int, epoch: int, norm: float) -> float:
        learner, settings = self._learner, self._job.optimisation
        if settings.clip_gradient is not None and norm > settings.clip_gradient:
            towers.scale_gradients(settings.clip_gradient / norm)
        rate = settings.learning_rate * rate_share(
            step,
            schedule=settings.schedule,
            num_steps=self._num_steps,
            epoch=epoch,
            num_warmup_steps=settings.warmup_steps,
            warmup_start=settings.warmup_start,
        )
        set_rate(learner.optimizer, rate)
        learner.optimizer.step()
        learner.optimizer.zero_grad(set_to_none=True)
        learner.model.clamp_scales()
        if learner.ema is not None:
            learner.ema.update_parameters(learner.model)
        return rate


def _check(value: float, name: str, batch: TrainingBatch, step: int) -> None:
    """All ranks have the same value, so all come to the same end, before a broken number reaches the weights."""
    if not math.isfinite(value):
        require_finite(value, step, gather_texts([row.segment_id for row in batch.rows]), name)


def _seed_everything(seed: int, step: int, rank: int) -> None:
    """Numpy and Python too, because transformers masks speech features with their global generators."""
    seeds = seed_sequence(seed, Stream.DROPOUT, step=step, number=rank).generate_state(3)
    torch.manual_seed(int(seeds[0]))
    np.random.seed(int(seeds[1]))
    random.seed(int(seeds[2]))
