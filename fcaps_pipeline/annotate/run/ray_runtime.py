"""Runs unit workers and captioners as Ray actors. The only module that knows Ray.

A pool of segmenting actors (CPU) has one WorkUnit in flight each; every engine of the job is a
pool of captioning actors, one engine per actor. Segments travel from the first to the second
through Ray's object store; commits happen in the segmenting actors. Engines that die are
restarted by Ray and asked again what they left open, a few times, never for ever.
"""

import os
import socket
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import ray
from ray.actor import ActorHandle
from ray.exceptions import RayActorError, RayTaskError
from ray.util.placement_group import placement_group, remove_placement_group

from fcaps_pipeline.annotate.captioning.segment_annotator import SegmentAnnotator
from fcaps_pipeline.annotate.engines.build import build_engine
from fcaps_pipeline.annotate.engines.engine import EngineIdentity
from fcaps_pipeline.annotate.run.callback import RunCallback
from fcaps_pipeline.annotate.run.placement import bundle_of, bundles, check_room, no_room, num_replicas
from fcaps_pipeline.annotate.run.unit_worker import CaptioningPool, PendingCaptions, UnitWorker
from fcaps_pipeline.annotate.run.watch.board import ProgressBoard, Reporter
from fcaps_pipeline.errors import EngineDeadError, FcapsError, ModelError, ResourceError
from fcaps_pipeline.jobs.annotate_job import (
    CaptionConfig,
    EndpointEngineConfig,
    EngineConfig,
    Job,
    VerificationConfig,
)
from fcaps_pipeline.jobs.prompts import Prompt, load_prompts
from fcaps_pipeline.records.annotations import CaptionSet, WorkUnit
from fcaps_pipeline.records.audio import SegmentAudio
from fcaps_pipeline.records.base import Record
from fcaps_pipeline.records.captions import Granularity
from fcaps_pipeline.shards.layout import RunLayout, UnitCommit

_MAX_ENGINE_RESTARTS = 2
_POLL_S = 0.25
_PLACEMENT_TIMEOUT_S = 30.0
"""Ray places what fits within a second; a node that is busy gets some time to become free."""
_BOARD_NAME = "progress-board"
_LOCAL_OBJECT_STORE_BYTES = 512 * 2**20
_MAX_CONCURRENT_SEGMENTS = 1000

