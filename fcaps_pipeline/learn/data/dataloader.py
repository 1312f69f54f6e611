"""Delivers the batches of one rank, decoded in worker processes.

Enters: a catalogue and the settings of its batches. Leaves: `TrainingBatch`es in the order of the
plan, from any position on. Workers receive lists of rows batch by batch, in turn, and hold nothing
but the row groups of the pool they are in and of the next one, which they read meanwhile; how many
there are changes no byte of any batch. What a worker finds broken travels back as a value, so that
it is raised here in its own one line.
"""

import itertools
import multiprocessing
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing.context import BaseContext

import numpy as np
import numpy.typing as npt
from torch.utils.data import DataLoader, Dataset

from fcaps_pipeline.errors import FcapsError, JobError, ResourceError
from fcaps_pipeline.learn.data.batch_sampler import (
    EpochPlan,
    Position,
    SamplerSettings,
    check_position,
    plan_epoch,
    plan_in_order,
    rank_rows,
)
from fcaps_pipeline.learn.data.batches import (
    COLUMNS,
    BadRow,
    DecodedRow,
    RowRules,
    TrainingBatch,
    collate,
    decode_row,
)
from fcaps_pipeline.learn.data.catalogue import Catalogue
from fcaps_pipeline.learn.data.row_groups import Place, RowGroupCache
from fcaps_pipeline.learn.data.row_groups_ahead import RowGroupsAhead
from fcaps_pipeline.machine import end_with_parent
from fcaps_pipeline.records.audio import seconds_to_samples
from fcaps_pipeline.records.captions import Granularity
from fcaps_pipeline.storage.path import StorePath

Batches = Generator[TrainingBatch, None, None]
"""Closing it ends its workers."""

_Int32s = npt.NDArray[np.int32]


