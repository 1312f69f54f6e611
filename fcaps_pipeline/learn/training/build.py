"""Makes what a training run consists of from its job: model, optimizer, loader, objective.

Enters: a job, this process, the checkpoint to go on from. Leaves: the parts, alike on all ranks.
"""

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from fcaps_pipeline.errors import JobError
from fcaps_pipeline.jobs.resources import resolve_path
from fcaps_pipeline.learn.data.batch_sampler import SamplerSettings
from fcaps_pipeline.learn.data.catalogue import Catalogue
from fcaps_pipeline.learn.data.dataloader import ShardDataLoader
from fcaps_pipeline.learn.data.splits import Splits
from fcaps_pipeline.learn.data.training_hashes import TrainingHashes, read_training_hashes
from fcaps_pipeline.learn.dual_encoder.model import DualEncoder
from fcaps_pipeline.learn.ranks import RankContext
from fcaps_pipeline.learn.training.checkpoint import MODEL, Learner, restore
from fcaps_pipeline.learn.training.ema import averaged
from fcaps_pipeline.learn.training.job import TrainJob
from fcaps_pipeline.learn.training.objectives import Objective
from fcaps_pipeline.learn.training.optimizer import build_optimizer
from fcaps_pipeline.learn.training.row_sampling import oversample_rare_tags, read_phrases, sample_captions, tag_labels
from fcaps_pipeline.learn.training.sharding import shard
from fcaps_pipeline.learn.training.targets import positive_weights
from fcaps_pipeline.records.audio import seconds_to_samples


def drop_short(splits: Splits, min_s: float | None) -> tuple[Splits, dict[str, int]]:
    """Train and dev without rows that are too short, and how many these are; test is left to evaluation.

    Rows leave after the division, so that it stays that of the evaluation.

    Args:
        splits: as the job describes them.
        min_s: shortest row kept; None keeps all.

    Raises:
        JobError: no row of a split is long enough.
    """
    if min_s is None:
        return splits, {}
    num_min_samples = seconds_to_samples(min_s)
    kept: dict[str, Catalogue] = {}
    num_short: dict[str, int] = {}
    for name, split in (("train", splits.train), ("dev", splits.dev)):
        kept[name] = split.take(np.flatnonzero(split.num_samples_N >= num_min_samples))
        num_short[name] = len(split) - len(kept[name])
        if not len(kept[name]):
            raise JobError(f"none of {len(split)} rows of split {name} lasts data.min_s {min_s:g} s; lower it")
    return replace(splits, train=kept["train"], dev=kept["dev"]), num_short


def hashes_of_training(job: TrainJob, splits: Splits, checkpoint: Path | None) -> TrainingHashes:
    """What the model will have been trained on, with the stages before this one.

    Raises:
        UsageError: an earlier stage was trained on something of dev or test.
        ModelError: the record of the earlier stages is broken.
    """
    own = TrainingHashes.of(splits.train)
    folder = checkpoint / MODEL if checkpoint else resolve_path(job.init_from) if job.init_from else None
    if folder is None:
        return own
    earlier = read_training_hashes(folder)
    for name, split in splits.named():
        if earlier is not None and name != "train":
            earlier.refuse(name, split, str(folder), job.data.splits.allow_shared)
    return own.after(earlier)


def balance_tags(job: TrainJob, train: Catalogue) -> tuple[Catalogue, Tensor | None]:
    """The train split with rows of rare tags repeated, and the weight of each tag where it holds.

    Raises:
        JobError: the job names a tag that no row has.
        CorruptRunError: a row group cannot be read.
    """
    tags = job.objectives.tags
    if tags is None:
        return train, None
    label_RG = tag_labels(train, tuple(tags.wordings))
    if unknown := [tag for tag, occurs in zip(tags.wordings, label_RG.sum(0).tolist(), strict=True) if not occurs]:
        raise JobError(
            f"no row of the train split has {', '.join(unknown)}, which objectives.tags.wordings names; "
            "name the tags as the column `tags` of the shards does, or leave these out"
        )
    if tags.max_repeats > 1:
        train, rows_M = oversample_rare_tags(train, label_RG, max_repeats=tags.max_repeats, seed=job.seed)
        label_RG = label_RG[rows_M]
    cap = tags.positive_weight_cap
    return train, None if cap is None else torch.from_numpy(positive_weights(label_RG, cap)).float()


