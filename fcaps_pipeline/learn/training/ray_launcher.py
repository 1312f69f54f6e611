"""Trains on the workers of Ray Train, each of them a rank. Within training, the only module that knows Ray.

Enters: a job, a folder that all workers see, and how many they are. Leaves: what `trainer.train`
leaves, written by the first worker; its progress comes back to this process, and an error of a
worker is raised here as the same error. Checkpoints and resumption are the trainer's, not Ray's.
"""

import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray.actor import ActorHandle
from ray.exceptions import RayActorError
from ray.train import ControllerError, FailureConfig, LoggingConfig, RunConfig, ScalingConfig, WorkerGroupError
from ray.train.torch import TorchTrainer
from ray.util.queue import Queue
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from fcaps_pipeline.annotate.run.ray_runtime.cluster import RAY_SETTINGS
from fcaps_pipeline.errors import FcapsError, OutputError, ResourceError, TrainingError
from fcaps_pipeline.learn.data.batches import BadRow
from fcaps_pipeline.learn.training.job import TrainJob
from fcaps_pipeline.learn.training.report import TrainingReport
from fcaps_pipeline.learn.training.trainer import TrainCallback, train

_MAX_STARTS = 2
"""Times that Ray tries again to start the workers."""
_LOCAL_OBJECT_STORE_BYTES = 128 * 2**20

# Ray would let its workers yield to everything else on the machine, and give them a minute to import torch from a
# busy disk.
_RAY_SETTINGS = {
    **RAY_SETTINGS,
    "RAY_worker_niceness": "0",
    "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "600",
    "RAY_TRAIN_METRICS_ENABLED": "0",
}


@dataclass(frozen=True)
class RayWorkers:
    """Where to train."""

    count: int
    address: str | None = None
    """Of a running cluster; None starts Ray on this machine."""


def train_on_ray(job: TrainJob, out: Path, callback: TrainCallback, workers: RayWorkers) -> TrainingReport:
    """Trains as `trainer.train` does, with one rank per worker.

    A worker takes one core, and one GPU where the job computes on GPUs; `auto` does where the cluster has any.

    Args:
        job: what to do; relative paths in it start from the working directory of this process.
        out: folder of the run, on storage that all workers share.
        callback: told of progress.
        workers: how many, and where.

    Raises:
        KeyboardInterrupt: the workers were stopped; the run can go on from its last checkpoint.
        ResourceError: the cluster has too little, or a worker does not see the folder.
        TrainingError: a worker died.
        FcapsError: what went wrong in a worker.
    """
    with _connected(workers.address), _scratch(out) as scratch:
        job = _with_device(job, workers)
        queue = _queue_here()
        trainer = _InterruptibleTrainer(
            _train_as_rank,
            train_loop_config=vars(_WorkerConfig(job, out.absolute(), Path.cwd(), scratch, queue)),
            scaling_config=ScalingConfig(
                num_workers=workers.count,
                use_gpu=job.device == "cuda",
                resources_per_worker={"CPU": 1, **({"GPU": 1} if job.device == "cuda" else {})},
            ),
            run_config=RunConfig(
                name="train",
                storage_path=str(scratch),
                failure_config=FailureConfig(controller_failure_limit=_MAX_STARTS),
                logging_config=LoggingConfig(log_level="ERROR"),
            ),
        )
        with _forwarded(queue, callback):
            try:
                report: TrainingReport = trainer.fit().return_value
            except (WorkerGroupError, ControllerError) as error:
                raise root_cause(error, out) from error
            return report


@dataclass(frozen=True)
class _WorkerConfig:
    """What every worker is told. Ray takes it as a dictionary."""

    job: TrainJob
    out: Path
    working_directory: Path
    shared_probe: Path
    """A new folder beside the run folder: who sees it shares the storage."""
    queue: Queue


def _train_as_rank(loop_config: dict[str, Any]) -> TrainingReport | None:
    """Runs in each worker; Ray has made the process group."""
    config = _WorkerConfig(**loop_config)
    require_shared(config.shared_probe, config.working_directory)
    os.chdir(config.working_directory)
    return train(config.job, config.out, _QueueCallback(config.queue))


def require_shared(*folders: Path) -> None:
    """Makes sure that this worker shares the storage of the run.

    Args:
        folders: one that the launcher has just made beside the run folder, and its working directory.

    Raises:
        ResourceError: one of them is not here.
    """
    for folder in folders:
        if not folder.is_dir():
            raise ResourceError(
                f"a worker on {os.uname().nodename} does not see {folder}, which the launcher does; choose an --out, "
                "and keep job, models and shards, on storage that all nodes mount at the same path"
            )


