"""The section `data` of a job: which runs or releases, how they are divided into splits, how rows become batches."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from fcaps_pipeline.jobs.job_file import Section

_Runs = Annotated[tuple[str, ...], Field(min_length=1)]
_Names = Annotated[tuple[str, ...], Field(min_length=1)]
_Share = Annotated[float, Field(ge=0, lt=1)]


class SeparateRuns(Section):
    """Each split is a run of its own; a speaker, Recording or audio in two of them is refused."""

    kind: Literal["runs"]
    train: _Runs
    """Run or release folders to train on."""
    dev: _Runs
    """Those that choose the checkpoint."""
    test: tuple[str, ...] = ()
    """Those kept for `fcaps evaluate`; training reads no more of them than who speaks, to keep them apart."""

    @property
    def folders(self) -> tuple[str, ...]:
        """All that are read."""
        return (*self.train, *self.dev, *self.test)


class SharedRuns(Section):
    """All runs together, divided by a hash of the speaker, or of the Recording where it has no speaker."""

    kind: Literal["share"] = "share"
    runs: _Runs
    """Run or release folders."""
    dev_share: Annotated[float, Field(gt=0, lt=1)] = 0.05
    """Expected share of speakers in dev."""
    test_share: _Share = 0.05
    """Expected share of speakers in test, kept for `fcaps evaluate`."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Another seed divides otherwise. It is not the seed of training, which may change and leave the test split."""

    @property
    def folders(self) -> tuple[str, ...]:
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
    releases: _Runs
    """Release folders of `fcaps release build`; rows of all of them are taken together."""
    train: _Names = ("train",)
    """Their splits to train on."""
    dev: _Names = ("validation",)
    """Those that choose the checkpoint."""
    test: tuple[str, ...] = ("test",)
    """Those kept for `fcaps evaluate`; an empty list where there are none."""

    @property
    def folders(self) -> tuple[str, ...]:
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
    pool_row_groups: Annotated[int, Field(ge=1)] = 8
    """Row groups that are shuffled with each other. A loader worker holds them, and up to as many of the next."""
    num_workers: Annotated[int, Field(ge=0)] = 2
    """Processes per rank that read and decode; 0 decodes between the steps."""
