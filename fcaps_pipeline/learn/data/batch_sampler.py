"""Which rows make which batch: an epoch's plan, the same on every rank and for any number of workers.

Enters: a catalogue, the settings and the number of the epoch. Leaves: an `EpochPlan` of global
batches, each row in exactly one of them. Row groups are shuffled into pools that fit in memory; the
rows of a pool are shuffled, put in order of length classes and cut into batches by seconds; the
batches of a pool are shuffled. Ranks divide a global batch row by row, so the plan knows no ranks.

Shape suffixes: N rows of the catalogue, K batches, M rows of a batch.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import Field

from fcaps_pipeline.errors import CorruptRunError, JobError
from fcaps_pipeline.learn.data.catalogue import Catalogue
from fcaps_pipeline.learn.data.randomness import Stream, seed_sequence
from fcaps_pipeline.records.audio import SAMPLE_RATE_HZ, seconds_to_samples
from fcaps_pipeline.records.base import Record

_LENGTH_CLASS_SAMPLES = SAMPLE_RATE_HZ // 2
"""Rows whose lengths differ by less than half a second count as equally long."""

_Rows = npt.NDArray[np.int64]


class SamplerSettings(Record):
    """What decides the plan of an epoch, apart from the rows."""

    seed: Annotated[int, Field(ge=0)]
    batch_s: Annotated[float, Field(gt=0)]
    """Seconds of a global batch at most, padding included: its longest row times its number of rows.

    The last batch of a pool may be longer, where with fewer than 2 x `min_rows` rows it cannot be two."""
    max_s: Annotated[float, Field(gt=0)] | None
    """Longer rows are cropped to this; None to keep them whole."""
    pool_row_groups: Annotated[int, Field(ge=1)]
    """Row groups that are mixed with each other. A loader worker holds them, and up to as many of the next."""
    min_rows: Annotated[int, Field(ge=1)]
    """Rows that a global batch has at least; as many as there are ranks, or more."""


class Position(Record):
    """A place in the sequence of batches: all that an exact resume needs to know."""

    epoch: Annotated[int, Field(ge=0)] = 0
    step: Annotated[int, Field(ge=0)] = 0
    """Batches of this epoch that came before."""


@dataclass(frozen=True)
class EpochPlan:
    """The global batches of one epoch in their order."""

    rows_N: _Rows
    """Rows of the catalogue, batch after batch."""
    starts_K: _Rows
    """Where in `rows_N` each batch begins, and at the end the number of rows."""
    row_groups_K: npt.NDArray[np.int32]
    """Row groups in the pool that each batch is from."""

    @property
    def num_batches(self) -> int:
        """Global batches, which is also the number of steps."""
        return len(self.starts_K) - 1

    def rows(self, step: int) -> _Rows:
        """Rows of one global batch, `(M,)`."""
        return self.rows_N[self.starts_K[step] : self.starts_K[step + 1]]


def plan_epoch(catalogue: Catalogue, settings: SamplerSettings, epoch: int) -> EpochPlan:
    """Divides all rows into batches; a pure function of its arguments.

    A pool has at least `pool_row_groups` row groups and one full batch; what is too little for a
    pool at the end joins the last one. The last batch of a pool takes rows from the one before until
    it has `min_rows`; both then hold `batch_s`. Where the two together have fewer than 2 x `min_rows`
    rows they are one batch, the only one that may be longer than `batch_s`.

    Args:
        catalogue: the rows of the train split.
        settings: sizes and seed.
        epoch: counted from 0.

    Raises:
        JobError: the rows do not suffice for one batch, or a batch cannot hold `min_rows` of the longest rows.
    """
    cropped_N = _cropped_samples(catalogue, settings.max_s)
    _check_sizes(cropped_N, settings)
    rng = np.random.default_rng(seed_sequence(settings.seed, Stream.PLAN, epoch=epoch))
    batches: list[_Rows] = []
    row_groups: list[int] = []
    for pool in _pools(catalogue, cropped_N, settings, rng):
        rows = rng.permutation(np.concatenate(pool))
        rows = rows[np.argsort(cropped_N[rows] // _LENGTH_CLASS_SAMPLES, kind="stable")]
        cuts = _cuts(cropped_N[rows], seconds_to_samples(settings.batch_s), settings.min_rows)
        pieces = np.split(rows, cuts)
        batches += [pieces[index] for index in rng.permutation(len(pieces))]
        row_groups += [len(pool)] * len(pieces)
    starts_K = np.cumsum([0, *map(len, batches)], dtype=np.int64)
    return EpochPlan(np.concatenate(batches), starts_K, np.array(row_groups, np.int32))


def plan_in_order(catalogue: Catalogue, batch_s: float) -> EpochPlan:
    """All rows in their order and whole, in batches of at most `batch_s` padded seconds, for evaluation."""
    cuts = _cuts(catalogue.num_samples_N.astype(np.int64), seconds_to_samples(batch_s), 1)
    starts_K = np.array([0, *cuts, len(catalogue)], np.int64)
    return EpochPlan(np.arange(len(catalogue)), starts_K, np.ones(len(starts_K) - 1, np.int32))


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


def _cropped_samples(catalogue: Catalogue, max_s: float | None) -> _Rows:
    samples_N = catalogue.num_samples_N.astype(np.int64)
    return samples_N if max_s is None else np.minimum(samples_N, seconds_to_samples(max_s))


def _check_sizes(cropped_N: _Rows, settings: SamplerSettings) -> None:
    if len(cropped_N) < settings.min_rows:
        raise JobError(
            f"the train split has {len(cropped_N)} rows, a batch must have at least {settings.min_rows}; "
            "give more shards, or lower min_rows"
        )
    needed_s = settings.min_rows * int(cropped_N.max()) / SAMPLE_RATE_HZ
    if needed_s > settings.batch_s:
        raise JobError(
            f"a batch of {settings.batch_s:g} s cannot hold {settings.min_rows} of the longest rows, which takes "
            f"{needed_s:g} s; raise batch_s, or lower max_s or min_rows"
        )


def _pools(
    catalogue: Catalogue, cropped_N: _Rows, settings: SamplerSettings, rng: np.random.Generator
) -> Iterator[list[_Rows]]:
    """Row groups in random order, as the rows of each, gathered into pools."""
    starts = catalogue.row_group_starts()
    total_samples = np.concatenate([[0], np.cumsum(cropped_N)])
    batch_samples = seconds_to_samples(settings.batch_s)
    open_pool: list[_Rows] = []
    complete: list[_Rows] = []
    num_samples = 0
    for group in rng.permutation(len(starts) - 1):
        open_pool.append(np.arange(starts[group], starts[group + 1]))
        num_samples += int(total_samples[starts[group + 1]] - total_samples[starts[group]])
        if len(open_pool) >= settings.pool_row_groups and num_samples >= batch_samples:
            if complete:
                yield complete
            complete, open_pool, num_samples = open_pool, [], 0
    if complete and num_samples >= batch_samples:
        yield complete
        yield open_pool
    else:
        yield complete + open_pool


def _cuts(samples_M: _Rows, batch_samples: int, min_rows: int) -> list[int]:
    """Where batches end, the last one excepted; each is as long as padding allows.

    What is left at the end takes rows from the batch before until it has `min_rows`; where that
    batch would keep too few, the two are one, which may be longer than padding allows.
    """
    cuts: list[int] = []
    start = longest = 0
    for position, samples in enumerate(samples_M.tolist()):
        longest = max(longest, samples)
        if longest * (position + 1 - start) > batch_samples and position > start:
            cuts.append(position)
            start, longest = position, samples
    if cuts and len(samples_M) - start < min_rows:
        before = cuts[-2] if len(cuts) > 1 else 0
        moved = len(samples_M) - min_rows
        cuts[-1:] = [moved] if moved - before >= min_rows else []
    return cuts
