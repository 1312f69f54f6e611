"""Trains a dual encoder: the loop over batches, measurements and checkpoints.

Enters: a job and a folder. Leaves: the folder with checkpoints, log and report. Runs in one process
or as one of several ranks: all ranks compute the same loss over the whole batch, the first one
writes. A batch of which every row is bad is no step: nothing is learnt, and the next one is taken.
"""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

from fcaps_pipeline.errors import JobError, TrainingError
from fcaps_pipeline.learn.data.batches import BadRow, TrainingBatch
from fcaps_pipeline.learn.data.dataloader import Batches
from fcaps_pipeline.learn.data.length_filter import drop_unusable
from fcaps_pipeline.learn.data.splits import read_splits
from fcaps_pipeline.learn.evaluation.metrics.plotting import require_matplotlib
from fcaps_pipeline.learn.ranks import RankContext, describe_machine, process_group, wait_for_all
from fcaps_pipeline.learn.training.build import (
    balance_tags,
    build_dataloader,
    build_learner,
    build_objective,
    count_steps,
    drop_short,
    hashes_of_training,
)
from fcaps_pipeline.learn.training.checkpoint import Best, Checkpoints, TrainState, read_state, require_sound
from fcaps_pipeline.learn.training.collectives import gather_counts, gather_texts
from fcaps_pipeline.learn.training.dev_evaluation import DevEvaluator
from fcaps_pipeline.learn.training.job import TrainJob
from fcaps_pipeline.learn.training.metrics_log import MetricsLog
from fcaps_pipeline.learn.training.prerequisites import require_learnable
from fcaps_pipeline.learn.training.report import RunFacts, TrainingReport, write_report
from fcaps_pipeline.learn.training.row_sampling import evenly_spaced
from fcaps_pipeline.learn.training.run_folder import TrainLayout, opened
from fcaps_pipeline.learn.training.sharding import gathered
from fcaps_pipeline.learn.training.train_step import TrainStep


class TrainCallback(Protocol):
    """Hears how training goes, on the first rank."""

    def on_train_begin(self, num_steps: int, done: int) -> None:
        """Training starts or goes on."""

    def on_step(self, step: int, loss: float) -> None:
        """A step was taken."""

    def on_dev_evaluated(self, step: int, metric: str, value: float) -> None:
        """Dev was measured."""

    def on_bad_row(self, split: str, row: BadRow) -> None:
        """A row could not be used."""


def train(job: TrainJob, out: Path, callback: TrainCallback) -> TrainingReport | None:
    """Trains to the end of the job, from the last checkpoint where there is one.

    Args:
        job: what to do.
        out: folder of the run, on storage that all ranks share.
        callback: told of progress.

    Returns:
        The report; None on ranks other than the first.

    Raises:
        FcapsError: one line that says what is wrong and what to do.
    """
    require_matplotlib()
    with process_group(job.device) as context, ExitStack() as stack:
        layout = stack.enter_context(opened(out, job)) if context.is_main else TrainLayout(out.absolute())
        wait_for_all()
        trainer = Trainer(job, layout, context, callback)
        trainer.run()
        return write_report(layout, trainer.state, trainer.facts) if context.is_main else None


