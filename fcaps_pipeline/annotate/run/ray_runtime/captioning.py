"""One replica of an engine as an actor: starts, then pulls from its queue until the engine dies or it is stopped."""

import asyncio
import os
import socket
from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import RayActorError, RayError

from fcaps_pipeline.annotate.captioning.duties import EngineDuties
from fcaps_pipeline.annotate.captioning.earlier_answers import EarlierAnswers
from fcaps_pipeline.annotate.captioning.errand import Errand
from fcaps_pipeline.annotate.captioning.reusing_engine import AnswersAlone, ReusingEngine
from fcaps_pipeline.annotate.engines.build import build_engine
from fcaps_pipeline.annotate.engines.engine import Engine, EngineIdentity
from fcaps_pipeline.annotate.run.dispatch import Answer, Lot
from fcaps_pipeline.annotate.run.placement import room_of
from fcaps_pipeline.annotate.run.queue_service import ReplicaReport
from fcaps_pipeline.annotate.run.ray_runtime.queues import ANSWERS, queue_name
from fcaps_pipeline.annotate.run.replica import Replica
from fcaps_pipeline.annotate.run.reuse import Reuse
from fcaps_pipeline.annotate.verification.bounds import BoundTable
from fcaps_pipeline.jobs.annotate_job import Job
from fcaps_pipeline.jobs.prompts import Prompt

_CALL_S = 60.0
"""After this a call to another actor counts as failed; what it was about is done again, never lost."""


@dataclass(frozen=True)
class CaptioningSetup:
    """Everything the driver knows that a replica needs; content, never a path that only the driver has."""

    engine_name: str
    job: Job
    prompts: dict[str, Prompt]
    bounds: BoundTable
    """That claims are held against."""
    reuse: Reuse | None
    """Earlier answers; None where there are none."""
    is_alone: bool
    """Whether they are all there is, and no engine is started."""
    environment: dict[str, str]
    """Variables of the driver's environment. They travel as an argument, because Ray logs a runtime_env."""


@dataclass(frozen=True)
class Whereabouts:
    """Where an actor runs."""

    host: str
    node_id: str


class CaptioningActor:
    """One engine, asked by one `Replica`."""

    def __init__(self, setup: CaptioningSetup) -> None:
        os.environ.update(setup.environment)
        self._setup = setup
        self._duties: EngineDuties | None = None
        self._replica: Replica | None = None

    async def hello(self) -> Whereabouts:
        """Answers as soon as there is a process."""
        return Whereabouts(socket.gethostname(), ray.get_runtime_context().get_node_id())

    async def start(self) -> EngineIdentity:
        """Starts the engine. It is built here, where an error reaches the driver whole."""
        setup = self._setup
        self._duties = EngineDuties(setup.engine_name, self.build(), setup.job, setup.prompts, setup.bounds)
        return await self._duties.start()

    def build(self) -> Engine:
        """The engine of the job, not started, with earlier answers before it or in its place."""
        setup = self._setup
        config, counts_load = setup.job.engines[setup.engine_name], setup.job.resources.engine_statistics
        if setup.reuse is None:
            return build_engine(config, counts_load=counts_load)
        answers = EarlierAnswers(setup.reuse.answers_here())
        if setup.is_alone:
            return AnswersAlone(setup.reuse.identities[setup.engine_name], answers)
        return ReusingEngine(build_engine(config, counts_load=counts_load), answers)

    async def serve(self, name: str) -> None:
        """Pulls and answers until `stop`.

        Raises:
            EngineDeadError: the engine can answer nothing any more. A dead one stays dead: the driver ends the process.
        """
        assert self._duties is not None
        links, room = RayLinks(self._setup.engine_name), room_of(self._setup.job, self._setup.engine_name)
        self._replica = Replica(name, self._duties.do, room, links, self._duties.statistics)
        await self._replica.serve()

    async def stop(self) -> None:
        """Ends `serve` and the engine."""
        if self._replica is not None:
            self._replica.stop()
        if self._duties is not None:
            await self._duties.stop()


class RayLinks:
    """`ReplicaLinks` over Ray: a queue and desks that are actors, blocks that are objects."""

    def __init__(self, engine_name: str) -> None:
        self._engine_name = engine_name
        self._queue = ray.get_actor(queue_name(engine_name))
        self._desks: dict[str, Any] = {}

    async def take(self, report: ReplicaReport, wait_s: float) -> tuple[Lot, ...] | None:
        """See `ReplicaLinks.take`."""
        try:
            lots: tuple[Lot, ...] = await asyncio.wait_for(self._queue.take.remote(report, wait_s), wait_s + _CALL_S)
        except (RayActorError, TimeoutError):
            await asyncio.sleep(1.0)
            return None
        return lots

    async def fetch(self, block: Any) -> list[Errand] | None:
        """See `ReplicaLinks.fetch`."""
        try:
            errands: list[Errand] = await asyncio.wait_for(block, _CALL_S)
        except (RayError, TimeoutError):  # lost with its node, not spilled for lack of disk: offered again from anew
            return None
        return errands

    async def deliver(self, desk: str, owner: str, answers: tuple[Answer, ...]) -> None:
        """See `ReplicaLinks.deliver`."""
        try:
            if desk not in self._desks:
                self._desks[desk] = ray.get_actor(desk).deliver.options(concurrency_group=ANSWERS)
            await asyncio.wait_for(self._desks[desk].remote(self._engine_name, owner, answers), _CALL_S)
        except (RayActorError, ValueError, TimeoutError):
            self._desks.pop(desk, None)
