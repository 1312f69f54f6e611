"""The rows that an evaluation reads: the test split of a training job, or whole runs.

Enters: the `splits` of a task, what the model was trained on. Leaves: catalogues, checked for leaks.
"""

from dataclasses import dataclass, replace

from fcaps_pipeline.errors import UsageError
from fcaps_pipeline.learn.data.catalogue import Catalogue
from fcaps_pipeline.learn.data.config import AnySplits, named
from fcaps_pipeline.learn.data.sources import missing_audio, read_catalogue
from fcaps_pipeline.learn.data.splits import read_splits
from fcaps_pipeline.learn.data.training_hashes import TrainingHashes
from fcaps_pipeline.learn.evaluation.job import WholeRuns


@dataclass(frozen=True)
class EvaluationRows:
    """What is measured, and what may be chosen on."""

    test: Catalogue
    dev: Catalogue | None
    """None for whole runs."""
    notes: tuple[str, ...]
    """What could not be checked, what is missing, and what the rows have in common with those of training."""


_UNCHECKED = (
    "Not checked: whether the model was trained on these rows or voices, for its folder does not say what it was "
    "trained on."
)
_PARTLY_CHECKED = (
    "Not checked: whether the first stage of the model was trained on these rows or voices, for it started from a "
    "folder that does not say what that was trained on."
)


def read_evaluation_rows(splits: AnySplits | WholeRuns, training_hashes: TrainingHashes | None) -> EvaluationRows:
    """Lists the rows.

    Args:
        splits: which.
        training_hashes: record of the model that is to be measured on them; None where there is none.

    Raises:
        UsageError: a run does not exist, a split is empty, two have something in common, or the model was trained on
            a speaker, a Recording or audio of the rows to measure.
        CorruptRunError: a run is not finished, of another version or damaged.
    """
    rows = _read(splits)
    if training_hashes is None:
        return replace(rows, notes=(_UNCHECKED, *rows.notes))
    name = "the measured runs" if rows.dev is None else "test"
    training_hashes.refuse(name, rows.test, "the model", splits.allow_shared)
    return rows if training_hashes.whole else replace(rows, notes=(_PARTLY_CHECKED, *rows.notes))


def _read(splits: AnySplits | WholeRuns) -> EvaluationRows:
    if isinstance(splits, WholeRuns):
        rows = read_catalogue(splits.runs)
        if not len(rows):
            raise UsageError(
                f"{', '.join(map(named, splits.runs))} holds no row; report.json of a run, or excluded/ of a release, "
                "tells what became of its Segments"
            )
        return EvaluationRows(rows, None, tuple(missing_audio(rows)))
    divided = read_splits(splits)
    assert divided.test is not None, "the job refuses splits without test"
    return EvaluationRows(divided.test, divided.dev, divided.notes)
