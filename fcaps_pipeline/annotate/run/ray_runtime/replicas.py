"""The replicas of one engine, as the driver sees them: started, watched, restarted, taken in when they come.

Each has a place of its own (a placement group that stays, so that a cluster that can grow is asked to, and a
restart finds its GPUs free). The run goes on while some are away; it ends only when none can come.
"""

import time
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayActorError, RayError
from ray.util.placement_group import placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from fcaps_pipeline.annotate.engines.engine import EngineIdentity
from fcaps_pipeline.annotate.run.callback import RunCallback
from fcaps_pipeline.annotate.run.dispatch import QueueState
from fcaps_pipeline.annotate.run.placement import bundle_of, deadlines_s, num_replicas, room_of
from fcaps_pipeline.annotate.run.ray_runtime.captioning import CaptioningActor, CaptioningSetup, Whereabouts
from fcaps_pipeline.annotate.run.ray_runtime.cluster import (
    beside_driver,
    cause_of,
    death_of,
    end,
    environment,
)
from fcaps_pipeline.annotate.run.ray_runtime.queues import QueueActor, queue_name
from fcaps_pipeline.annotate.run.reuse import Reuse
from fcaps_pipeline.annotate.run.supervision import RestartBudget
from fcaps_pipeline.annotate.run.watch.progress import EngineState
from fcaps_pipeline.annotate.verification.bounds import load_bounds
from fcaps_pipeline.errors import EngineDeadError, ModelError, UsageError
from fcaps_pipeline.jobs.annotate_job import EndpointEngineConfig, Job
from fcaps_pipeline.jobs.prompts import load_prompts

_RESTARTS_PER_HOUR = 20
_VAIN_RESTARTS_PER_HOUR = 10
"""Of a replica that dies before it has answered anything."""
_STARTS_PER_HOUR = 3
"""Of a replica that does not come up at all."""
_START_TIMEOUT_S = 3600.0
_WAITING_CALLS = 10_000
"""Replicas and segmenters that a queue can hear at once; each replica waits there for work."""
_CALL_S = 60.0
_LOOK_EVERY_S = 1.0
_SILENCE_S = 60.0
"""A replica of which the queue hears nothing for so long at least counts as hung; it gives a sign every few seconds."""


class _Phase(Enum):
    RESTING = "waits until it may start"
    PLACED = "waits for a place on a node"
    STARTING = "loads its model"
    READY = "may not be asked yet"
    SERVING = "answers"
    REFUSED = "cannot serve this run"


@dataclass
class _Slot:
    """One of the replicas that the job asks for, through all its lives."""

    index: int
    phase: _Phase = _Phase.RESTING
    name: str = ""
    """Of its present life."""
    num_lives: int = 0
    actor: Any = None
    call: Any = None
    """Reference whose end moves it on."""
    group: Any = None
    where: Whereabouts | None = None
    since_s: float = 0.0
    heard_s: float = 0.0
    """When the queue last knew it."""
    rest_until_s: float = 0.0
    deaths: RestartBudget = field(default_factory=lambda: RestartBudget(_RESTARTS_PER_HOUR))
    vain: RestartBudget = field(default_factory=lambda: RestartBudget(_VAIN_RESTARTS_PER_HOUR))
    starts: RestartBudget = field(default_factory=lambda: RestartBudget(_STARTS_PER_HOUR))
    error: Exception | None = None
    """Why its last life ended."""

    @property
    def budgets(self) -> tuple[RestartBudget, ...]:
        """All that bound how often it starts."""
        return (self.deaths, self.vain, self.starts)


