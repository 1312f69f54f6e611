"""Trains and measures one variant, with one thread, so that several share the cores.

Enters: a variant, the scale, folders. Leaves: training runs, the evaluation and `result.json` in its folder. A killed
variant goes on from its last checkpoint; a finished one is read back.
"""

from collections.abc import Callable
from pathlib import Path

import torch

from fcaps_pipeline.lab.bench.retrieval.grounding import ground
from fcaps_pipeline.lab.bench.retrieval.jobs import Scale, Stage, Variant, splits, stages
from fcaps_pipeline.learn.data.batches import BadRow
from fcaps_pipeline.learn.evaluation.evaluate import evaluate
from fcaps_pipeline.learn.evaluation.job import EvaluateJob, GroundingTask, RetrievalTask
from fcaps_pipeline.learn.evaluation.metrics.grounding import GroundingScores
from fcaps_pipeline.learn.evaluation.metrics.retrieval import RetrievalScores
from fcaps_pipeline.learn.evaluation.outcomes import RetrievalOutcome
from fcaps_pipeline.learn.training.metrics_log import Entry, read_log
from fcaps_pipeline.learn.training.report import TrainingReport
from fcaps_pipeline.learn.training.run_folder import TrainLayout
from fcaps_pipeline.learn.training.trainer import train
from fcaps_pipeline.records.base import Record
from fcaps_pipeline.records.captions import Granularity
from fcaps_pipeline.storage.files import write_durably, writing

_RESULT = "result.json"
_TASK = "test"

Note = Callable[[str], None]


class Point(Record):
    """A measurement of dev."""

    step: int
    """Over all stages of the variant."""
    map_at_10: dict[Granularity, float]
    """Mean of both directions, of the granularities that the stage measures."""


class VariantResult(Record):
    """What one variant came to."""

    variant: Variant
    retrieval: RetrievalScores
    unit: str
    """What was drawn for the intervals."""
    grounding: GroundingScores
    best_steps: dict[str, int]
    """Step of the checkpoint that dev chose, by stage."""
    num_rows_heard: int
    """Rows of all training batches."""
    train_s: float
    """Time of all steps, those before a kill included."""
    machine: str
    curve: tuple[Point, ...]


def run_variant(variant: Variant, scale: Scale, corpus: Path, folder: Path, note: Note) -> VariantResult:
    """Trains the stages that are left, then reads the test split once.

    Args:
        variant: how the budget is spent.
        scale: how large it is.
        corpus: folder of the runs.
        folder: of the variant.
        note: told of progress, line by line.

    Raises:
        FcapsError: as `train` and `evaluate` raise.
    """
    path = folder / _RESULT
    if path.is_file():
        return VariantResult.model_validate_json(path.read_bytes())
    torch.set_num_threads(1)
    taken = stages(variant, scale, corpus, folder)
    reports = {stage.name: _train(stage, variant, folder, note) for stage in taken}
    best = folder / taken[-1].name / "best"
    retrieval = RetrievalTask(kind="retrieval", splits=splits(corpus))
    job = EvaluateJob(model=str(best), tasks={_TASK: retrieval}, num_workers=0, seed=scale.seed, device="cpu")
    note(f"{variant.title}: reading the test split")
    measured = evaluate(job, folder / "evaluation", _Silent())
    outcome = measured.outcomes[_TASK]
    assert isinstance(outcome, RetrievalOutcome)
    # Event detection over hundreds of clips takes minutes of PSDS, which the budget of the benchmark has not.
    grounding = GroundingTask(kind="grounding", splits=splits(corpus), max_labels=0)
    grounded = ground(best, grounding, _Silent(), scale.seed)
    result = VariantResult(
        variant=variant,
        retrieval=outcome.scores,
        unit=outcome.unit,
        grounding=grounded.scores,
        best_steps={name: one.state.best.step for name, one in reports.items() if one.state.best},
        num_rows_heard=sum(one.state.num_rows for one in reports.values()),
        train_s=sum(one.state.step_s for one in reports.values()),
        machine=measured.machine,
        curve=tuple(point for stage in taken for point in _curve(stage, folder)),
    )
    with writing(path):
        write_durably(path, result.model_dump_json(indent=1))
    return result


def _train(stage: Stage, variant: Variant, folder: Path, note: Note) -> TrainingReport:
    report = train(stage.job, folder / stage.name, _TrainingNotes(f"{variant.title}, {stage.name}", note))
    assert report is not None, "a single process leads"
    return report


def _curve(stage: Stage, folder: Path) -> list[Point]:
    entries = [entry for entry in read_log(TrainLayout(folder / stage.name).log) if entry["event"] == "dev"]
    return [Point(step=stage.first_step + entry["step"], map_at_10=_means(entry)) for entry in entries]


def _means(entry: Entry) -> dict[Granularity, float]:
    names = {one: [f"{one}.{side}.map_at_10" for side in ("speech_to_text", "text_to_speech")] for one in Granularity}
    return {one: sum(entry[name] for name in pair) / 2 for one, pair in names.items() if pair[0] in entry}


class _TrainingNotes:
    """Says what dev says, and names every bad row."""

    def __init__(self, name: str, note: Note) -> None:
        self._name, self._note = name, note

    def on_train_begin(self, num_steps: int, done: int) -> None:
        self._note(f"{self._name}: {num_steps} steps" + (f", {done} of them taken" if done else ""))

    def on_step(self, step: int, loss: float) -> None:
        """Steps are too many to tell of."""

    def on_dev_evaluated(self, step: int, metric: str, value: float) -> None:
        self._note(f"{self._name}: {metric} {value:.4f} on dev after step {step}")

    def on_bad_row(self, split: str, row: BadRow) -> None:
        self._note(f"{self._name}: bad row in {split}: {row.segment_id}: {row.reason}")


class _Silent:
    """Evaluation takes seconds."""

    def on_begin(self, what: str, total: int) -> None:
        """Nothing to say."""

    def on_advance(self, num_items: int, note: str = "") -> None:
        """Nothing to say."""
