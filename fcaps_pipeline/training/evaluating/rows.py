"""The rows that an evaluation reads: the test split of a training job, or whole runs.

Enters: the `splits` of a task. Leaves: catalogues, checked for leaks where they are splits.
"""

from dataclasses import dataclass

from fcaps_pipeline.errors import UsageError
from fcaps_pipeline.training.data.catalogue import Catalogue
from fcaps_pipeline.training.data.splits import read_runs, read_splits
from fcaps_pipeline.training.evaluating.job import WholeRuns
from fcaps_pipeline.training.job import SeparateRuns, SharedRuns


@dataclass(frozen=True)
class EvaluationRows:
    """What is measured, and what may be chosen on."""

    test: Catalogue
    dev: Catalogue | None
    """None for whole runs."""


def read_evaluation_rows(splits: SeparateRuns | SharedRuns | WholeRuns) -> EvaluationRows:
    """Lists the rows.

    Raises:
        UsageError: a run does not exist, a split is empty, or two have something in common.
        CorruptRunError: a run is not finished, of another version or damaged.
    """
    if isinstance(splits, WholeRuns):
        rows = read_runs(splits.runs)
        if not len(rows):
            raise UsageError(
                f"{', '.join(splits.runs)} holds no row; its report.json tells what became of its Segments"
            )
        return EvaluationRows(rows, None)
    divided = read_splits(splits)
    assert divided.test is not None, "the job refuses splits without test"
    return EvaluationRows(divided.test, divided.dev)
