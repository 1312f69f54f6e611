"""An evaluation job: which model, and on what it is measured.

Enters: YAML. Leaves: a validated `EvaluateJob`. A task is one evaluation set with one way of measuring; its name
stands in the report and in the names of pictures. Every default stands here and nowhere else. Imports no torch.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from fcaps_pipeline.jobs.job_file import Section, load_job_file
from fcaps_pipeline.learn.data.config import AnySource, AnySplits, Shared, SharedRuns
from fcaps_pipeline.learn.dual_encoder.config import Device
from fcaps_pipeline.records.captions import Granularity


class WholeRuns(Section):
    """Every row of some runs."""

    kind: Literal["whole"]
    runs: Annotated[tuple[AnySource, ...], Field(min_length=1)]
    """Runs, releases or other sources, as paths, URIs or patterns, or as `Source`."""
    allow_shared: tuple[Shared, ...] = ()
    """What the model may have been trained on of them; a note in the report says so."""


class _RowsTask(Section):
    splits: Annotated[AnySplits | WholeRuns, Field(discriminator="kind")]
    """The `splits` of the training job, copied: their test split is measured. Or `whole` runs. Either is refused where
    the model folder says that the model was trained on a speaker, a Recording or audio of what is measured."""

    @model_validator(mode="after")
    def _check_test(self) -> Self:
        splits = self.splits
        if isinstance(splits, SharedRuns):
            if splits.test_share == 0:
                raise ValueError("splits has test_share 0, so there is no test split; measure `whole` runs instead")
        elif not isinstance(splits, WholeRuns) and not splits.test:
            raise ValueError("splits names no test set; name one, or measure `whole` runs")
        return self


class RetrievalTask(_RowsTask):
    """Which caption fits a clip, and which clip fits a caption."""

    kind: Literal["retrieval"]
    granularities: Annotated[tuple[Granularity, ...], Field(min_length=1)] | None = None
    """Captions to search with, each of which must occur; None takes those that occur."""
    captions: Literal["all", "first", "last", "longest"] = "all"
    """Which captions of a clip count at each granularity. CLSP's recipe takes one per clip."""
    benchmark: Literal["CLSP retrieval test set"] | None = None
    """The published set that these rows are: without it no figure of a paper stands beside ours."""


class ZeroShotTask(Section):
    """Which label fits a clip, told from sentences about the labels."""

    kind: Literal["zero_shot"]
    corpus: Literal["ravdess", "crema_d", "iemocap"]
    """Whose folder and file names these are."""
    folder: str
    """Where the corpus was unpacked."""
    emotion: str | None = "zero_shot_emotion.v1"
    """Prompt file with the sentences about emotions; None leaves them out."""
    gender: str | None = "zero_shot_gender.v1"
    """The same for genders, where the corpus tells them."""
    age: str | None = "zero_shot_age.v1"
    """The same for ages, where the corpus tells them."""

    @model_validator(mode="after")
    def _check_questions(self) -> Self:
        if self.emotion is None and self.gender is None and self.age is None:
            raise ValueError("name a prompt for emotion, gender or age; all of them are left out")
        return self


class SimilarityTask(Section):
    """How well cosines follow what people said of pairs of clip and caption."""

    kind: Literal["similarity"]
    ratings: str
    """CSV file with the columns clip, caption, rating and, optionally, rater."""
    folder: str
    """Where the clips are; the column `clip` holds paths inside it."""
    benchmark: (
        Literal["CLSP style ratings, intrinsic", "CLSP style ratings, situational", "CLSP style ratings, both"] | None
    ) = None
    """The published set that these ratings are: without it no figure of a paper stands beside ours."""


class GroundingTask(_RowsTask):
    """When a phrase is heard, on rows with timed `events`; the model must have a frame projector."""

    kind: Literal["grounding"]
    threshold: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Probability that a frame of a phrase must exceed; None takes the one with the best mean IoU on dev."""
    median_frames: Annotated[int, Field(ge=1)] = 5
    """Width of the median filter over the frames of a phrase, odd."""
    max_labels: Annotated[int, Field(ge=0)] = 30
    """The most frequent phrases are the labels of event detection; 0 leaves event detection out."""

    @model_validator(mode="after")
    def _check_numbers(self) -> Self:
        if self.median_frames % 2 == 0:
            raise ValueError(f"median_frames {self.median_frames} must be odd")
        if self.threshold is None and isinstance(self.splits, WholeRuns):
            raise ValueError("whole runs have no dev split to choose the threshold on; give threshold")
        return self


Task = Annotated[RetrievalTask | ZeroShotTask | SimilarityTask | GroundingTask, Field(discriminator="kind")]
TaskName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]


class EvaluateJob(Section):
    """One evaluation, whole."""

    model: Annotated[str, Field(min_length=1)]
    """Model folder, such as `best` of a training run."""
    tasks: Annotated[dict[TaskName, Task], Field(min_length=1)]
    """What to measure, by name."""
    batch_s: Annotated[float, Field(gt=0)] = 120.0
    """Seconds of audio that are embedded together at most, padding included; a longer clip is alone."""
    num_workers: Annotated[int, Field(ge=0)] = 1
    """Processes that read and decode rows; 0 decodes between the batches."""
    bf16: bool = False
    """Compute in bfloat16."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Draws clips for the intervals."""
    device: Device = "auto"
    """`auto` takes the GPU where there is one."""

    def content(self) -> dict[str, Any]:
        """What decides the result: the job without where it runs."""
        return self.model_dump(mode="json", exclude={"device", "num_workers"})


def load_evaluate_job(path: Path, overrides: Sequence[str] = ()) -> EvaluateJob:
    """The job of a file; see `load_job_file`."""
    return load_job_file(EvaluateJob, path, overrides, "model and tasks")