# vLLM's engine process must not outlive a killed actor and hold the GPU (vllm issue 55510).
RAY_SETTINGS = {
    "RAY_kill_child_processes_on_worker_exit_with_raylet_subreaper": "true",
    "RAY_process_group_cleanup_enabled": "true",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


class UnitFailure(Record):
    """A WorkUnit that could not be committed; the next run tries it again."""

    unit_index: int
    message: str


@dataclass(frozen=True)
class _Try:
    """One of several tries of a unit."""

    unit: WorkUnit
    died_at: tuple[str | None, ...] = ()
    """Of every earlier try, the Recording at which its process died; None where it ended otherwise."""

    @property
    def attempt(self) -> int:
        return len(self.died_at) + 1

    @property
    def deadly(self) -> str | None:
        """The Recording at which all earlier tries died."""
        return self.died_at[0] if len(set(self.died_at)) == 1 else None

    def again(self, died_at: str | None) -> "_Try":
        return _Try(self.unit, (*self.died_at, died_at))


class RayRuntime:
    """Actors for one job, from start to stop."""

    def __init__(self, job: Job, layout: RunLayout) -> None:
        self._job = job
        self._layout = layout
        self._captioners: dict[str, list[ActorHandle]] = {}
        self._workers: list[ActorHandle] = []
        self._board: ActorHandle | None = None

    def __enter__(self) -> Self:
        """Starts or joins Ray and creates the actors.

        Raises:
            ResourceError: the job wants more than the machine or cluster has.
        """
        for name, value in RAY_SETTINGS.items():
            os.environ.setdefault(name, value)
        self._connect()
        try:
            _check_resources(self._job)
            self._create_actors()
        except BaseException:
            ray.shutdown()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            stopping = [actor.stop.remote() for pool in self._captioners.values() for actor in pool]
            ray.wait(stopping, num_returns=len(stopping), timeout=10)
        ray.shutdown()

    def start_engines(self, callback: RunCallback) -> dict[str, EngineIdentity]:
        """Waits until every engine answers.

        Raises:
            ModelError: a model is missing or cannot be served.
            EngineDeadError: an engine does not come up.
        """
        started = {name: [actor.start.remote() for actor in pool] for name, pool in self._captioners.items()}
        try:
            found = {name: ray.get(references) for name, references in started.items()}
        except (RayTaskError, RayActorError) as error:
            raise _cause(error) from error
        for name, identities in found.items():
            if any(one != identities[0] for one in identities):
                raise ModelError(
                    f"the replicas of engine {name} differ: {', '.join(sorted({str(one) for one in identities}))}; "
                    "give all nodes the same model and version"
                )
            for replica in range(len(identities)):
                callback.on_engine_up(name, f"{name}-{replica}", socket.gethostname())
        return {name: identities[0] for name, identities in found.items()}

    def run(self, units: Iterable[WorkUnit], callback: RunCallback) -> Iterator[UnitCommit | UnitFailure]:
        """Processes units, one per segmenting actor at a time, and yields what became of each.

        Raises:
            FcapsError: something that would meet every unit alike, such as a full disk or a dead engine.
        """
        remaining = iter(units)
        idle = list(self._workers)
        in_flight: dict[Any, tuple[ActorHandle, _Try]] = {}

        def submit(worker: ActorHandle, one: _Try) -> None:
            last = one.attempt == self._job.resources.unit_attempts
            deadly = one.deadly if last else None
            in_flight[worker.run.remote(one.unit, isolate=last, deadly=deadly)] = (worker, one)

        while True:
            while idle and (unit := next(remaining, None)) is not None:
                submit(idle.pop(), _Try(unit))
            if not in_flight:
                break
            done, _ = ray.wait(list(in_flight), timeout=_POLL_S)
            self._pass_on_progress(callback)
            for reference in done:
                worker, one = in_flight.pop(reference)
                try:
                    yield ray.get(reference)
                except Exception as error:  # noqa: BLE001 - the unit border: see _unit_failure
                    failure = _unit_failure(error, one.unit)
                    if isinstance(error, RayActorError):
                        # Ray would restart it too, but fail meanwhile what it is asked.
                        ray.kill(worker)
                        worker = self._new_worker()
                    if one.attempt < self._job.resources.unit_attempts:
                        submit(worker, one.again(_died_at(self._layout, one.unit, error)))
                        continue
                    yield failure
                idle.append(worker)
        self._pass_on_progress(callback)

    def _pass_on_progress(self, callback: RunCallback) -> None:
        assert self._board is not None
        try:
            callback.on_progress(ray.get(self._board.take.remote()))
        except RayActorError:  # the board restarts; only what it had collected is not shown
            return

    def _connect(self) -> None:
        resources = self._job.resources
        address = resources.ray_address
        options: dict[str, Any] = {"log_to_driver": resources.log_to_driver, "logging_level": "ERROR"}
        if not address:
            options |= {"include_dashboard": False, "_metrics_export_port": resources.metrics_port}
            options |= {"object_store_memory": _LOCAL_OBJECT_STORE_BYTES}
        try:
            ray.init(address=address or "local", **options)
        except (ConnectionError, ValueError) as error:
            raise ResourceError(
                f"no Ray cluster answers at {address}; start one, or leave resources.ray_address out"
            ) from error

    def _create_actors(self) -> None:
        prompts = load_prompts(self._job.prompt_references())
        for name, engine in self._job.engines.items():
            captions = {key: one for key, one in self._job.captions.items() if one.engine == name}
            actor = ray.remote(_CaptioningActor)
            self._captioners[name] = [
                actor.options(name=actor_name, **_captioning_options(engine)).remote(
                    engine, captions, self._job.verification, prompts
                )
                for actor_name in _captioner_names(name, engine)
            ]
        self._board = ray.remote(ProgressBoard).options(name=_BOARD_NAME, num_cpus=0, max_restarts=-1).remote()
        self._workers = [self._new_worker() for _ in range(self._job.resources.num_segmenters)]

    def _new_worker(self) -> ActorHandle:
        worker = ray.remote(_SegmentingActor).options(
            num_cpus=self._job.resources.cpus_per_segmenter,
            runtime_env={"env_vars": {"OMP_NUM_THREADS": "1"}},
        )
        return worker.remote(self._job, self._layout)


class _CaptioningActor:
    """One engine with the captioner that asks it. Built in `start`, where an error reaches the driver whole."""

    def __init__(
        self,
        engine: EngineConfig,
        captions: dict[Granularity, CaptionConfig],
        verification: VerificationConfig,
        prompts: dict[str, Prompt],
    ) -> None:
        self._engine = engine
        self._captions = captions
        self._verification = verification
        self._prompts = prompts
        self._captioner: SegmentAnnotator | None = None

    async def start(self) -> EngineIdentity:
        return await self._ready().start()

    async def caption(self, segment: SegmentAudio) -> tuple[CaptionSet, ...]:
        try:
            return await self._ready().caption(segment)
        except EngineDeadError:
            if isinstance(self._engine, EndpointEngineConfig):
                raise  # a server is not brought back by a new process here
            # Raising would let Ray ask the same dead engine again; a dead process gets a new one.
            os._exit(1)

    async def stop(self) -> None:
        await self._ready().stop()

    def _ready(self) -> SegmentAnnotator:
        if self._captioner is None:
            self._captioner = SegmentAnnotator(
                build_engine(self._engine), self._captions, self._verification, self._prompts
            )
        return self._captioner


class _SegmentingActor:
    """One unit worker, connected to the captioning actors by their names, so that it can be replaced."""

    def __init__(self, job: Job, layout: RunLayout) -> None:
        self._reporter = Reporter(ray.get_actor(_BOARD_NAME).add.remote)

        pools = [[ray.get_actor(one) for one in _captioner_names(*item)] for item in job.engines.items()]
        self._worker = UnitWorker(job, layout, _ActorPool(pools), self._reporter.report)

    def run(self, unit: WorkUnit, *, isolate: bool, deadly: str | None) -> UnitCommit:
        try:
            return self._worker.run(unit, isolate=isolate, deadly=deadly)
        finally:
            self._reporter.flush()


class _ActorPool(CaptioningPool):
    """Sends a Segment to the replica of every engine that has least to do."""

    def __init__(self, pools: list[list[ActorHandle]]) -> None:
        self._pools = pools
        self._num_open = [[0] * len(pool) for pool in pools]

    def submit(self, segment: SegmentAudio) -> PendingCaptions:
        shared = ray.put(segment)
        chosen = [
            min(range(len(pool)), key=counts.__getitem__)
            for pool, counts in zip(self._pools, self._num_open, strict=True)
        ]
        references = []
        open_then = self._num_open
        for pool, counts, replica in zip(self._pools, self._num_open, chosen, strict=True):
            counts[replica] += 1
            references.append(pool[replica].caption.remote(shared))

        def wait() -> tuple[CaptionSet, ...]:
            try:
                answers: Sequence[tuple[CaptionSet, ...]] = ray.get(references)
            except (RayTaskError, RayActorError) as error:
                raise _cause(error) from error
            finally:
                for counts, replica in zip(open_then, chosen, strict=True):
                    counts[replica] -= 1
            return tuple(found for answer in answers for found in answer)

        return wait

    def forget(self) -> None:
        self._num_open = [[0] * len(pool) for pool in self._pools]


def _captioner_names(name: str, engine: EngineConfig) -> list[str]:
    return [f"captioner-{name}-{replica}" for replica in range(num_replicas(engine))]


def _captioning_options(engine: EngineConfig) -> dict[str, Any]:
    options: dict[str, Any] = {
        "max_concurrency": _MAX_CONCURRENT_SEGMENTS,
        "max_restarts": _MAX_ENGINE_RESTARTS,
        "max_task_retries": _MAX_ENGINE_RESTARTS,
        **_actor_options(engine),
    }
    return options


def _actor_options(engine: EngineConfig) -> dict[str, float]:
    needs = bundle_of(engine)
    return {"num_cpus": needs.get("CPU", 0), "num_gpus": needs.get("GPU", 0)}


def _check_resources(job: Job) -> None:
    """Refuses a job whose actors Ray would let wait without a word.

    Raises:
        ResourceError: the actors do not fit, or other work holds what they need.
    """
    check_room(job, [node["Resources"] for node in ray.nodes() if node["Alive"]])
    wanted = bundles(job)
    if not wanted:
        return
    group = placement_group(wanted)
    try:
        if not group.wait(_PLACEMENT_TIMEOUT_S):
            raise no_room(job)
    finally:
        remove_placement_group(group)


def _unit_failure(error: Exception, unit: WorkUnit) -> UnitFailure:
    """A Failure of this unit alone; errors that would meet every unit alike are raised instead."""
    if isinstance(error, RayActorError):
        if getattr(error, "actor_init_failed", False):
            raise EngineDeadError(f"a segmenting process cannot start: {' '.join(str(error).split())}") from error
        message = "the segmenting process died; if it happens again, look for a lack of memory on its machine"
        return UnitFailure(unit_index=unit.unit_index, message=message)
    cause = _cause(error)
    if isinstance(cause, FcapsError):
        raise cause from error
    message = f"{type(cause).__name__}: {' '.join(str(cause).split())}"
    return UnitFailure(unit_index=unit.unit_index, message=message)


def _died_at(layout: RunLayout, unit: WorkUnit, error: Exception) -> str | None:
    """The Recording that a process was at when it died; None where it did not, or was at none."""
    if not isinstance(error, RayActorError):
        return None
    mark = layout.in_progress(unit.unit_index)
    try:
        return mark.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    finally:
        mark.unlink(missing_ok=True)


def _cause(error: BaseException) -> Exception:
    """What happened inside an actor, or that its process is gone for good."""
    if isinstance(error, RayTaskError):
        inner = error.cause
        return _cause(inner) if isinstance(inner, RayTaskError) else inner
    if isinstance(error, RayActorError):
        return EngineDeadError(
            "a captioning process died and restarting it did not help; its log is in Ray's session folder; "
            "run the same command again to go on where this run stopped"
        )
    return error if isinstance(error, Exception) else RuntimeError(str(error))
