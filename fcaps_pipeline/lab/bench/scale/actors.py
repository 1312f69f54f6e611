"""The simulated ends of the pipeline as actors: a process that holds many replicas, and a segmenter without audio.

Between them stand the pipeline's own actors: queue, desks, board. A replica here is the pipeline's `Replica` with
its links over Ray; only the engine behind it is a clock, and many share one process.
"""

import asyncio
import math

from fcaps_pipeline.annotate.run.border import Prepare
from fcaps_pipeline.annotate.run.ray_runtime.captioning import RayLinks
from fcaps_pipeline.annotate.run.ray_runtime.segmenting import SegmentingActor
from fcaps_pipeline.annotate.run.replica import Replica
from fcaps_pipeline.errors import EngineDeadError
from fcaps_pipeline.jobs.annotate_job import Job
from fcaps_pipeline.lab.bench.scale.simulated import CLIPS_AT_WORK, Draw, Meter, SimulatedEngine, prepare

ROOM = math.ceil(1.5 * CLIPS_AT_WORK)
"""Segments that a replica holds, as the pipeline gives it for so many at work."""


class SimulatedSegmentingActor(SegmentingActor):
    """A segmenter whose Recordings are made up."""

    def prepare_with(self, job: Job) -> Prepare:
        """Nothing is decoded and no voice looked for."""
        return prepare


class ReplicaHost:
    """Many replicas in one process."""

    def __init__(self, engine_name: str, time_scale: float) -> None:
        self._engine_name = engine_name
        self._draw = Draw(time_scale, spread=0.0)
        self._meter = Meter()
        self._engines: dict[str, SimulatedEngine] = {}
        self._serving: dict[str, asyncio.Task[None]] = {}

    async def set_spread(self, spread: float) -> None:
        """Clips begun from now on take times of this spread."""
        self._draw.spread = spread

    async def serve(self, name: str, speed: float) -> bool:
        """One life of a replica; whether it died by itself, of a clip."""
        engine = SimulatedEngine(speed, self._draw, self._meter)
        replica = Replica(name, lambda errand: engine.caption(errand.segment), ROOM, RayLinks(self._engine_name))
        self._engines[name] = engine
        self._serving[name] = asyncio.ensure_future(replica.serve())
        try:
            await self._serving[name]
        except EngineDeadError:
            return True
        except asyncio.CancelledError:
            return False
        finally:
            engine.go()
            del self._engines[name], self._serving[name]
        return False

    async def hang(self, name: str) -> None:
        """The engine of a replica answers nothing any more."""
        self._engines[name].go()

    async def end(self, name: str) -> None:
        """A replica is gone without a word, as with its node."""
        if name in self._serving:
            self._engines[name].go()
            self._serving[name].cancel()

    async def read(self) -> tuple[float, float]:
        """See `Meter.read`."""
        return self._meter.read()