class EngineReplicas:
    """The queue of one engine and everything that serves it."""

    def __init__(
        self, job: Job, engine_name: str, actor_class: type[CaptioningActor], reuse: Reuse | None, *, is_alone: bool
    ) -> None:
        """Creates the queue; replicas come with `step`."""
        self._actor_class = actor_class
        self.name = engine_name
        self.identity: EngineIdentity | None = None
        self.range = num_replicas(job.engines[engine_name])
        self.queue = (
            ray.remote(QueueActor)
            .options(name=queue_name(engine_name), max_concurrency=_WAITING_CALLS, **beside_driver())
            .remote(engine_name, *deadlines_s(job, engine_name))
        )
        self._engine = job.engines[engine_name]
        self._hang_s = max(job.resources.hang_timeout_s, _SILENCE_S)
        self._room = room_of(job, engine_name)
        self._setup = CaptioningSetup(
            engine_name=engine_name,
            job=job,
            prompts=load_prompts(job.prompt_references()),
            bounds=load_bounds(job.verification.bounds),
            reuse=reuse,
            is_alone=is_alone,
            environment=environment(job),
        )
        self._slots = [_Slot(index) for index in range(self.range.max)]
        self._is_open = False
        self._look: Any = None
        self._looked_s = 0.0
        self._state: QueueState | None = None
        self._statistics: dict[str, Any] = {}
        self._num_restarts = 0

    @property
    def num_up(self) -> int:
        """Replicas that answer."""
        return sum(slot.phase is _Phase.SERVING for slot in self._slots)

    @property
    def num_queued(self) -> int:
        """Segments that wait, when last looked."""
        return self._state.num_queued if self._state else 0

    def has_places(self) -> bool:
        """Whether as many replicas as the job must have are on a node."""
        placed = (_Phase.STARTING, _Phase.READY, _Phase.SERVING)
        return sum(slot.phase in placed for slot in self._slots) >= self.range.min

    def waits_for_place(self) -> bool:
        """Whether replicas have no node yet, and fewer are up than the job must have."""
        return self.num_up < self.range.min and any(slot.phase is _Phase.PLACED for slot in self._slots)

    def references(self) -> Iterator[Any]:
        """What may end next."""
        yield from (slot.call for slot in self._slots if slot.call is not None)
        if self._look is not None:
            yield self._look

    def step(self, ended: set[Any], callback: RunCallback) -> None:
        """Moves every replica on.

        Args:
            ended: of the `references`, those that have ended.
            callback: told who comes and goes.

        Raises:
            ModelError: no replica can serve what the job asks for; so for other errors of their start.
            EngineDeadError: none is up and none can come, or a server does not answer any more.
        """
        now_s = time.monotonic()
        for slot in self._slots:
            if slot.phase is _Phase.RESTING and now_s >= slot.rest_until_s:
                self._launch(slot, now_s)
            elif slot.call in ended:
                self._move_on(slot, callback, now_s)
            elif slot.phase is _Phase.STARTING and now_s - slot.since_s > _START_TIMEOUT_S:
                error = EngineDeadError(f"replica {slot.name} did not start within {_START_TIMEOUT_S:g} s")
                self._ended(slot, error, callback, now_s)
        self._look_at_queue(ended, callback, now_s)

    def open(self) -> None:
        """Lets replicas pull Segments, those that are ready and all that come; before this they only start."""
        self._is_open = True
        for slot in self._slots:
            if slot.phase is _Phase.READY:
                self._serve(slot)

    def state(self) -> EngineState:
        """Counts for whoever watches."""
        told = [one for one in self._statistics.values() if one is not None]
        shares = [one.kv_cache_share for one in told if one.kv_cache_share is not None]
        return EngineState(
            engine=self.name,
            wanted=self.range.max,
            up=self.num_up,
            room=self.num_up * self._room,
            in_hand=sum(self._state.held.values()) if self._state else 0,
            queued=self.num_queued,
            restarts=self._num_restarts,
            kv_cache_share=sum(shares) / len(shares) if shares else None,
            preemptions=sum(one.preemptions for one in told),
        )

    def stopping(self) -> list[Any]:
        """Asks all that are up to stop; the references of their answers."""
        return [slot.actor.stop.remote() for slot in self._slots if slot.phase is _Phase.SERVING]

    def _launch(self, slot: _Slot, now_s: float) -> None:
        slot.num_lives += 1
        slot.name = f"{self.name}-{slot.index}.{slot.num_lives}"
        slot.actor = (
            ray.remote(self._actor_class).options(max_concurrency=1000, **self._place(slot)).remote(self._setup)
        )
        slot.call = slot.actor.hello.remote()
        slot.phase, slot.since_s, slot.where = _Phase.PLACED, now_s, None

    def _place(self, slot: _Slot) -> dict[str, Any]:
        bundle = bundle_of(self._engine)
        if not bundle:
            return {"num_cpus": 0}
        if slot.group is None:
            slot.group = placement_group([bundle])
        strategy = PlacementGroupSchedulingStrategy(slot.group)
        return {"num_cpus": bundle["CPU"], "num_gpus": bundle.get("GPU", 0), "scheduling_strategy": strategy}

    def _move_on(self, slot: _Slot, callback: RunCallback, now_s: float) -> None:
        try:
            found = ray.get(slot.call, timeout=_CALL_S)
        except RayError as error:
            self._ended(slot, error, callback, now_s)
            return
        if slot.phase is _Phase.PLACED:
            slot.where, slot.phase, slot.since_s = found, _Phase.STARTING, now_s
            slot.call = slot.actor.start.remote()
        elif slot.phase is _Phase.STARTING:
            self._take_in(slot, found, callback)
        else:
            self._ended(slot, EngineDeadError("it stopped serving"), callback, now_s)

    def _take_in(self, slot: _Slot, identity: EngineIdentity, callback: RunCallback) -> None:
        """Takes a replica that is the same as the first one."""
        assert slot.where is not None
        if self.identity is not None and identity != self.identity:
            error = ModelError(
                f"replica {slot.name} on {slot.where.host} is {identity!r}, the others are {self.identity!r}; "
                "give all nodes the same model and version"
            )
            self._refuse(slot, error, callback)
            return
        self.identity = identity
        self._num_restarts += slot.num_lives > 1
        slot.phase, slot.call = _Phase.READY, None
        if self._is_open:
            self._serve(slot)
        callback.on_engine_up(self.name, slot.name, slot.where.host)

    def _serve(self, slot: _Slot) -> None:
        slot.phase, slot.call = _Phase.SERVING, slot.actor.serve.remote(slot.name)
        slot.heard_s = time.monotonic()

    def _ended(self, slot: _Slot, error: Exception, callback: RunCallback, now_s: float) -> None:
        """One life of a replica is over.

        Raises:
            FcapsError: nothing can come after it.
        """
        cause = cause_of(error)
        if isinstance(cause, EngineDeadError) and isinstance(self._engine, EndpointEngineConfig):
            raise cause from error
        if isinstance(cause, UsageError):
            self._refuse(slot, cause, callback)
            return
        death = death_of(error, slot.where.node_id if slot.where else None, "captioning")
        text = death if isinstance(error, RayActorError) else str(cause)
        self._down(slot, death, text or "its node is gone", cause, callback, now_s)

    def _down(
        self, slot: _Slot, death: str | None, text: str, error: Exception, callback: RunCallback, now_s: float
    ) -> None:
        was_serving = slot.phase is _Phase.SERVING
        end(slot.actor)
        slot.phase, slot.call, slot.actor, slot.error = _Phase.RESTING, None, None, error
        had_answered = was_serving and self._lost(slot.name, death)
        callback.on_engine_down(self.name, slot.name, text)
        if death is None:
            slot.rest_until_s = now_s
        elif was_serving:
            slot.rest_until_s = (slot.deaths if had_answered else slot.vain).spend(death, now_s)
        else:
            slot.rest_until_s = slot.starts.spend("did not start", now_s)
        self._check_hope(now_s)

    def _refuse(self, slot: _Slot, error: Exception, callback: RunCallback) -> None:
        end(slot.actor)
        slot.phase, slot.call, slot.actor, slot.error = _Phase.REFUSED, None, None, error
        callback.on_engine_down(self.name, slot.name, f"refused: {error}")
        self._check_hope(time.monotonic())

    def _check_hope(self, now_s: float) -> None:
        """Goes on while a replica is up or can come.

        Raises:
            FcapsError: why the last one cannot.
        """
        refused = [slot for slot in self._slots if slot.phase is _Phase.REFUSED]
        spent = [
            slot
            for slot in self._slots
            if slot.phase is _Phase.RESTING and any(one.is_spent(now_s) for one in slot.budgets)
        ]
        if len(refused) + len(spent) < len(self._slots):
            return
        if refused:
            raise refused[-1].error or EngineDeadError(f"engine {self.name} cannot be served")
        raise EngineDeadError(
            f"engine {self.name}: no replica comes up any more; the last one: {spent[-1].error}; its log is in Ray's "
            "session folder (on one machine /tmp/ray/session_latest/logs); run the same command again to go on where "
            "this run stopped"
        )

    def _lost(self, name: str, death: str | None) -> bool:
        """Tells the queue; whether the replica had answered anything."""
        try:
            return bool(ray.get(self.queue.lost.remote(name, death), timeout=_CALL_S))
        except (RayActorError, GetTimeoutError):  # a queue that comes back knows nothing of what was out
            return True

    def _look_at_queue(self, ended: set[Any], callback: RunCallback, now_s: float) -> None:
        if self._look is None:
            if now_s - self._looked_s >= _LOOK_EVERY_S:
                self._look, self._looked_s = self.queue.state.remote(), now_s
            return
        if self._look not in ended and now_s - self._looked_s <= _CALL_S:
            return
        look, self._look = self._look, None
        try:
            self._state, self._statistics, hung = ray.get(look, timeout=0)
        except RayError:  # a queue that does not answer says nothing of the replicas
            for slot in self._slots:
                slot.heard_s = now_s
            return
        self._end_hung({*hung}, self._state.held.keys(), callback, now_s)

    def _end_hung(self, hung: AbstractSet[str], known: AbstractSet[str], callback: RunCallback, now_s: float) -> None:
        for slot in self._slots:
            if slot.name in known:
                slot.heard_s = now_s
            is_silent = now_s - slot.heard_s > self._hang_s
            if slot.phase is _Phase.SERVING and (slot.name in hung or is_silent):
                death = "its engine hung"
                self._down(slot, death, death, EngineDeadError(death), callback, now_s)
