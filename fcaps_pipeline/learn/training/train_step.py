"""Takes one step: texts, gradients of the whole batch over all ranks, and the update of the weights.

Enters: a batch and the number of the step. Leaves: changed weights and the figures of the step. Each
step seeds the global generators that dropout and feature masks draw from, so that a resumed run
takes the steps an uninterrupted one would.
"""

import random
import time
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fcaps_pipeline.learn.data.batches import TrainingBatch
from fcaps_pipeline.learn.data.randomness import Stream, seed_sequence
from fcaps_pipeline.learn.training.checkpoint import Learner
from fcaps_pipeline.learn.training.collectives import average_gradients, gather_texts, sum_over_ranks
from fcaps_pipeline.learn.training.gradient_caching import Outputs, backward_in_parts
from fcaps_pipeline.learn.training.job import TrainJob
from fcaps_pipeline.learn.training.losses import require_finite
from fcaps_pipeline.learn.training.lr_schedule import learning_rate
from fcaps_pipeline.learn.training.objectives import Objective
from fcaps_pipeline.learn.training.text_sampling import StepContext


@dataclass(frozen=True)
class StepMetrics:
    """What one step says."""

    loss: float
    terms: dict[str, float]
    """Each loss without its weight."""
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

    def run(self, batch: TrainingBatch, step: int) -> StepMetrics:
        """Takes a step. All ranks call it together, each with its share of the batch.

        Args:
            batch: with a row on one rank at least.
            step: steps taken before.

        Raises:
            TrainingError: the loss or the gradient is not finite.
            UsageError: a caption is too long, where long texts are refused.
        """
        begun_s = time.perf_counter()
        _seed_everything(self._job.seed, step, self._rank)
        prepared = self._objective.prepare(
            batch, StepContext(self._job.seed, batch.position.epoch, step, self._num_steps)
        )
        text_s = time.perf_counter() - begun_s
        terms: dict[str, float] = {}

        def loss_of(outputs: Outputs) -> Tensor:
            loss, found = self._objective.loss(prepared, outputs)
            self._check(loss, "loss", batch, step)
            terms.update(found)
            return loss

        loss = backward_in_parts(prepared.parts, self._objective.embed, loss_of)
        model = self._learner.model
        average_gradients(model.parameters())
        limit = self._job.optimisation.clip_gradient
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), limit or float("inf"))
        self._check(norm, "norm of the gradient", batch, step)
        rate = self._update(step)
        num_truncated, num_substituted = sum_over_ranks(
            (prepared.num_truncated, prepared.num_substituted), model.device
        )
        return StepMetrics(float(loss), terms, rate, float(norm), num_truncated, num_substituted, text_s)

    def _update(self, step: int) -> float:
        learner, settings = self._learner, self._job.optimisation
        rate = learning_rate(
            step,
            peak=settings.learning_rate,
            num_steps=self._num_steps,
            num_warmup_steps=settings.warmup_steps,
            final_share=settings.final_share,
        )
        for group in learner.optimizer.param_groups:
            group["lr"] = rate
        learner.optimizer.step()
        learner.optimizer.zero_grad(set_to_none=True)
        learner.model.clamp_scales()
        if learner.ema is not None:
            learner.ema.update(learner.model)
        return rate

    def _check(self, value: Tensor, name: str, batch: TrainingBatch, step: int) -> None:
        """All ranks have the same value, so all come to the same end."""
        if not torch.isfinite(value):
            require_finite(value, step, gather_texts([row.segment_id for row in batch.rows]), name)


def _seed_everything(seed: int, step: int, rank: int) -> None:
    """Numpy and Python too, because transformers masks speech features with their global generators."""
    seeds = seed_sequence(seed, Stream.DROPOUT, step=step, number=rank).generate_state(3)
    torch.manual_seed(int(seeds[0]))
    np.random.seed(int(seeds[1]))
    random.seed(int(seeds[2]))
