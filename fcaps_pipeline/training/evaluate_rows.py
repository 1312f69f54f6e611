"""The rows that an evaluation reads: the test split of a training job, or whole runs.

Enters: the `splits` of a task. Leaves: catalogues, checked for leaks where they are splits.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from fcaps_pipeline.errors import UsageError
from fcaps_pipeline.resources import resolve_path
from fcaps_pipeline.training.catalogue import Catalogue, read_catalogue
from fcaps_pipeline.training.evaluate_job import WholeRuns
from fcaps_pipeline.training.job import SeparateRuns, SharedRuns
from fcaps_pipeline.training.splits import Splits, split_by_runs, split_by_share


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
        rows = _catalogue(splits.runs)
        if not len(rows):
            raise UsageError(
                f"{', '.join(splits.runs)} holds no row; its report.json tells what became of its Segments"
            )
        return EvaluationRows(rows, None)
    divided = _divide(splits)
    assert divided.test is not None, "the job refuses splits without test"
    return EvaluationRows(divided.test, divided.dev)


def _divide(splits: SeparateRuns | SharedRuns) -> Splits:
    if isinstance(splits, SharedRuns):
        return split_by_share(
            _catalogue(splits.runs), dev_share=splits.dev_share, test_share=splits.test_share, seed=splits.seed
        )
    return split_by_runs(_catalogue(splits.train), _catalogue(splits.dev), _catalogue(splits.test))


def _catalogue(runs: Sequence[str]) -> Catalogue:
    return read_catalogue([resolve_path(run) for run in runs])