class ShardDataLoader:
    """The batches that one rank trains on, epoch after epoch."""

    def __init__(
        self,
        catalogue: Catalogue,
        settings: SamplerSettings,
        granularities: frozenset[Granularity],
        *,
        num_workers: int,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        """Checks that every rank will have a row of every batch.

        Args:
            catalogue: rows of the train split, the same on all ranks.
            settings: sizes and seed, the same on all ranks.
            granularities: those of which the objective draws captions; a row without one is bad.
            num_workers: processes that read and decode; 0 to do it here.
            rank: of this process, from 0.
            world_size: number of ranks.

        Raises:
            JobError: a batch may have fewer rows than there are ranks.
        """
        if world_size > settings.min_rows:
            raise JobError(
                f"{world_size} ranks divide batches that may have {settings.min_rows} rows; "
                f"set min_rows to {world_size} or more"
            )
        self._catalogue = catalogue
        self._rank, self._world_size = rank, world_size
        self._num_workers = num_workers
        self._rules = RowRules(
            granularities, None if settings.max_s is None else seconds_to_samples(settings.max_s), settings.seed
        )
        self._plan = lru_cache(maxsize=2)(lambda epoch: plan_epoch(catalogue, settings, epoch))
        self._ahead = lru_cache(maxsize=2)(lambda epoch: RowGroupsAhead(catalogue, self._plan(epoch)))

    def num_batches(self, epoch: int) -> int:
        """Steps of an epoch, the same on all ranks; epochs differ a little.

        Raises:
            JobError: the rows do not suffice for one batch.
        """
        return self._plan(epoch).num_batches

    def batches(self, start: Position) -> Batches:
        """Batches from a position on, without end; close the iterator to end the workers.

        Args:
            start: the beginning, or `next_position` of the last batch that was trained on.

        Raises:
            JobError: the rows do not suffice for one batch.
            CorruptRunError: the position does not exist, or a row group cannot be read.
        """
        check_position(self._plan(start.epoch), start)
        return _load(self._catalogue.shards, self._requests(start), self._rules, self._num_workers)

    def _requests(self, start: Position) -> Iterator["_Request"]:
        for epoch in itertools.count(start.epoch):
            plan = self._plan(epoch)
            for step in range(start.step if epoch == start.epoch else 0, plan.num_batches):
                rows = rank_rows(plan.rows(step), self._rank, self._world_size)
                places = self._places(epoch, step)
                yield _request(self._catalogue, plan, Position(epoch=epoch, step=step), rows, places)

    def _places(self, epoch: int, step: int) -> list[Place]:
        """Row groups that a step and those behind it need, also those of the next epoch."""
        here = self._ahead(epoch)
        share = here.share_of_next_epoch(step)
        return here.at(step) + (self._ahead(epoch + 1).begin(share) if share else [])


def read_in_order(
    catalogue: Catalogue, granularities: frozenset[Granularity], *, batch_s: float, num_workers: int
) -> Batches:
    """All rows of a split once, whole and in their order, for evaluation.

    Args:
        catalogue: the rows; for several ranks, take every n-th row first.
        granularities: a row without a caption of one of these is bad.
        batch_s: seconds of a batch at most, padding included; a longer row is a batch of its own.
        num_workers: processes that read and decode; 0 to do it here.

    Raises:
        CorruptRunError: a row group cannot be read.
    """
    plan = plan_in_order(catalogue, batch_s)
    ahead = RowGroupsAhead(catalogue, plan)
    requests = (
        _request(catalogue, plan, Position(step=step), plan.rows(step), ahead.at(step))
        for step in range(plan.num_batches)
    )
    return _load(catalogue.shards, requests, RowRules(granularities, None, seed=0), num_workers)


@dataclass(frozen=True)
class _Request:
    """All that a worker must know to make a batch."""

    position: Position
    is_last_of_epoch: bool
    num_global_rows: int
    row_groups_to_keep: int
    rows: npt.NDArray[np.int64]
    """Positions in the catalogue."""
    shards: _Int32s
    row_groups: _Int32s
    rows_in_group: _Int32s
    places: list[Place]
    """Row groups that this batch and the next ones need."""


def _request(
    catalogue: Catalogue, plan: EpochPlan, position: Position, rows: npt.NDArray[np.int64], places: list[Place]
) -> _Request:
    return _Request(
        position=position,
        is_last_of_epoch=position.step == plan.num_batches - 1,
        num_global_rows=len(plan.rows(position.step)),
        row_groups_to_keep=int(plan.row_groups_K[position.step]),
        rows=rows,
        shards=catalogue.shard_N[rows],
        row_groups=catalogue.row_group_N[rows],
        rows_in_group=catalogue.row_N[rows],
        places=places,
    )


class _BatchDataset(Dataset["TrainingBatch | FcapsError"]):
    """What runs in a worker: a request in, a batch out."""

    def __init__(self, shards: tuple[StorePath, ...], rules: RowRules) -> None:
        self._shards = shards
        self._rules = rules
        self._cache = RowGroupCache(shards, COLUMNS)

    def __getitem__(self, request: _Request) -> TrainingBatch | FcapsError:
        try:
            return self._batch(request)
        except FcapsError as error:
            return error

    def _batch(self, request: _Request) -> TrainingBatch:
        self._cache.expect(request.places)
        rows: dict[int, DecodedRow | BadRow] = {}
        places = np.stack([request.shards, request.row_groups], axis=1)
        for shard, row_group in np.unique(places, axis=0).tolist():
            chosen = np.flatnonzero((places == (shard, row_group)).all(axis=1))
            contents = self._cache.rows(
                shard, row_group, request.rows_in_group[chosen].tolist(), keep=request.row_groups_to_keep
            )
            for index, content in zip(chosen.tolist(), contents, strict=True):
                rows[index] = decode_row(
                    content, int(request.rows[index]), self._shards[shard], request.position.epoch, self._rules
                )
        return collate(
            [rows[index] for index in range(len(rows))],
            request.position,
            is_last_of_epoch=request.is_last_of_epoch,
            num_global_rows=request.num_global_rows,
        )


def _load(shards: tuple[StorePath, ...], requests: Iterable[_Request], rules: RowRules, num_workers: int) -> Batches:
    loader = DataLoader(
        _BatchDataset(shards, rules),
        sampler=requests,
        batch_size=None,
        num_workers=num_workers,
        multiprocessing_context=_worker_context() if num_workers else None,
        # Torch watches the fork server, which lives on after kill -9.
        worker_init_fn=_end_with_trainer,
    )
    for batch in _named(loader):
        if isinstance(batch, FcapsError):
            raise batch
        yield batch


def _named(loader: Iterable[TrainingBatch | FcapsError]) -> Iterator[TrainingBatch | FcapsError]:
    """Passes batches on; the death of a worker gets its next step.

    Torch tells it by text alone, or the connection breaks where a batch was on its way.
    """
    try:
        yield from loader
    except (RuntimeError, EOFError, ConnectionError) as error:
        if isinstance(error, RuntimeError) and "DataLoader worker (pid" not in str(error):
            raise
        told = str(error).partition("\n")[0] or "it closed its connection"
        raise ResourceError(
            f"a loader worker died ({told}), most likely because memory ran out; lower "
            "num_workers, batch_s or pool_row_groups, or enlarge /dev/shm, then resume"
        ) from error


def _end_with_trainer(_: int) -> None:
    end_with_parent()


def _worker_context() -> BaseContext:
    """Workers do not fork from this process, whose threads would leave locks held in them."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context
