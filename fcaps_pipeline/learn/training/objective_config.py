"""What a training job learns: the sections for the captions of a row and for the losses.

One model per section; every default stands here and nowhere else. Imports no torch.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from fcaps_pipeline.jobs.job_file import Section
from fcaps_pipeline.records.captions import Granularity

_Weight = Annotated[float, Field(gt=0)]


class OneEach(Section):
    """Each row brings one caption of every granularity named."""

    kind: Literal["one_each"] = "one_each"
    granularities: Annotated[tuple[Granularity, ...], Field(min_length=1)] = (Granularity.FINE,)
    """A row without one of them is a bad row."""

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        if len(set(self.granularities)) != len(self.granularities):
            raise ValueError("granularities names one twice")
        return self


class TwoTexts(Section):
    """Stage 2 of CLSP: two captions per row, either one global and one fine, or two fine ones.

    Source: CLSP, arXiv 2601.03065.
    """

    kind: Literal["two_texts"]
    first_weight: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Lambda: share of the first caption in the speech-to-text target; the second has the rest."""
    first_share: Annotated[float, Field(ge=0, le=1)] = 0.95
    """Chance at the first step that a batch brings one global and one fine caption; it falls linearly."""
    last_share: Annotated[float, Field(ge=0, le=1)] = 0.50
    """The same chance at the last step."""


class InfoNce(Section):
    """Symmetric InfoNCE: each text finds its speech among the batch, and the reverse."""

    weight: _Weight = 1.0
    """Factor in the sum of losses."""


class Sigmoid(Section):
    """Every pair of speech and text is a question of its own (SigLIP)."""

    weight: _Weight = 1.0
    """Factor in the sum of losses."""


class Tags(Section):
    """Which tags hold for a row: its cosines with embedded tag wordings (ParaSpeechCLAP)."""

    weight: _Weight = 1.0
    """Factor in the sum of losses."""
    wordings: Annotated[dict[str, Annotated[tuple[str, ...], Field(min_length=1)]], Field(min_length=2)]
    """For each tag of the rows the texts that mean it; the tag is the mean of their embeddings."""
    positive_weight_cap: Annotated[float, Field(gt=1)] | None = None
    """A tag that holds weighs as much as those of its rows that lack it, up to this; None weighs all alike, and leaves
    the balance to the sampler."""
    max_repeats: Annotated[int, Field(ge=1)] = 1
    """Rows of rare tags come up to this many times per epoch; every row comes once at least."""


class Flips(Section):
    """Captions with one attribute changed, as texts that are wrong for their row."""

    weight: Annotated[float, Field(ge=0)] = 0.2
    """Factor of the choice between a caption and its changed copies. Source: recipe code of CLSP."""
    per_row: Annotated[int, Field(ge=1)] = 1
    """Changed copies of the first caption of a row, at most."""
    in_batch: bool = True
    """The copies also stand among the texts of InfoNCE and sigmoid, for their own row."""

    @model_validator(mode="after")
    def _check_use(self) -> Self:
        if self.weight == 0 and not self.in_batch:
            raise ValueError("weight 0 with in_batch false uses the copies nowhere; leave flips out")
        return self


class Frames(Section):
    """Which phrases are heard in which frame, on rows with timed events (FineLAP)."""

    weight: _Weight = 1.0
    """Factor in the sum of losses."""
    phrases_per_row: Annotated[int, Field(ge=2)] = 20
    """Phrases a row is asked about, its own included; the others happen elsewhere in the train split."""


class Objectives(Section):
    """What is learnt; any combination."""

    info_nce: InfoNce | None = None
    sigmoid: Sigmoid | None = None
    tags: Tags | None = None
    flips: Flips | None = None
    frames: Frames | None = None
    same: Literal["words", "claims"] = "words"
    """Which text of another row is no negative: one with the same words, or one that states the same of the voice."""

    @model_validator(mode="after")
    def _check_objectives(self) -> Self:
        if self.info_nce is None and self.sigmoid is None:
            raise ValueError("name info_nce or sigmoid: without one of them speech and captions share no space")
        return self
