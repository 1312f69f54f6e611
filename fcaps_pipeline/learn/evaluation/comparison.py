"""Whether one model is better than another: differences of figures over the same queries, with paired intervals.

Enters: the folders of two evaluations. Leaves: for each figure both values and their difference, whose interval comes
from drawing the same speakers (or what else is drawn) for both. What was measured differently is refused.
Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13; pairs drawn by cluster.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from fcaps_pipeline.errors import UsageError
from fcaps_pipeline.learn.evaluation.evaluate import METRICS
from fcaps_pipeline.learn.evaluation.metrics.confidence import Estimate, Positions, metric_estimates
from fcaps_pipeline.learn.evaluation.outcomes import EvaluationReport, Outcome
from fcaps_pipeline.learn.evaluation.queries import FIGURES, Figures, QuerySet, queries_file, read_queries
from fcaps_pipeline.learn.evaluation.tables import markdown_table
from fcaps_pipeline.records.base import Record
from fcaps_pipeline.release.grouping import hash_text

_OF_THE_MODEL = frozenset({"model", "bf16", "batch_s"})
"""Keys of a job that say who was measured and not on what."""


class Difference(Record):
    """One figure of two models."""

    task: str
    name: str
    """Of the set of queries, such as `fine, speech to text`."""
    figure: str
    first: float
    second: float
    difference: Estimate
    """Second minus first; `num_items` is what was drawn from."""
    unit: str
    num_queries: int

    @property
    def is_apart(self) -> bool:
        """Whether the interval leaves 0 out."""
        return self.difference.low > 0 or self.difference.high < 0


def compare_evaluations(first: Path, second: Path) -> tuple[Difference, ...]:
    """Compares task by task.

    Args:
        first: folder of an evaluation.
        second: of another model, measured by the same job.

    Raises:
        UsageError: a folder is no evaluation, the two measured differently, or other queries.
    """
    one, other = _read(first), _read(second)
    _refuse_other_job(one, other)
    return tuple(
        difference
        for task, outcome in one.outcomes.items()
        for difference in _of_task(task, outcome, (first, second), seed=int(one.job["seed"]))
    )


def difference_table(differences: Sequence[Difference]) -> str:
    """One row per figure of two models; a star where the interval of the difference leaves 0 out."""
    header = ("task, queries", "figure", "first", "second", "second - first", "queries", "drawn")
    rows = [
        (
            f"{one.task}, {one.name}",
            one.figure,
            f"{one.first:.3f}",
            f"{one.second:.3f}",
            f"{one.difference.value:+.3f} [{one.difference.low:+.3f}, {one.difference.high:+.3f}]"
            + ("*" if one.is_apart else ""),
            f"{one.num_queries}",
            f"{one.difference.num_items} {one.unit}",
        )
        for one in differences
    ]
    return markdown_table(header, rows) + "\n\\* the interval of 95 % leaves 0 out\n"


def _read(folder: Path) -> EvaluationReport:
    try:
        return EvaluationReport.model_validate(json.loads((folder / METRICS).read_bytes()))
    except OSError as error:
        raise UsageError(f"{folder} is no folder of an evaluation: it has no {METRICS}; run fcaps evaluate") from error
    except ValueError as error:
        raise UsageError(f"{folder / METRICS} is of another version or damaged; run fcaps evaluate again") from error


def _refuse_other_job(one: EvaluationReport, other: EvaluationReport) -> None:
    for key in one.job.keys() | other.job.keys():
        if key in _OF_THE_MODEL or one.job.get(key) == other.job.get(key):
            continue
        raise UsageError(
            f"the two were not measured alike: {_first_difference(key, one.job.get(key), other.job.get(key))}; "
            "evaluate both with the same tasks"
        )


def _first_difference(key: str, one: object, other: object) -> str:
    if isinstance(one, dict) and isinstance(other, dict):
        for name in sorted(one.keys() | other.keys()):
            if one.get(name) != other.get(name):
                return _first_difference(f"{key}.{name}", one.get(name), other.get(name))
    return f"{key} is {json.dumps(one)} in the first and {json.dumps(other)} in the second"


def _of_task(task: str, outcome: Outcome, folders: tuple[Path, Path], *, seed: int) -> Iterator[Difference]:
    first, second = (read_queries(queries_file(folder, task), outcome.kind) for folder in folders)
    for name in sorted(first.keys() | second.keys()):
        if name not in first or name not in second or first[name].queries != second[name].queries:
            raise UsageError(
                f"task {task}, {name}: the two measured other queries ({_count(first.get(name))} and "
                f"{_count(second.get(name))}); the reports name what was left out of each"
            )
        rng = np.random.default_rng([seed, hash_text(task), hash_text(name)])
        yield from _differences(task, outcome.unit, first[name], second[name], FIGURES[outcome.kind], rng)


def _count(queries: QuerySet | None) -> int:
    return 0 if queries is None else len(queries.queries)


def _differences(
    task: str, unit: str, first: QuerySet, second: QuerySet, figures: Figures, rng: np.random.Generator
) -> Iterator[Difference]:
    def values(of: QuerySet, positions: Positions) -> np.ndarray:
        return np.array(figures.compute(*(of.columns[name][positions] for name in figures.columns)))

    whole = np.arange(len(first.queries))
    _, groups_N = np.unique(first.units, return_inverse=True)
    estimates = metric_estimates(
        lambda positions: (values(second, positions) - values(first, positions)).tolist(),
        len(whole),
        rng,
        groups_N=groups_N,
    )
    for name, one, other, difference in zip(
        figures.names, values(first, whole), values(second, whole), estimates, strict=True
    ):
        yield Difference(
            task=task,
            name=first.name,
            figure=name,
            first=float(one),
            second=float(other),
            difference=difference,
            unit=unit,
            num_queries=len(whole),
        )
