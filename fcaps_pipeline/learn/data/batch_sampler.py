"""Which rows make which batch: an epoch's plan, the same on every rank and for any number of workers.

Enters: a catalogue, the settings and the number of the epoch. Leaves: an `EpochPlan` of global batches, each row in
exactly one of them. All rows of the epoch are put in order by their length with a random change of up to a tenth, so
that a batch holds rows of like length and any two such rows may meet; then they are cut into batches by seconds, and
the batches shuffled. Rows are read one by one, wherever they lie, so no border of a file or a row group shows in a
batch. Ranks divide a global batch row by row, so the plan knows no ranks. All numbers are integers or products of two
doubles, which are alike on every machine.

Shape suffixes: N rows of the catalogue, K batches, M rows of the epoch or of a batch.
"""

from collections import OrderedDict, deque
from dataclasses import dataclass
from itertools import islice
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from fcaps_pipeline.errors import CorruptRunError, JobError
from fcaps_pipeline.learn.data.catalogue import Catalogue
from fcaps_pipeline.learn.data.randomness import Stream, seed_sequence
from fcaps_pipeline.records.audio import SAMPLE_RATE_HZ, seconds_to_samples
from fcaps_pipeline.records.base import Record

_LENGTH_CHANGE = 0.1
"""Share by which a row may seem longer when rows are put in order; half of it is the padding of a large corpus."""

_Rows = npt.NDArray[np.int32]
_Samples = npt.NDArray[np.int32]


class SamplerSettings(Record):
    """What decides the plan of an epoch, apart from the rows."""

    seed: Annotated[int, Field(ge=0)]
    batch_s: Annotated[float, Field(gt=0)]
    """Seconds of a global batch at most, padding included: its longest row times its number of rows.

    The last batch of an epoch may be longer, where with fewer than 2 x `min_rows` rows it cannot be two."""
    max_s: Annotated[float, Field(gt=0)] | None
    """Longer rows are cropped to this; None to keep them whole."""
    min_rows: Annotated[int, Field(ge=1)]
    """Rows that a global batch has at least; as many as there are ranks, or more."""
    apart: Literal["speaker", "recording"] | None = None
    """What two rows of a batch do not have in common, as far as the rows allow; None leaves it to chance."""


class Position(Record):
    """A place in the sequence of batches: all that an exact resume needs to know."""

    epoch: Annotated[int, Field(ge=0)] = 0
    step: Annotated[int, Field(ge=0)] = 0
    """Batches of this epoch that came before."""


@dataclass(frozen=True)
class EpochPlan:
    """The global batches of one epoch in their order."""

    rows_M: _Rows
    """Rows of the catalogue, batch after batch."""
    starts_K: npt.NDArray[np.int64]
    """Where in `rows_M` each batch begins, and at the end the number of rows."""

    @property
    def num_batches(self) -> int:
        """Global batches, which is also the number of steps."""
        return len(self.starts_K) - 1

    def rows(self, step: int) -> _Rows:
        """Rows of one global batch, `(M,)`."""
        return self.rows_M[self.starts_K[step] : self.starts_K[step + 1]]


def plan_epoch(catalogue: Catalogue, settings: SamplerSettings, epoch: int) -> EpochPlan:
    """Divides all rows into batches; a pure function of its arguments.

    The last batch takes rows from the one before until it has `min_rows`; both then hold `batch_s`. Where the two
    together have fewer than 2 x `min_rows` rows they are one batch, the only one that may be longer than `batch_s`.

    Args:
        catalogue: the rows of the train split.
        settings: sizes and seed.
        epoch: counted from 0.

    Raises:
        JobError: the rows do not suffice for one batch, or a batch cannot hold `min_rows` of the longest rows.
    """
    cropped_N = _cropped_samples(catalogue, settings.max_s)
    rng = np.random.default_rng(seed_sequence(settings.seed, Stream.PLAN, epoch=epoch))
    rows_M = _drawn(len(catalogue), catalogue.weight_N, rng)
    _check_sizes(cropped_N, len(rows_M), settings)
    seeming_M = cropped_N[rows_M] * (1 + _LENGTH_CHANGE * rng.random(len(rows_M)))
    rows_M = rows_M[np.argsort(seeming_M, kind="stable")]
    del seeming_M
    batch_samples = seconds_to_samples(settings.batch_s)
    if settings.apart is None:
        ends = _ends(cropped_N[rows_M], batch_samples)
    else:
        key_N = catalogue.speaker_N if settings.apart == "speaker" else catalogue.recording_N
        batches = _ApartBatches(cropped_N[rows_M], key_N[rows_M], batch_samples)
        batches.divide()
        rows_M, ends = rows_M[batches.order], batches.ends
    starts_K = np.array([0, *_with_enough_rows(ends, settings.min_rows)], np.int64)
    return _shuffled(EpochPlan(rows_M, starts_K), rng)


def plan_in_order(catalogue: Catalogue, batch_s: float) -> EpochPlan:
    """All rows in their order and whole, in batches of at most `batch_s` padded seconds, for evaluation."""
    ends = _ends(catalogue.num_samples_N, seconds_to_samples(batch_s)) if len(catalogue) else [0]
    return EpochPlan(np.arange(len(catalogue), dtype=np.int32), np.array([0, *ends], np.int64))


def rank_rows(rows_M: _Rows, rank: int, world_size: int) -> _Rows:
    """The share of a rank in a global batch: row i goes to rank i modulo the number of ranks."""
    return rows_M[rank::world_size]


