"""The jobs of the benchmark: four ways to spend one budget of audio on the same model.

Enters: sizes, folders. Leaves: corpora to make, and training jobs by stage. Alike in all ways: the towers, the audio
heard (steps times the seconds of a batch), dev for selection, test. As in CLSP (arXiv 2601.03065), stage 1 has many
recordings with a single fine caption each, stage 2 few recordings with several captions of both granularities. As in
FineLAP (arXiv 2604.01155), the frame stream learns beside the others from the timed events of the same rows.
"""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from fcaps_pipeline.jobs.job_file import Section
from fcaps_pipeline.lab.bench.retrieval.corpus import RunPlan
from fcaps_pipeline.lab.synthesis.truth import Split
from fcaps_pipeline.learn.data.config import DataConfig, SeparateRuns
from fcaps_pipeline.learn.dual_encoder.config import (
    DualEncoderConfig,
    FrameProjectorConfig,
    MelTowerConfig,
    SmallTextTowerConfig,
)
from fcaps_pipeline.learn.training.job import CheckpointConfig, DevConfig, TrainJob
from fcaps_pipeline.learn.training.objective_config import Frames, InfoNce, Objectives, OneEach, TwoTexts
from fcaps_pipeline.learn.training.optimisation_config import Optimisation
from fcaps_pipeline.records.base import Record

LARGE, SMALL, DEV, TEST = "train_large", "train_small", "dev", "test"

_MEASUREMENTS = 6
"""Of dev, over a stage."""
_PEAK, _PEAK_AFTER_STAGE_1 = 2e-3, 3e-4
"""Highest learning rates of a new model, and of one that goes on."""
_WARMUP_STEPS = 60
_WEIGHT_DECAY = 0.05
_DROPOUT = 0.0
"""Attention without it has a faster kernel on a processor: a step takes about two thirds of the time."""


class Scale(Section):
    """How large the benchmark is; another scale is another benchmark and needs a folder of its own."""

    large_rows: Annotated[int, Field(ge=8)] = 4500
    """Recordings of stage 1, each with one fine caption."""
    small_rows: Annotated[int, Field(ge=8)] = 450
    """Recordings of stage 2, each with several captions of both granularities; a tenth, in CLSP even 1 in 158."""
    dev_rows: Annotated[int, Field(ge=2)] = 300
    """Recordings that choose the checkpoints, one caption of each granularity."""
    test_rows: Annotated[int, Field(ge=2)] = 800
    """Recordings that are measured, one caption of each granularity."""
    steps: Annotated[int, Field(ge=2)] = 1400
    """Batches of every variant, over all its stages."""
    batch_s: Annotated[float, Field(gt=0)] = 240.0
    """Seconds of a batch, padding included."""
    width: Annotated[int, Field(ge=8, multiple_of=8)] = 64
    """Of both towers."""
    seed: Annotated[int, Field(ge=0)] = 7
    """Decides corpus, weights and batches."""

    def runs(self) -> tuple[RunPlan, ...]:
        """The runs to make."""
        return (
            self._run(LARGE, "train", 0, self.large_rows, num_fine=1, num_global=0),
            self._run(SMALL, "train", 1, self.small_rows, num_fine=4, num_global=2),
            # One caption of each granularity, as the test set of FCaps has.
            self._run(DEV, "validation", 0, self.dev_rows, num_fine=1, num_global=1),
            self._run(TEST, "test", 0, self.test_rows, num_fine=1, num_global=1),
        )

    def _run(self, name: str, split: Split, number: int, num_rows: int, *, num_fine: int, num_global: int) -> RunPlan:
        return RunPlan(
            name=name,
            split=split,
            number=number,
            num_rows=num_rows,
            num_fine=num_fine,
            num_global=num_global,
            seed=self.seed,
        )


BOTH_SHARE = 0.9
"""Steps of stage 1 where both stages are trained: most of the budget goes to the many recordings. The few of stage 2
stop helping on dev after some dozens of steps."""


