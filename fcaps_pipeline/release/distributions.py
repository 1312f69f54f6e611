"""Counts of values that come in batches: of few values exactly, of measurements in steps, of ids by their hashes.

Enters: Arrow columns, one stretch of rows after the other. Leaves: records. Memory does not grow with the rows, but
for 8 bytes for each distinct id.
"""

from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fcaps_pipeline.records.base import Record
from fcaps_pipeline.shards.recording_table import Hashes, id_hashes

_MAX_VALUES = 10_000
_LISTED_VALUES = 50
_PENDING_IDS = 1_000_000
_QUANTILES = {"p5": 0.05, "p25": 0.25, "median": 0.5, "p75": 0.75, "p95": 0.95}


class Spread(Record):
    """How a measurement is spread; values are rounded to `step`."""

    step: float
    num: int
    """Rows where it is known."""
    mean: float
    minimum: float
    p5: float
    p25: float
    median: float
    p75: float
    p95: float
    maximum: float


class ValueCount(Record):
    """One value of a column, and how many rows of each split have it."""

    value: str | None
    """None for rows without one."""
    num_rows: dict[str, int]

    @property
    def total(self) -> int:
        """Rows of all splits."""
        return sum(self.num_rows.values())


class ColumnValues(Record):
    """The values of a column, commonest first."""

    listed: tuple[ValueCount, ...]
    num_values: int
    """Distinct ones, without null; at most ten thousand are told apart."""
    num_unlisted: int
    """Rows with values that are not listed."""


class DistinctIds:
    """Counts distinct ids."""

    def __init__(self) -> None:
        self._known: Hashes = np.empty(0, np.uint64)
        self._pending: list[Hashes] = []
        self._num_pending = 0

    def add(self, ids: pa.ChunkedArray) -> None:
        """Takes a column; nulls count for nothing."""
        found = id_hashes(pc.drop_null(pc.unique(ids)))
        self._pending.append(found)
        self._num_pending += len(found)
        if self._num_pending > _PENDING_IDS:
            self._merge()

    @property
    def count(self) -> int:
        """Distinct ids so far."""
        self._merge()
        return len(self._known)

    def _merge(self) -> None:
        self._known = np.unique(np.concatenate([self._known, *self._pending]))
        self._pending, self._num_pending = [], 0


class ValueCounter:
    """Counts the values of a column by split."""

    def __init__(self) -> None:
        self._counts: dict[str | None, Counter[str]] = {}
        self._num_unlisted = 0

    def add(self, split: str, column: pa.ChunkedArray) -> None:
        """Takes a column of texts."""
        for one in pc.value_counts(column).to_pylist():
            value, count = one["values"], one["counts"]
            if value in self._counts or len(self._counts) < _MAX_VALUES:
                self._counts.setdefault(value, Counter())[split] += count
            else:
                self._num_unlisted += count

    def values(self) -> ColumnValues:
        """All of it."""
        ordered = sorted(self._counts.items(), key=lambda item: (-item[1].total(), item[0] or ""))
        return ColumnValues(
            listed=tuple(ValueCount(value=value, num_rows=dict(counts)) for value, counts in ordered[:_LISTED_VALUES]),
            num_values=len(self._counts.keys() - {None}),
            num_unlisted=self._num_unlisted + sum(counts.total() for _, counts in ordered[_LISTED_VALUES:]),
        )


class StepCounter:
    """Counts measurements in steps, from which quantiles and histograms follow."""

    def __init__(self, step: float) -> None:
        self._step = step
        self._counts: Counter[int] = Counter()
        self._sum = 0.0

    def add(self, column: pa.ChunkedArray) -> None:
        """Takes a column of numbers; nulls, and what is not finite, count for nothing."""
        values = pc.drop_null(column).to_numpy().astype(np.float64)
        values = values[np.isfinite(values)]
        steps, counts = np.unique(np.rint(values / self._step).astype(np.int64), return_counts=True)
        self._counts.update(dict(zip(steps.tolist(), counts.tolist(), strict=True)))
        self._sum += float(values.sum())

    def spread(self) -> Spread | None:
        """Its quantiles; None where no row has a value."""
        if not self._counts:
            return None
        steps = np.array(sorted(self._counts))
        ends = np.cumsum([self._counts[one] for one in steps.tolist()])
        num = int(ends[-1])
        ranks = {name: int(np.searchsorted(ends, share * num)) for name, share in _QUANTILES.items()}
        return Spread(
            step=self._step,
            num=num,
            mean=round(self._sum / num, 4),
            minimum=self._value(int(steps[0])),
            maximum=self._value(int(steps[-1])),
            **{name: self._value(int(steps[rank])) for name, rank in ranks.items()},
        )

    def histogram(self, width: float) -> dict[float, int]:
        """Rows by the lower edge of bins of a width, in order, without empty ones."""
        found: Counter[float] = Counter()
        for step, count in self._counts.items():
            found[round(step * self._step // width * width, 4)] += count
        return dict(sorted(found.items()))

    def _value(self, step: int) -> float:
        return round(step * self._step, 4)
