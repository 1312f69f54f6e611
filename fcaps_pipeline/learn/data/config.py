"""The section `data` of a job: which runs or releases, how they are divided into splits, how rows become batches."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from fcaps_pipeline.jobs.job_file import Section
from fcaps_pipeline.jobs.sources import RecordingField
from fcaps_pipeline.learn.data.augmentation_config import NO_AUGMENTATION, Augmentation


class Source(Section):
    """Rows with captions, with more to say of them than where they are."""

    path: str
    """Folder of a run or a release; Parquet files, as a folder or a pattern such as `s3://bucket/data/*.parquet`, of
    the same columns or as `datasets` writes them; JSONL of Lhotse cuts as FCaps publishes them; tars of WebDataset."""
    weight: Annotated[float, Field(gt=0)] = 1.0
    """How often its rows come in an epoch of training: 2 is twice, 0.5 is every second time."""
    audio_root: str | None = None
    """Folder that relative paths of audio start from; None for that of the list."""
    max_missing: Annotated[int, Field(ge=0)] = 0
    """Recordings whose audio may be missing; they are left out and counted in the report."""
    fields: dict[RecordingField, str | None] = Field(default_factory=dict)
    """Names that tars and datasets have for what we take, `{speaker: speaker_id}`; captions are `global_captions` and
    `fine_captions`, or `short_captions` and `long_captions`, each a text or a list of texts."""


AnySource = str | Source


def named(source: AnySource) -> str:
    """The path of a source."""
    return source.path if isinstance(source, Source) else source


_Sources = Annotated[tuple[AnySource, ...], Field(min_length=1)]
_Names = Annotated[tuple[str, ...], Field(min_length=1)]
Shared = Literal["speaker", "recording"]
_Share = Annotated[float, Field(ge=0, lt=1)]


class SeparateRuns(Section):
    """Each split is a run of its own; a speaker, Recording or audio in two of them is refused."""

    kind: Literal["runs"]
    train: _Sources
    """Runs, releases or other sources to train on, as paths, URIs or patterns, or as `Source`."""
    dev: _Sources
    """Those that choose the checkpoint."""
    test: tuple[AnySource, ...] = ()
    """Those kept for `fcaps evaluate`; training reads no more of them than who speaks, to keep them apart."""
    allow_shared: tuple[Shared, ...] = ()
    """What two splits may have in common, as published splits share speakers; a note in every report says so."""

    @property
    def sources(self) -> tuple[AnySource, ...]:
        """All that are read."""
        return (*self.train, *self.dev, *self.test)


class SharedRuns(Section):
    """All runs together, divided by a hash of the speaker, or of the Recording where it has no speaker."""

    kind: Literal["share"] = "share"
    runs: _Sources
    """Runs, releases or other sources, as paths, URIs or patterns, or as `Source`."""
    dev_share: Annotated[float, Field(gt=0, lt=1)] = 0.05
    """Expected share of speakers in dev."""
    test_share: _Share = 0.05
    """Expected share of speakers in test, kept for `fcaps evaluate`."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Another seed divides otherwise. It is not the seed of training, which may change and leave the test split."""

    @property
    def allow_shared(self) -> tuple[Shared, ...]:
        """Nothing: what is divided here is kept apart."""
        return ()

    @property
    def sources(self) -> tuple[AnySource, ...]:
        """All that are read."""
        return self.runs

    @model_validator(mode="after")
    def _check_shares(self) -> Self:
        if self.dev_share + self.test_share >= 1:
            raise ValueError(f"dev_share {self.dev_share} and test_share {self.test_share} leave nothing to train on")
        return self


class ReleaseSplits(Section):
    """The splits of releases as they were built; a speaker, Recording or audio in two of them is refused."""

    kind: Literal["release"]
    releases: _Sources
    """Release folders of `fcaps release build`; rows of all of them are taken together."""
    train: _Names = ("train",)
    """Their splits to train on."""
    dev: _Names = ("validation",)
    """Those that choose the checkpoint."""
    test: tuple[str, ...] = ("test",)
    """Those kept for `fcaps evaluate`; an empty list where there are none."""
    allow_shared: tuple[Shared, ...] = ()
    """What two splits may have in common; a note in every report says so."""

    @property
    def sources(self) -> tuple[AnySource, ...]:
        """All that are read."""
        return self.releases

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        names = (*self.train, *self.dev, *self.test)
        if doubled := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"split {doubled[0]} is named twice; each split has one use")
        return self


AnySplits = SeparateRuns | SharedRuns | ReleaseSplits


class DataConfig(Section):
    """Where rows come from and how they become batches."""

    splits: Annotated[AnySplits, Field(discriminator="kind")]
    """Folders of runs or releases and their division into train, dev and test."""
    min_s: Annotated[float, Field(gt=0)] | None = None
    """Rows of train and dev that are shorter are left out and counted; None keeps them."""
    max_s: Annotated[float, Field(gt=0)] | None = 10.0
    """Longer audio is cropped at random to this; None keeps it whole."""
    batch_s: Annotated[float, Field(gt=0)] = 320.0
    """Seconds of a batch over all ranks at most, padding included; `SamplerSettings` names the one exception."""
    min_rows: Annotated[int, Field(ge=2)] = 8
    """Rows of a batch at least; as many as there are ranks, or more."""
    apart: Literal["speaker", "recording"] | None = None
    """What two rows of a batch do not have in common, as far as the rows allow; None leaves it to chance."""
    augmentation: Augmentation = NO_AUGMENTATION
    """What is done to clips of train each time they come; nothing by default."""
    num_workers: Annotated[int, Field(ge=0)] = 2
    """Processes per rank that read and decode; 0 decodes between the steps."""