class Trainer:
    """One rank of a run."""

    def __init__(self, job: TrainJob, layout: TrainLayout, context: RankContext, callback: TrainCallback) -> None:
        """Reads splits and checkpoint, builds the model."""
        self._job, self._layout, self._context, self._callback = job, layout, context, callback
        splits, num_short = drop_short(read_splits(job.data.splits), job.data.min_s)
        dev = evenly_spaced(splits.dev, job.dev.max_rows)
        require_learnable(job, splits.train, dev)
        self._train, tag_weight_G = balance_tags(job, splits.train)
        self._loader = build_dataloader(job, self._train, context)
        self._num_steps = count_steps(job, self._loader)
        self._checkpoints = Checkpoints(
            layout.checkpoints, keep=job.checkpoints.keep, last_link=layout.last, best_link=layout.best
        )
        last = self._checkpoints.last()
        if last and context.is_main:
            require_sound(last)
        self.state = read_state(last) if last else TrainState()
        if self.state.step > self._num_steps:
            raise JobError(
                f"{layout.root} has taken {self.state.step} steps, the job asks for {self._num_steps}; "
                "ask for as many or more, or choose another --out"
            )
        self._hashes = hashes_of_training(job, splits, last)
        self._learner = build_learner(job, self._train, last, context)
        objective = build_objective(job, self._learner, self._train, tag_weight_G)
        self._train_step = TrainStep(job, self._learner, objective, num_steps=self._num_steps, rank=context.rank)
        self._dev = DevEvaluator(dev, job, context)
        self._num_empty_batches = 0
        self.facts = RunFacts(
            splits={name: (len(split), split.duration_s / 3600) for name, split in splits.named()},
            num_short=num_short,
            notes=splits.notes,
            all_stages_known=self._hashes.whole,
            num_steps=self._num_steps,
            num_dev_rows=len(dev),
            metric=job.dev.metric,
            machine=describe_machine(context),
        )

    def run(self) -> None:
        """Takes all steps that are left.

        Raises:
            TrainingError: a number is not finite, or no row of an epoch can be used.
            CorruptRunError: a row group cannot be read.
            OutputError: the folder cannot be written.
        """
        with ExitStack() as stack:
            self._log = None
            if self._context.is_main:
                self._checkpoints.update_links(self.state)
                opened_log = MetricsLog(self._layout.log, self._layout.tensorboard, step=self.state.step)
                self._log = stack.enter_context(opened_log)
                if self._layout.changes:
                    self._log.changes(self.state.step, self._layout.changes)
                self._callback.on_train_begin(self._num_steps, self.state.step)
            batches = self._loader.batches(self.state.position)
            stack.callback(batches.close)
            stack.callback(self._train_step.close)
            stack.callback(self._checkpoints.finish)
            while self.state.step < self._num_steps:
                self._advance(batches)
                self._checkpoints.poll()

    def _advance(self, batches: Batches) -> None:
        """Takes the next batch: a step, a measurement and a checkpoint where they are due."""
        begun_s = time.perf_counter()
        raw = next(batches)
        wait_s = time.perf_counter() - begun_s
        batch = drop_unusable(raw, self._learner.model.speech_tower, self._train)
        counts = gather_counts([len(batch.rows), len(batch.bad_rows)])
        row_counts, bad_counts = [[one[place] for one in counts] for place in (0, 1)]
        num_rows, num_bad_rows = sum(row_counts), sum(bad_counts)
        if num_bad_rows:
            self._log_bad_rows("train", batch.bad_rows, self.state.step + 1)
        self.state = self.state.model_copy(
            update={
                "position": batch.next_position,
                "num_bad_rows": self.state.num_bad_rows + num_bad_rows,
                "num_rows": self.state.num_rows + num_rows,
                "wait_s": self.state.wait_s + wait_s,
            }
        )
        if num_rows == 0:
            self._count_empty_batch(batch)
            return
        self._num_empty_batches = 0
        self._step(batch, row_counts, wait_s=wait_s, begun_s=begun_s)
        self._measure_and_save()

    def _step(self, batch: TrainingBatch, row_counts: Sequence[int], *, wait_s: float, begun_s: float) -> None:
        state = self.state
        figures = self._train_step.run(batch, state.step, row_counts)
        step_s = time.perf_counter() - begun_s
        self.state = state.model_copy(
            update={
                "step": state.step + 1,
                "num_truncated": state.num_truncated + figures.num_truncated,
                "num_substituted": state.num_substituted + figures.num_substituted,
                "text_s": state.text_s + figures.text_s,
                "step_s": state.step_s + step_s,
            }
        )
        if self._log is None:
            return
        values = {
            "epoch": batch.position.epoch,
            "num_rows": sum(row_counts),
            "loss": figures.loss,
            **figures.terms,
            "learning_rate": figures.learning_rate,
            "gradient_norm": figures.gradient_norm,
            "step_s": step_s,
            "wait_s": wait_s,
            "text_s": figures.text_s,
        }
        self._log.figures("train", self.state.step, values)
        self._callback.on_step(self.state.step, figures.loss)

    def _measure_and_save(self) -> None:
        """A step that is the best so far is saved at once, for its weights are gone after the next."""
        step, is_last = self.state.step, self.state.step == self._num_steps
        is_best = (is_last or step % self._job.dev.every_steps == 0) and self._measure()
        if not (is_best or is_last or step % self._job.checkpoints.every_steps == 0):
            return
        self._checkpoints.save(self._learner, self.state, self._hashes)

    def _measure(self) -> bool:
        """Measures dev with what is released; True for the best so far."""
        with gathered(self._learner.released):
            scores = self._dev.measure(self._learner.released)
        self._log_bad_rows("dev", scores.bad_rows, self.state.step)
        value = scores.values[self._job.dev.metric]
        if self._log is not None:
            self._log.figures("dev", self.state.step, scores.values)
            self._callback.on_dev_evaluated(self.state.step, self._job.dev.metric, value)
        if self.state.best is not None and value <= self.state.best.value:
            return False
        self.state = self.state.model_copy(update={"best": Best(step=self.state.step, value=value)})
        return True

    def _log_bad_rows(self, split: str, own: Sequence[BadRow], step: int) -> None:
        """Logs the bad rows of all ranks."""
        lines = gather_texts([row.model_dump_json() for row in own])
        if self._log is not None:
            for row in map(BadRow.model_validate_json, lines):
                self._log.bad_row(step, split, row)
                self._callback.on_bad_row(split, row)

    def _count_empty_batch(self, batch: TrainingBatch) -> None:
        self._num_empty_batches += 1
        if self._num_empty_batches >= self._loader.num_batches(batch.position.epoch):
            reason = batch.bad_rows[0].reason if batch.bad_rows else "see log.jsonl"
            raise TrainingError(
                f"no row of a whole epoch can be used; the last one {reason}: "
                f"{self._layout.log} names every row with its reason"
            )
