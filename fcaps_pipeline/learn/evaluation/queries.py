"""What became of every query of an evaluation, on file, so that two models can be compared query by query.

Enters: the queries of one task. Leaves: `queries-TASK.parquet`, one row per query: the set of figures it counts in,
its name, what is drawn with it for intervals, and the numbers from which every figure of its kind follows.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from fcaps_pipeline.errors import UsageError
from fcaps_pipeline.learn.evaluation.metrics.classification import label_figures
from fcaps_pipeline.learn.evaluation.metrics.retrieval import rank_figures
from fcaps_pipeline.learn.evaluation.metrics.similarity import correlations
from fcaps_pipeline.storage.files import writing

Kind = Literal["retrieval", "zero_shot", "similarity", "grounding"]
Column = npt.NDArray[Any]


@dataclass(frozen=True)
class Figures:
    """The figures of one kind of task."""

    names: tuple[str, ...]
    columns: tuple[str, ...]
    """Of a query, what they follow from."""
    compute: Callable[..., Sequence[float]]
    """From these columns over some queries."""


FIGURES: Mapping[Kind, Figures] = {
    "retrieval": Figures(("R@1", "R@5", "R@10", "median rank", "mAP@10"), ("rank", "average_precision"), rank_figures),
    "zero_shot": Figures(("WA", "UA", "macro-F1"), ("truth", "prediction"), label_figures),
    "similarity": Figures(("Pearson", "Spearman", "Kendall"), ("similarity", "rating"), correlations),
    "grounding": Figures(
        ("mean IoU", "pointing"), ("iou", "pointing"), lambda iou, pointing: (float(iou.mean()), float(pointing.mean()))
    ),
}


@dataclass(frozen=True)
class QuerySet:
    """The queries of one set of figures, such as one direction of retrieval."""

    name: str
    queries: tuple[str, ...]
    """Unique names."""
    units: tuple[str, ...]
    """What each is drawn with."""
    columns: Mapping[str, Column]
    """Those of `Figures.columns`, one value per query."""


def queries_file(out: Path, task: str) -> Path:
    """Where the queries of a task are."""
    return out / f"queries-{task}.parquet"


def write_queries(sets: Sequence[QuerySet], path: Path) -> None:
    """Writes the sets of one task.

    Raises:
        OutputError: the file cannot be written.
    """
    tables = [
        pa.table(
            {
                "set": pa.array([one.name] * len(one.queries), pa.string()),
                "query": pa.array(one.queries, pa.string()),
                "unit": pa.array(one.units, pa.string()),
                **{name: pa.array(column) for name, column in one.columns.items()},
            }
        )
        for one in sets
    ]
    with writing(path):
        pq.write_table(pa.concat_tables(tables), path)


def read_queries(path: Path, kind: Kind) -> dict[str, QuerySet]:
    """The sets of one task by name, each sorted by query.

    Raises:
        UsageError: the file is missing or not of this kind.
    """
    needed = ("set", "query", "unit", *FIGURES[kind].columns)
    try:
        table = pq.read_table(path, columns=list(needed))
    except (OSError, pa.ArrowInvalid) as error:
        raise UsageError(
            f"{path}: expected one row per query with {', '.join(needed)}, found none ({error}); evaluate again"
        ) from error
    table = table.sort_by([("set", "ascending"), ("query", "ascending")])
    names = np.asarray(table["set"].to_pylist())
    return {str(name): _query_set(str(name), table.filter(pa.array(names == name)), kind) for name in np.unique(names)}


def _query_set(name: str, table: pa.Table, kind: Kind) -> QuerySet:
    return QuerySet(
        name=name,
        queries=tuple(table["query"].to_pylist()),
        units=tuple(table["unit"].to_pylist()),
        columns={column: table[column].to_numpy() for column in FIGURES[kind].columns},
    )
