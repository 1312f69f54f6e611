"""RELEASE.yaml: what a release is made of, which rows and columns it has, and how it is divided.

Enters: a YAML file. Leaves: a frozen `Recipe`. Only `name`, `version` and `runs` must be there.
"""

from datetime import date
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from fcaps_pipeline.jobs.job_file import Section, load_job_file

Text = Annotated[str, Field(min_length=1)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,95}$")]
Version = Annotated[str, Field(pattern=r"^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)$")]


def _not_reserved(name: str) -> str:
    if name == "unit":
        raise ValueError("files of runs are called so; choose another name")
    if name.lower() == "all":
        raise ValueError("datasets keeps this name for all splits together; choose another")
    return name


SplitName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,31}$"), AfterValidator(_not_reserved)]
Share = Annotated[float, Field(gt=0, le=1)]

_SHARE_TOLERANCE = 1e-6


class CaptionRules(Section):
    """Which captions are taken; a row that keeps none of a granularity it needs is left out."""

    min_global: Annotated[int, Field(ge=0)] = 0
    """Global captions that a row must have."""
    min_fine: Annotated[int, Field(ge=0)] = 0
    """Fine captions that a row must have."""
    max_global: Annotated[int, Field(ge=1)] | None = None
    """Global captions of a row at most, the best first; None for all."""
    max_fine: Annotated[int, Field(ge=1)] | None = None
    """Fine captions of a row at most, the best first; None for all."""
    min_characters: Annotated[int, Field(ge=0)] = 0
    """Shorter fine captions are left out."""
    max_characters: Annotated[int, Field(ge=1)] | None = None
    """Longer fine captions are left out; None for no bound."""
    without: tuple[Text, ...] = ()
    """Regular expressions, without regard to case; a caption in which one is found is left out."""


class HeldOut(Section):
    """Rows of a benchmark, which must not be in the release."""

    name: Text
    """Of the benchmark, for the card and for `excluded`."""
    by: Literal["audio_sha256", "recording_sha256", "speaker", "recording_id", "segment_id"]
    """What the list holds."""
    list: Text
    """A text file with one value a line."""


class RowRules(Section):
    """Which rows of the runs are taken."""

    licenses: tuple[Text, ...] | None = None
    """Allowed values of `license`; None for all. A row without a license is left out where this is given."""
    languages: tuple[Text, ...] | None = None
    """Allowed values of `language`, as BCP 47; `en` allows `en-GB` too. None for all."""
    attributes: dict[Text, tuple[Text, ...]] = Field(default_factory=dict)
    """Allowed values by column of the profile, for example `gender: [female]`."""
    captions: CaptionRules = CaptionRules()
    """Rules of captions."""
    duplicates: Literal["drop", "keep"] = "drop"
    """Whether of rows with the same samples only the first is taken."""
    held_out: tuple[HeldOut, ...] = ()
    """Benchmarks whose rows are left out."""


class SplitRules(Section):
    """How rows are divided. What shares a speaker, a Recording or its samples is never divided."""

    shares: dict[SplitName, Share] = Field(default_factory=lambda: {"train": 0.9, "validation": 0.05, "test": 0.05})
    """Share of the speakers (of the Recordings where no speaker is known) in each split, by a hash."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Another seed divides otherwise."""
    by: Literal["speaker", "recording", "source"] = "speaker"
    """What is hashed and held in lists; by Recording, a speaker may stand in several splits. By `source`, rows stay in
    the split that they have in the release they are taken from, and neither shares nor lists count."""
    lists: dict[SplitName, Text] = Field(default_factory=dict)
    """Text files with one speaker (or Recording id) a line, whose rows go into that split before shares count."""

    @model_validator(mode="after")
    def _check_shares(self) -> Self:
        if abs(sum(self.shares.values()) - 1) > _SHARE_TOLERANCE:
            raise ValueError(f"shares add up to {sum(self.shares.values()):g}, expected 1")
        return self


class CardText(Section):
    """What the dataset card says that no column tells."""

    title: Text | None = None
    """Human name; the name of the release by default."""
    description: Text | None = None
    """A paragraph on what this is."""
    license: Text | None = None
    """License of the captions, as the Hub spells it, for example `cc-by-nc-sa-4.0`."""
    homepage: Text | None = None
    """Address of the project."""
    citation: Text | None = None
    """BibTeX or a plain reference."""
    published: date | None = None
    """Day of publication, as YYYY-MM-DD; Croissant recommends to say it."""
    limits: tuple[Text, ...] = ()
    """Known limits beside those that the figures tell."""


class Recipe(Section):
    """What `fcaps release build` makes."""

    name: Name
    """Of the dataset."""
    version: Version
    """MAJOR.MINOR.PATCH; with `parent`, one that is too low for what changed is refused."""
    runs: Annotated[tuple[Text, ...], Field(min_length=1)]
    """Finished runs or releases that rows are taken from: paths or addresses; a Segment in two counts once."""
    parent: Text | None = None
    """Folder of the version before: it is compared with, and its tombstones and removals are kept."""
    rows: RowRules = RowRules()
    """Which rows are taken."""
    without_columns: tuple[Text, ...] = ()
    """Columns of `data` that are left out; those that readers need cannot be."""
    audio: Literal["embed", "reference"] = "embed"
    """Whether rows hold their samples, or only say where the audio lies."""
    candidates: bool = True
    """Whether all answers of the model about the rows come along."""
    splits: SplitRules = SplitRules()
    """How rows are divided."""
    shard_mb: Annotated[int, Field(ge=1, le=5000)] = 500
    """Size that files of `data` are aimed at, in megabytes."""
    overrides: Text | None = None
    """Table of human corrections: CSV, JSONL or Parquet."""
    card: CardText = CardText()
    """For the dataset card."""


def read_recipe(path: Path) -> Recipe:
    """Reads and validates RELEASE.yaml.

    Raises:
        JobError: it is missing, is not YAML, or does not describe a release.
    """
    return load_job_file(Recipe, path, (), "name, version and runs")
