"""A training job: which shards, which model, what it learns from them, for how long, and how it is judged.

Enters: YAML. Leaves: a validated `TrainJob`; what contradicts itself is an error before anything is read. What is
learnt stands in `objective_config`, how in `optimisation_config`. One model per section, each default once. Imports no
torch.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from fcaps_pipeline.jobs.job_file import Section, load_job_file
from fcaps_pipeline.learn.data.config import DataConfig
from fcaps_pipeline.learn.dual_encoder.config import Device, DualEncoderConfig
from fcaps_pipeline.learn.training.objective_config import Objectives, OneEach, TwoTexts
from fcaps_pipeline.learn.training.optimisation_config import Optimisation
from fcaps_pipeline.records.captions import Granularity

Metric = Literal["mean_map_at_10", "mean_recall_at_1"]


_MAY_CHANGE: Any = {
    "data": {"num_workers"},
    "optimisation": {"steps", "epochs", "chunk_rows", "activation_checkpointing", "compile", "shard"},
    "dev": {"every_steps"},
    "checkpoints": True,
    "device": True,
}


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
        """What decides the result."""
        return self.model_dump(mode="json", exclude=_MAY_CHANGE)

    def circumstances(self) -> dict[str, Any]:
        """What a run may go on with changed: how long, where, in how much memory, and how often it is looked at."""
        return self.model_dump(mode="json", include=_MAY_CHANGE)

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