def check_position(plan: EpochPlan, position: Position) -> None:
    """Refuses a place that the epoch does not have.

    Raises:
        CorruptRunError: the data or the settings are not those that the position was saved with.
    """
    if position.step > plan.num_batches:
        raise CorruptRunError(
            f"epoch {position.epoch} has {plan.num_batches} batches, cannot go on at step {position.step}: the shards "
            "or the batch settings are not those of the checkpoint; restore them, or start from its weights only"
        )


def _cropped_samples(catalogue: Catalogue, max_s: float | None) -> _Samples:
    samples_N = catalogue.num_samples_N
    return samples_N if max_s is None else np.minimum(samples_N, np.int32(seconds_to_samples(max_s)))


def _drawn(num_rows: int, weight_N: npt.NDArray[np.float64] | None, rng: np.random.Generator) -> _Rows:
    """Rows of the epoch: each as often as its weight says, of a fraction by chance."""
    rows_N = np.arange(num_rows, dtype=np.int32)
    if weight_N is None:
        return rows_N
    return np.repeat(rows_N, np.floor(weight_N + rng.random(num_rows)).astype(np.int64))


def _check_sizes(cropped_N: _Samples, num_drawn: int, settings: SamplerSettings) -> None:
    if num_drawn < settings.min_rows:
        raise JobError(
            f"the train split has {num_drawn} rows, a batch must have at least {settings.min_rows}; "
            "give more shards, or lower min_rows"
        )
    needed_s = settings.min_rows * int(cropped_N.max()) / SAMPLE_RATE_HZ
    if needed_s > settings.batch_s:
        raise JobError(
            f"a batch of {settings.batch_s:g} s cannot hold {settings.min_rows} of the longest rows, which takes "
            f"{needed_s:g} s; raise batch_s, or lower max_s or min_rows"
        )


def _ends(samples_M: _Samples, batch_samples: int) -> list[int]:
    """Where batches end: each is as long as padding allows, and has a row at least."""
    ends: list[int] = []
    start, guess = 0, 64
    while start < len(samples_M):
        longest_M = np.maximum.accumulate(samples_M[start : start + guess], dtype=np.int64)
        fits_M = longest_M * np.arange(1, len(longest_M) + 1) <= batch_samples
        if fits_M.all() and start + guess < len(samples_M):
            guess *= 2
            continue
        num_rows = max(1, int(fits_M.sum()))
        start, guess = start + num_rows, 2 * num_rows
        ends.append(start)
    return ends


class _ApartBatches:
    """Batches none of which has two rows of one key.

    A row whose key is in the batch already waits for the next one. Rows that still wait at the end are more than their
    share: they come together.
    """

    def __init__(self, samples_M: _Samples, key_M: npt.NDArray[np.uint64], batch_samples: int) -> None:
        self._samples_M, self._key_M, self._batch_samples = samples_M, key_M, batch_samples
        self._waiting: OrderedDict[int, deque[int]] = OrderedDict()
        self._keys: set[int] = set()
        self._num_rows = self._longest = 0
        self.order: list[int] = []
        """Places of the rows, batch after batch."""
        self.ends: list[int] = []
        """Where in `order` batches end."""

    def divide(self) -> None:
        """Goes over all rows once."""
        for place in range(len(self._samples_M)):
            key = int(self._key_M[place])
            while key not in self._keys and not self._fits(place):
                self._close()
                self._take_waiting()
            if key in self._keys:
                self._waiting.setdefault(key, deque()).append(place)
            else:
                self._add(place)
        for place in sorted(place for places in self._waiting.values() for place in places):
            if not self._fits(place):
                self._close()
            self._add(place)
        self._close()

    def _fits(self, place: int) -> bool:
        longest = max(self._longest, int(self._samples_M[place]))
        return not self._num_rows or longest * (self._num_rows + 1) <= self._batch_samples

    def _add(self, place: int) -> None:
        self.order.append(place)
        self._num_rows += 1
        self._longest = max(self._longest, int(self._samples_M[place]))
        if key := int(self._key_M[place]):  # an unknown speaker is like no other
            self._keys.add(key)

    def _close(self) -> None:
        self.ends.append(len(self.order))
        self._keys.clear()
        self._num_rows = self._longest = 0

    def _take_waiting(self) -> None:
        """One row of each key that waits, as far as there is room; the key comes last the next time."""
        for key in list(islice(self._waiting, self._batch_samples // int(self._samples_M.min()))):
            place = self._waiting[key][0]
            if not self._fits(place):
                return
            self._add(place)
            self._waiting[key].popleft()
            self._waiting.move_to_end(key)
            if not self._waiting[key]:
                del self._waiting[key]


def _with_enough_rows(ends: list[int], min_rows: int) -> list[int]:
    """What is left at the end takes rows from the batch before until it has `min_rows`.

    Where that batch would keep too few, the two are one, which may be longer than padding allows.
    """
    num_rows = ends[-1]
    before, last = ends[-3:-2] or [0], ends[-2:-1]
    if not last or num_rows - last[0] >= min_rows:
        return ends
    moved = num_rows - min_rows
    return [*ends[:-2], *([moved] if moved - before[0] >= min_rows else []), num_rows]


def _shuffled(plan: EpochPlan, rng: np.random.Generator) -> EpochPlan:
    order = rng.permutation(plan.num_batches)
    sizes_K = np.diff(plan.starts_K)[order]
    rows_M = np.concatenate([plan.rows(int(step)) for step in order])
    return EpochPlan(rows_M, np.concatenate([[0], np.cumsum(sizes_K)]).astype(np.int64))