class Variant(Record):
    """One way to spend the budget of training."""

    name: str
    """Also of its folder."""
    title: str
    stage_1_share: float
    """Of the steps; the rest is stage 2."""
    frames: bool
    """Whether the frame stream is learnt, in every stage."""


VARIANTS = (
    Variant(name="stage_1", title="stage 1 only", stage_1_share=1.0, frames=False),
    Variant(name="stage_2", title="stage 2 only", stage_1_share=0.0, frames=False),
    Variant(name="both", title="both", stage_1_share=BOTH_SHARE, frames=False),
    Variant(name="both_frames", title="both, frame stream", stage_1_share=BOTH_SHARE, frames=True),
)


class Stage(Record):
    """One training job of a variant."""

    name: str
    """Of its folder."""
    job: TrainJob
    first_step: int
    """Steps of the variant before this stage."""


def stages(variant: Variant, scale: Scale, corpus: Path, folder: Path) -> tuple[Stage, ...]:
    """The training jobs of a variant, in their order.

    Args:
        variant: how the budget is spent.
        scale: how large it is.
        corpus: folder of the runs.
        folder: of the variant; each stage trains in a folder of its own below it.
    """
    first_steps = round(scale.steps * variant.stage_1_share)
    found: list[Stage] = []
    if first_steps:
        job = _job(variant, scale, corpus, LARGE, steps=first_steps, captions=OneEach(), init_from=None)
        found.append(Stage(name="stage_1", job=job, first_step=0))
    if first_steps < scale.steps:
        job = _job(
            variant,
            scale,
            corpus,
            SMALL,
            steps=scale.steps - first_steps,
            captions=TwoTexts(kind="two_texts"),
            init_from=str(folder / "stage_1" / "best") if found else None,
        )
        found.append(Stage(name="stage_2", job=job, first_step=first_steps))
    return tuple(found)


def splits(corpus: Path) -> SeparateRuns:
    """All runs in their roles, as evaluation checks them for leaks."""
    return SeparateRuns(
        kind="runs",
        train=(str(corpus / LARGE), str(corpus / SMALL)),
        dev=(str(corpus / DEV),),
        test=(str(corpus / TEST),),
    )


def _job(
    variant: Variant,
    scale: Scale,
    corpus: Path,
    train: str,
    *,
    steps: int,
    captions: OneEach | TwoTexts,
    init_from: str | None,
) -> TrainJob:
    every = max(1, steps // _MEASUREMENTS)
    return TrainJob(
        data=DataConfig(
            splits=splits(corpus).model_copy(update={"train": (str(corpus / train),)}),
            max_s=None,
            batch_s=scale.batch_s,
            min_rows=2,
            num_workers=0,
        ),
        model=None if init_from else _model(scale, frames=variant.frames),
        init_from=init_from,
        captions=captions,
        objectives=Objectives(info_nce=InfoNce(), frames=Frames() if variant.frames else None),
        optimisation=Optimisation(
            steps=steps,
            learning_rate=_PEAK_AFTER_STAGE_1 if init_from else _PEAK,
            warmup_steps=min(_WARMUP_STEPS, steps // 10),
            weight_decay=_WEIGHT_DECAY,
        ),
        dev=DevConfig(every_steps=every),
        checkpoints=CheckpointConfig(every_steps=every, keep=1),
        seed=scale.seed,
        device="cpu",
    )


def _model(scale: Scale, *, frames: bool) -> DualEncoderConfig:
    return DualEncoderConfig(
        speech=MelTowerConfig(width=scale.width, num_layers=3, num_heads=4, num_mel_bins=64, dropout=_DROPOUT),
        text=SmallTextTowerConfig(
            width=scale.width, num_layers=2, num_heads=4, vocabulary_size=700, max_tokens=128, dropout=_DROPOUT
        ),
        embedding_size=scale.width,
        frames=FrameProjectorConfig(num_layers=1, num_heads=4, dropout=_DROPOUT) if frames else None,
    )
