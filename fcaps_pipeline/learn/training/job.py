"""A training job: which shards, which model, what it learns from them, for how long, and how it is judged.

Enters: YAML. Leaves: a validated `TrainJob`; what contradicts itself is an error before anything is
read. What is learnt stands in `objective_config`. One model per section, each default once. Imports no torch.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from fcaps_pipeline.jobs.job_file import Section, load_job_file
from fcaps_pipeline.learn.data.config import DataConfig
from fcaps_pipeline.learn.dual_encoder.config import Device, DualEncoderConfig
from fcaps_pipeline.learn.training.objective_config import Objectives, OneEach, TwoTexts
from fcaps_pipeline.records.captions import Granularity

Metric = Literal["mean_map_at_10", "mean_recall_at_1"]


class Optimisation(Section):
    """How long and how fast."""

    steps: Annotated[int, Field(ge=1)] | None = None
    """Batches to train on; give steps or epochs."""
    epochs: Annotated[int, Field(ge=1)] | None = None
    """Passes over the train split."""
    learning_rate: Annotated[float, Field(gt=0)] = 1e-4
    """The highest; it rises linearly and falls as half a cosine."""
    warmup_steps: Annotated[int, Field(ge=0)] = 0
    """Steps of the rise."""
    final_share: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Learning rate of the last step as a share of the highest."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    """Of matrices; vectors and scales do not decay."""
    clip_gradient: Annotated[float, Field(gt=0)] | None = 1.0
    """Greatest norm of the gradient; None leaves it."""
    chunk_rows: Annotated[int, Field(ge=1)] | None = None
    """Rows of a rank that are backpropagated together; a batch of more is cached. None takes all at once."""
    bf16: bool = False
    """Compute in bfloat16; weights stay in float32."""
    activation_checkpointing: bool = False
    """Compute activations again instead of keeping them."""
    compile: bool = False
    """Compile both towers."""
    ema_decay: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Average the weights with this decay; the average is what is evaluated and released."""

    @model_validator(mode="after")
    def _check_length(self) -> Self:
        if (self.steps is None) == (self.epochs is None):
            raise ValueError("give either steps or epochs")
        if self.steps is not None and self.warmup_steps >= self.steps:
            raise ValueError(f"warmup_steps {self.warmup_steps} must be below steps {self.steps}")
        return self


class DevConfig(Section):
    """How the dev split is measured; it alone chooses the checkpoint."""

    every_steps: Annotated[int, Field(ge=1)] = 500
    """Steps between measurements; the last step is always measured."""
    metric: Metric = "mean_map_at_10"
    """Whose highest value is the best checkpoint: a mean over granularities and directions."""
    max_rows: Annotated[int, Field(ge=2)] = 2000
    """Rows of dev that are embedded at most, spread evenly over it."""


class CheckpointConfig(Section):
    """What is kept of the run."""

    every_steps: Annotated[int, Field(ge=1)] = 500
    """Steps that a kill loses at most; the last step and each best one are saved too."""
    keep: Annotated[int, Field(ge=1)] = 2
    """Newest checkpoints kept, beside the best one."""


class TrainJob(Section):
    """One training run, whole."""

    data: DataConfig
    """Shards and batches."""
    model: DualEncoderConfig | None = None
    """A new model; None starts from `init_from`."""
    init_from: str | None = None
    """Model folder to go on from, such as `best` of an earlier run: stages are jobs of their own."""
    captions: Annotated[OneEach | TwoTexts, Field(discriminator="kind")] = OneEach()
    """Which texts each row brings."""
    objectives: Objectives
    """What is learnt from rows and texts."""
    optimisation: Optimisation
    """Length, learning rate, memory."""
    dev: DevConfig = DevConfig()
    checkpoints: CheckpointConfig = CheckpointConfig()
    seed: Annotated[int, Field(ge=0)] = 0
    """Decides new weights, batches, crops, captions and dropout."""
    device: Device = "auto"
    """`auto` takes the GPU where there is one."""

    @model_validator(mode="after")
    def _check_model(self) -> Self:
        if (self.model is None) == (self.init_from is None):
            raise ValueError("give either model (a new one) or init_from (a model folder)")
        if self.objectives.frames and self.model and self.model.frames is None:
            raise ValueError("objectives.frames needs model.frames, the projector of frames")
        return self

    def content(self) -> dict[str, Any]:
        """What decides the result: the job without where it runs and what it keeps."""
        dump = self.model_dump(mode="json", exclude={"device", "checkpoints"})
        del dump["data"]["num_workers"], dump["optimisation"]["compile"]
        return dump

    @property
    def granularities(self) -> frozenset[Granularity]:
        """Those that every row must have a caption of."""
        return frozenset(self.captions.granularities) if isinstance(self.captions, OneEach) else frozenset()

    @property
    def dev_granularities(self) -> tuple[Granularity, ...]:
        """Those that dev is measured with."""
        return self.captions.granularities if isinstance(self.captions, OneEach) else tuple(Granularity)


def load_train_job(path: Path, overrides: Sequence[str] = ()) -> TrainJob:
    """The job of a file; see `load_job_file`."""
    return load_job_file(TrainJob, path, overrides, "data, model, objectives and optimisation")
