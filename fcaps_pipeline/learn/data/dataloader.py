"""Delivers the batches of one rank, decoded in worker processes.

Enters: a catalogue and the settings of its batches. Leaves: `TrainingBatch`es in the order of the plan, from any
position on. Workers receive lists of rows batch by batch, in turn, map the stores of these rows, and hold nothing but
the batch they make; how many there are changes no byte of any batch. The plan of a large epoch is made by one process
of a node and mapped by the others. What a worker finds broken travels back as a value, so that it is raised here in its
own one line.
"""

import hashlib
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
from fcaps_pipeline.learn.data.augmentation_config import NO_AUGMENTATION, Augmentation
from fcaps_pipeline.learn.data.batch_sampler import (
    EpochPlan,
    Position,
    SamplerSettings,
    check_position,
    plan_epoch,
    plan_in_order,
    rank_rows,
)
from fcaps_pipeline.learn.data.batches import RowRules, TrainingBatch, collate, usable_row
from fcaps_pipeline.learn.data.catalogue import Catalogue, contents_of
from fcaps_pipeline.learn.data.made_once import MANY_ROWS, arrays_made_once, forget
from fcaps_pipeline.learn.data.row_sound import RowSound
from fcaps_pipeline.learn.data.row_store import RowStore
from fcaps_pipeline.machine import end_with_parent
from fcaps_pipeline.records.audio import seconds_to_samples
from fcaps_pipeline.records.captions import Granularity

Batches = Generator[TrainingBatch, None, None]
"""Closing it ends its workers."""


class ShardDataLoader:
    """The batches that one rank trains on, epoch after epoch."""

    def __init__(
        self,
        catalogue: Catalogue,
        settings: SamplerSettings,
        granularities: frozenset[Granularity],
        *,
        num_workers: int,
        augmentation: Augmentation = NO_AUGMENTATION,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        """Checks that every rank will have a row of every batch.

        Args:
            catalogue: rows of the train split, the same on all ranks.
            settings: sizes and seed, the same on all ranks.
            granularities: those of which the objective draws captions; a row without one is bad.
            num_workers: processes that read and decode; 0 to do it here.
            augmentation: what is done to clips.
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
        max_samples = None if settings.max_s is None else seconds_to_samples(settings.max_s)
        self._rules = RowRules(granularities, max_samples, settings.seed, augmentation)
        self._plan = lru_cache(maxsize=2)(lambda epoch: planned(catalogue, settings, epoch))

    def num_batches(self, epoch: int) -> int:
        """Steps of an epoch, the same on all ranks; epochs differ a little.

        Raises:
            JobError: the rows do not suffice for one batch.
        """
        return self._plan(epoch).num_batches

    def rows(self, epoch: int, step: int) -> npt.NDArray[np.int32]:
        """Rows of the catalogue that this rank has of a batch."""
        return rank_rows(self._plan(epoch).rows(step), self._rank, self._world_size)

    def batches(self, start: Position) -> Batches:
        """Batches from a position on, without end; close the iterator to end the workers.

        Args:
            start: the beginning, or `next_position` of the last batch that was trained on.

        Raises:
            JobError: the rows do not suffice for one batch.
            CorruptRunError: the position does not exist.
            StorageError: a file of sound cannot be read.
        """
        check_position(self._plan(start.epoch), start)
        return _load(self._catalogue.stores, self._requests(start), self._rules, self._num_workers)

    def _requests(self, start: Position) -> Iterator["_Request"]:
        for epoch in itertools.count(start.epoch):
            plan = self._plan(epoch)
            for step in range(start.step if epoch == start.epoch else 0, plan.num_batches):
                yield _request(self._catalogue, plan, Position(epoch=epoch, step=step), self.rows(epoch, step))


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
        StorageError: a file of sound cannot be read.
    """
    plan = plan_in_order(catalogue, batch_s)
    requests = (
        _request(catalogue, plan, Position(step=step), plan.rows(step))
        for step in range(plan.num_batches if len(catalogue) else 0)
    )
    return _load(catalogue.stores, requests, RowRules(granularities, None, seed=0), num_workers)


@dataclass(frozen=True)
class _Request:
    """All that a worker must know to make a batch."""

    position: Position
    is_last_of_epoch: bool
    num_global_rows: int
    rows: npt.NDArray[np.int32]
    """Positions in the catalogue."""
    places: npt.NDArray[np.int32]
    """The same rows, counted through all stores."""


def planned(catalogue: Catalogue, settings: SamplerSettings, epoch: int) -> EpochPlan:
    """The plan of an epoch, shared where it is large.

    Raises:
        JobError: as `plan_epoch`.
        OutputError: the cache cannot be written.
    """
    if len(catalogue) < MANY_ROWS:
        return plan_epoch(catalogue, settings, epoch)
    told = f"{catalogue.identity} {settings.model_dump_json()}"
    name = f"plans/{hashlib.sha256(told.encode()).hexdigest()[:32]}"
    forget(f"{name}-{epoch - 2}")
    arrays = arrays_made_once(f"{name}-{epoch}", lambda: vars(plan_epoch(catalogue, settings, epoch)))
    return EpochPlan(arrays["rows_M"].astype(np.int32, copy=False), arrays["starts_K"].astype(np.int64, copy=False))


def _request(catalogue: Catalogue, plan: EpochPlan, position: Position, rows: npt.NDArray[np.int32]) -> _Request:
    return _Request(
        position=position,
        is_last_of_epoch=position.step == plan.num_batches - 1,
        num_global_rows=len(plan.rows(position.step)),
        rows=np.array(rows),
        places=np.asarray(catalogue.place_N[rows]),
    )


class _BatchDataset(Dataset["TrainingBatch | FcapsError"]):
    """What runs in a worker: a request in, a batch out."""

    def __init__(self, stores: tuple[RowStore, ...], rules: RowRules) -> None:
        self._stores = stores
        self._rules = rules
        self._sound = RowSound()

    def __getitem__(self, request: _Request) -> TrainingBatch | FcapsError:
        try:
            return self._batch(request)
        except FcapsError as error:
            return error

    def _batch(self, request: _Request) -> TrainingBatch:
        contents = contents_of(self._stores, request.places)
        sounds = self._sound.read(contents)
        epoch = request.position.epoch
        rows = [
            usable_row(content, sound, row, epoch, self._rules)
            for content, sound, row in zip(contents, sounds, request.rows.tolist(), strict=True)
        ]
        return collate(
            rows,
            request.position,
            is_last_of_epoch=request.is_last_of_epoch,
            num_global_rows=request.num_global_rows,
        )


def _load(stores: tuple[RowStore, ...], requests: Iterable[_Request], rules: RowRules, num_workers: int) -> Batches:
    loader = DataLoader(
        _BatchDataset(stores, rules),
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
            "num_workers or batch_s, or enlarge /dev/shm, then resume"
        ) from error


def _end_with_trainer(_: int) -> None:
    end_with_parent()


def _worker_context() -> BaseContext:
    """Workers do not fork from this process, whose threads would leave locks held in them."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context