def build_learner(job: TrainJob, train: Catalogue, checkpoint: Path | None, context: RankContext) -> Learner:
    """The model on its device with optimizer and averages, new or as the checkpoint has them.

    Raises:
        JobError: a group of the optimizer fits no weight.
        ModelError: a tower or the checkpoint is missing, broken or of another architecture.
        CorruptRunError: the checkpoint is damaged.
    """
    model = _model(job, train, checkpoint).to(context.device).train()
    settings = job.optimisation
    ema = averaged(model, decay=settings.ema_decay) if settings.ema_decay is not None else None
    if settings.shard and context.world_size > 1:
        for one in (model, *([ema.module] if ema else [])):
            assert isinstance(one, DualEncoder)
            shard(one)
    if settings.activation_checkpointing:
        model.gradient_checkpointing_enable()
    if settings.compile:
        # The spectrum stays as torch computes it, which is not worth a word on the terminal.
        warnings.filterwarnings("ignore", "Torchinductor does not support code generation for complex", UserWarning)
        model.speech_tower.compile(dynamic=True)
        model.text_tower.compile(dynamic=True)
    optimizer = build_optimizer(
        model.named_parameters(),
        settings.groups,
        weight_decay=settings.weight_decay,
        epsilon=settings.epsilon,
        betas=settings.betas,
    )
    learner = Learner(model, optimizer, ema)
    if checkpoint is not None:
        restore(checkpoint, learner)
    return learner


def build_objective(job: TrainJob, learner: Learner, train: Catalogue, tag_weight_G: Tensor | None) -> Objective:
    """The losses of the job on the model, with the phrases of the corpus where it learns from frames.

    Raises:
        JobError: the job learns from frames and the model has no frame projector.
        CorruptRunError: a row group cannot be read.
    """
    phrases = read_phrases(train) if job.objectives.frames else None
    return Objective(learner.model, job, tag_weight_G=tag_weight_G, phrases=phrases)


def build_dataloader(job: TrainJob, train: Catalogue, context: RankContext) -> ShardDataLoader:
    """The batches of this rank.

    Raises:
        JobError: there are more ranks than rows in a batch.
    """
    data = job.data
    settings = SamplerSettings(
        seed=job.seed,
        batch_s=data.batch_s,
        max_s=data.max_s,
        min_rows=data.min_rows,
        apart=data.apart,
    )
    return ShardDataLoader(
        train,
        settings,
        job.granularities,
        num_workers=data.num_workers,
        augmentation=data.augmentation,
        rank=context.rank,
        world_size=context.world_size,
    )


def count_steps(job: TrainJob, loader: ShardDataLoader) -> int:
    """The real number of steps.

    Raises:
        JobError: the rows do not suffice for a batch, or the warm-up is longer than the training.
    """
    settings = job.optimisation
    if settings.steps is not None:
        return settings.steps
    num_steps = sum(loader.num_batches(epoch) for epoch in range(settings.epochs or 0))
    if settings.warmup_steps >= num_steps:
        raise JobError(
            f"warmup_steps {settings.warmup_steps} must be below the {num_steps} steps of {settings.epochs} epochs; "
            "lower it, or train longer"
        )
    return num_steps


def _model(job: TrainJob, train: Catalogue, checkpoint: Path | None) -> DualEncoder:
    if checkpoint is not None:
        return DualEncoder.from_pretrained(checkpoint / MODEL)
    if job.model is None:
        assert job.init_from is not None
        return DualEncoder.from_pretrained(resolve_path(job.init_from))
    texts = sample_captions(train, job.seed) if job.model.text.kind == "small" else []
    return DualEncoder.new(job.model, texts, seed=job.seed)