class _QueueCallback(TrainCallback):
    """Passes what the first rank says to the launcher."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue

    def on_train_begin(self, num_steps: int, done: int) -> None:
        self._queue.put(("on_train_begin", num_steps, done))

    def on_step(self, step: int, loss: float) -> None:
        self._queue.put(("on_step", step, loss))

    def on_dev_evaluated(self, step: int, metric: str, value: float) -> None:
        self._queue.put(("on_dev_evaluated", step, metric, value))

    def on_bad_row(self, split: str, row: BadRow) -> None:
        self._queue.put(("on_bad_row", split, row))


def _queue_here() -> Queue:
    """A queue on this node, so that the loss of another cannot end it."""
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    return Queue(actor_options={"num_cpus": 0, "scheduling_strategy": here})


@contextmanager
def _forwarded(queue: Queue, callback: TrainCallback) -> Iterator[None]:
    """Tells the callback what the first rank says, all of it."""

    def relay() -> None:
        while (message := queue.get()) is not None:
            name, *arguments = message
            getattr(callback, name)(*arguments)

    thread = threading.Thread(target=relay)
    thread.start()
    try:
        yield
    finally:
        queue.put(None)
        thread.join()


class _InterruptibleTrainer(TorchTrainer):  # type: ignore[misc]
    """Ctrl-C stays an interrupt of this process, which takes all workers with it.

    Ray's own answer asks the controller to stop, and waits while that is busy with starting workers.
    """

    def _register_sigint_handler(self, controller: ActorHandle) -> None:
        pass


@contextmanager
def _connected(address: str | None) -> Iterator[None]:
    for name, value in _RAY_SETTINGS.items():
        os.environ.setdefault(name, value)
    local = {} if address else {"include_dashboard": False, "object_store_memory": _LOCAL_OBJECT_STORE_BYTES}
    try:
        ray.init(address=address or "local", log_to_driver=False, logging_level="ERROR", **local)
    except (ConnectionError, ValueError) as error:
        raise ResourceError(f"no Ray cluster answers at {address}; start one, or leave --ray-address out") from error
    try:
        yield
    finally:
        ray.shutdown()


@contextmanager
def _scratch(out: Path) -> Iterator[Path]:
    """A folder beside the run folder, for what Ray Train would write into the user's home."""
    parent = out.absolute().parent
    try:
        parent.mkdir(parents=True, exist_ok=True)
        folder = tempfile.TemporaryDirectory(prefix=".ray-", dir=parent, ignore_cleanup_errors=True)
    except OSError as error:
        raise OutputError(f"cannot create a folder in {parent}: {error.strerror}; choose another --out") from error
    with folder as path:
        yield Path(path)


def _with_device(job: TrainJob, workers: RayWorkers) -> TrainJob:
    """The job with its device decided.

    Raises:
        ResourceError: the workers want more than there is.
    """
    has = ray.cluster_resources()
    device = job.device
    if device == "auto":
        device = "cuda" if has.get("GPU", 0) else "cpu"
    for kind in ("CPU", *(("GPU",) if device == "cuda" else ())):
        if workers.count > has.get(kind, 0):
            raise ResourceError(
                f"{workers.count} workers want {workers.count} {kind}s, the "
                f"{'cluster' if workers.address else 'machine'} has {has.get(kind, 0):g}; lower --ray-workers"
            )
    return job.model_copy(update={"device": device})


def root_cause(error: WorkerGroupError | ControllerError, out: Path) -> BaseException:
    """What happened in a worker: an error of ours if there is one, for the others only follow from it."""
    if isinstance(error, ControllerError):
        return ResourceError(
            f"the workers could not be started: {' '.join(str(error.controller_failure).split())}; "
            "see to the cluster, or lower --ray-workers"
        )
    failures = [_unwrapped(one) for _, one in sorted(error.worker_failures.items())]
    for failure in failures:
        if isinstance(failure, FcapsError):
            return failure
    died = [failure for failure in failures if isinstance(failure, RayActorError)]
    if died:
        return TrainingError(
            f"{len(died)} of the workers died, most likely because memory ran out or a node was lost; "
            f"the same command goes on from the last checkpoint in {out}"
        )
    return failures[0]


def _unwrapped(failure: BaseException) -> BaseException:
    """The exception itself, without the wrapper that carries its traceback."""
    return getattr(failure, "_base_exc", failure)
