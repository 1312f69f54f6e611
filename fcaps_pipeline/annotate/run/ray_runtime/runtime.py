"""One job on Ray, from start to stop: the driver's loop around the replicas of all engines and the segmenters.

Segmenters (CPU) offer Segments to the queue of each engine, replicas pull from it; the driver starts both side by
side, replaces what dies, and hands out units. Nothing is asked or committed before every engine has answered who it
is. It says what it waits for, and stops when a signal asks it to.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, Self

import ray
from ray.exceptions import GetTimeoutError, RayActorError, RayError, RayTaskError

from fcaps_pipeline.annotate.engines.engine import EngineIdentity
from fcaps_pipeline.annotate.run.callback import RunCallback
from fcaps_pipeline.annotate.run.placement import what_is_missing
from fcaps_pipeline.annotate.run.ray_runtime.captioning import CaptioningActor
from fcaps_pipeline.annotate.run.ray_runtime.cluster import beside_driver, check_node, connect, node_resources
from fcaps_pipeline.annotate.run.ray_runtime.queues import BOARD, Board
from fcaps_pipeline.annotate.run.ray_runtime.replicas import EngineReplicas
from fcaps_pipeline.annotate.run.ray_runtime.segmenters import Launch, Segmenters, UnitFailure
from fcaps_pipeline.annotate.run.ray_runtime.segmenting import SegmentingActor
from fcaps_pipeline.annotate.run.reuse import Reuse
from fcaps_pipeline.annotate.run.signals import Signals
from fcaps_pipeline.jobs.annotate_job import Job
from fcaps_pipeline.records.annotations import WorkUnit
from fcaps_pipeline.shards.layout import RunLayout, UnitCommit

_POLL_S = 0.25
_TELL_EVERY_S = 1.0
_SAY_EVERY_S = 60.0
_CALL_S = 60.0
_STOP_S = 10.0


class RayRuntime:
    """Actors for one job, from start to stop."""

    def __init__(
        self,
        job: Job,
        layout: RunLayout,
        signals: Signals,
        captioning: type[CaptioningActor] = CaptioningActor,
        segmenting: type[SegmentingActor] = SegmentingActor,
        *,
        reuse: Reuse | None = None,
        is_alone: bool = False,
    ) -> None:
        """Starts nothing yet.

        Args:
            job: what to run.
            layout: the run folder.
            signals: asked whether to stop.
            captioning: class of the replicas; another one stands for engines that are simulated.
            segmenting: class of the segmenters; likewise.
            reuse: earlier answers, which are looked for before an engine is asked.
            is_alone: whether they stand in place of the engines.
        """
        self._job = job
        self._layout = layout
        self._signals = signals
        self._captioning = captioning
        self._segmenting = segmenting
        self._reuse = reuse
        self._is_alone = is_alone
        self._engines: list[EngineReplicas] = []
        self._board: Any = None
        self._told_s = self._looked_s = 0.0
        self._said_s = time.monotonic()

    def __enter__(self) -> Self:
        """Starts or joins Ray and creates the actors.

        Raises:
            ResourceError: the job wants more than this machine has, or no cluster answers.
        """
        try:
            connect(self._job)
            # Ray has set a handler of its own for SIGTERM.
            self._signals.install()
            self._board = ray.remote(Board).options(name=BOARD, **beside_driver()).remote()
            self._engines = [
                EngineReplicas(self._job, name, self._captioning, self._reuse, is_alone=self._is_alone)
                for name in self._job.engines
            ]
        except BaseException:
            self._leave()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stops engines that can be stopped, then Ray with all that it started."""
        with self._signals.ignored():
            if kind is None:
                stopping = [ref for engine in self._engines for ref in engine.stopping()]
                ray.wait(stopping, num_returns=len(stopping), timeout=_STOP_S)
            self._leave()

    def start(
        self, units: Iterable[WorkUnit], callback: RunCallback, again: Mapping[int, UnitCommit] | None = None
    ) -> dict[str, EngineIdentity]:
        """Waits until one replica of every engine answers; meanwhile the first units are segmented.

        Args:
            units: what is to be done.
            callback: told how it goes on.
            again: of units that only do again what failed, the attempt that the rest is taken over from.

        Raises:
            ModelError: a model is missing or cannot be served.
            EngineDeadError: an engine does not come up, or no segmenter does.
        """
        queues = [engine.queue for engine in self._engines]
        launch = Launch(self._segmenting, self._job, self._layout, self._reuse)
        self._segmenters = Segmenters(launch, iter(units), self._board, queues, again or {})
        have_places = False
        while any(engine.identity is None for engine in self._engines):
            ended = self._ended(self._segmenters.starting())
            self._step_engines(ended, callback)
            have_places = have_places or all(engine.has_places() for engine in self._engines)
            if have_places:  # segmenters must not take the cores that a replica waits for
                self._segmenters.work_ahead(ended)
            self._say_what_is_missing(callback, num_segmenters=None)
        return {engine.name: engine.identity for engine in self._engines if engine.identity is not None}

    def run(self, callback: RunCallback) -> Iterator[UnitCommit | UnitFailure]:
        """Has the engines answer, processes the units that `start` was given, and yields what became of each.

        Raises:
            FcapsError: something that would meet every unit alike, such as a full disk.
            KeyboardInterrupt: a signal asked to stop; what could be committed in time is.
        """
        segmenters = self._segmenters
        for engine in self._engines:
            engine.open()
        self._said_s = time.monotonic()  # segmenters may be only now started
        with self._signals.noted() as asked:
            try:
                while not segmenters.is_done() and not asked.is_set():
                    yield from self._step(segmenters, callback)
                if asked.is_set():
                    yield from self._hand_back(segmenters, callback)
            except RayError:
                # Who signals a whole group of processes takes Ray down with the driver.
                if not asked.is_set():
                    raise
            if asked.is_set():
                raise KeyboardInterrupt
        self._tell(callback)

    def _step(self, segmenters: Segmenters, callback: RunCallback) -> Iterator[UnitCommit | UnitFailure]:
        ended = self._ended(segmenters.references())
        self._step_engines(ended, callback)
        yield from segmenters.step(ended)
        if time.monotonic() - self._told_s >= _TELL_EVERY_S:
            self._tell(callback)
        self._say_what_is_missing(callback, segmenters.num_up)

    def _hand_back(self, segmenters: Segmenters, callback: RunCallback) -> Iterator[UnitCommit | UnitFailure]:
        """Commits what only waits for its last answers, for as long as the grace lasts."""
        until_s = time.monotonic() + self._job.resources.grace_s
        segmenters.stop()
        while segmenters.is_finishing() and time.monotonic() < until_s:
            yield from self._step(segmenters, callback)

    def _ended(self, of_segmenters: Iterator[Any]) -> set[Any]:
        """Whatever has ended, as soon as anything has."""
        references = [ref for engine in self._engines for ref in engine.references()]
        references += of_segmenters
        if not references:
            time.sleep(_POLL_S)
            return set()
        ray.wait(references, num_returns=1, timeout=_POLL_S, fetch_local=False)
        ended, _ = ray.wait(references, num_returns=len(references), timeout=0, fetch_local=False)
        return set(ended)

    def _step_engines(self, ended: set[Any], callback: RunCallback) -> None:
        if time.monotonic() - self._looked_s >= _TELL_EVERY_S:
            check_node()
            self._looked_s = time.monotonic()
        for engine in self._engines:
            engine.step(ended, callback)

    def _tell(self, callback: RunCallback) -> None:
        self._told_s = time.monotonic()
        callback.on_engines([engine.state() for engine in self._engines])
        try:
            callback.on_progress(ray.get(self._board.take.remote(), timeout=_CALL_S))
        except (RayActorError, RayTaskError, GetTimeoutError):  # only what the board had collected is not shown
            return

    def _say_what_is_missing(self, callback: RunCallback, num_segmenters: int | None) -> None:
        """Once a minute, what the run waits for a place for."""
        if time.monotonic() - self._said_s < _SAY_EVERY_S:
            return
        self._said_s = time.monotonic()
        waiting = [
            f"engine {one.name} ({one.num_up} of {one.range.min} up)" for one in self._engines if one.waits_for_place()
        ]
        if num_segmenters == 0:
            waiting.append("segmenters (none up)")
        if waiting:
            callback.on_waiting(f"waiting for {', '.join(waiting)}: {what_is_missing(self._job, node_resources())}")

    def _leave(self) -> None:
        ray.shutdown()
