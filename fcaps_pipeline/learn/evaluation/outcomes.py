"""What the tasks of an evaluation came to: figures with intervals, and everything that was left out.

These records are `metrics.json`.
"""

from typing import Annotated, Any, Literal

from pydantic import Field

from fcaps_pipeline.learn.evaluation.corpora.published import Comparison
from fcaps_pipeline.learn.evaluation.embedder import BadItem
from fcaps_pipeline.learn.evaluation.metrics.classification import ClassificationScores
from fcaps_pipeline.learn.evaluation.metrics.detection import DetectionScores
from fcaps_pipeline.learn.evaluation.metrics.grounding import GroundingScores
from fcaps_pipeline.learn.evaluation.metrics.retrieval import RetrievalScores
from fcaps_pipeline.learn.evaluation.metrics.similarity import SimilarityScores
from fcaps_pipeline.records.base import Record


class _Outcome(Record):
    num_clips: int
    """Clips that were measured."""
    num_texts: int
    """Texts that were embedded, equal ones once."""
    num_cut_texts: int
    """Those of them that were longer than the text tower takes."""
    unit: str
    """What was drawn for the intervals, in the plural."""
    bad_items: tuple[BadItem, ...]
    """Rows and files that could not be used, every one by name."""
    notes: tuple[str, ...] = ()
    """What else to know of the figures."""
    comparisons: tuple[Comparison, ...] = ()


class RetrievalOutcome(_Outcome):
    """Of a retrieval task."""

    kind: Literal["retrieval"] = "retrieval"
    scores: RetrievalScores


class ZeroShotOutcome(_Outcome):
    """Of a zero-shot task."""

    kind: Literal["zero_shot"] = "zero_shot"
    scores: dict[str, ClassificationScores]
    """By question, such as `RAVDESS-8`."""
    sentences: dict[str, str]
    """Prompt file and its sha256, by question."""
    passed_over: dict[str, int]
    """Files of the corpus that give no clip, by reason."""
    corpus_lines: str
    """The same with names, as Markdown."""


class SimilarityOutcome(_Outcome):
    """Of a similarity task."""

    kind: Literal["similarity"] = "similarity"
    scores: SimilarityScores


class GroundingOutcome(_Outcome):
    """Of a grounding task."""

    kind: Literal["grounding"] = "grounding"
    scores: GroundingScores
    detection: DetectionScores | None
    """None where the job leaves it out."""


Outcome = Annotated[
    RetrievalOutcome | ZeroShotOutcome | SimilarityOutcome | GroundingOutcome, Field(discriminator="kind")
]


class EvaluationReport(Record):
    """A whole evaluation."""

    fcaps_version: str
    job: dict[str, Any]
    """What was asked, without where it ran."""
    model_sha256: str
    """Of the weights."""
    machine: str
    outcomes: dict[str, Outcome]
    """By task."""

    @property
    def num_bad_items(self) -> int:
        """Rows and files that could not be used, over all tasks."""
        return sum(len(outcome.bad_items) for outcome in self.outcomes.values())
