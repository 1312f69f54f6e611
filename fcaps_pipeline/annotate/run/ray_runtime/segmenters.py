"""The segmenters, as the driver sees them: who does which unit, and what becomes of a unit that goes wrong.

A segmenter that is up gets one unit to segment at a time, while it finishes the ones before. A process that dies
costs a try of the units it had; the Recording it was at stands on the ladder, unless the node was lost.
"""

import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError

from fcaps_pipeline.annotate.run.ladder import Ladder, Step
from fcaps_pipeline.annotate.run.ray_runtime.cluster import cause_of, death_of, end, environment
from fcaps_pipeline.annotate.run.ray_runtime.queues import ANSWERS, FINISH
from fcaps_pipeline.annotate.run.ray_runtime.segmenting import SegmentingActor
from fcaps_pipeline.annotate.run.reuse import Reuse
from fcaps_pipeline.annotate.run.supervision import RestartBudget
from fcaps_pipeline.annotate.run.unit_worker import UnitTry
from fcaps_pipeline.errors import (
    EngineDeadError,
    FcapsError,
    MemoryShortageError,
    SourceGoneError,
    StorageError,
)
from fcaps_pipeline.jobs.annotate_job import Job
from fcaps_pipeline.records.annotations import WorkUnit
from fcaps_pipeline.records.base import Record
from fcaps_pipeline.shards.layout import RunLayout, UnitCommit

MAX_FINISHING = 3
"""Units of one segmenter that wait for their last answers while the next one is segmented."""
_TRIES = 3
"""Of a unit, for each cause that is not a Recording's."""
_RESTARTS_PER_HOUR = 20
_CALL_S = 60.0
_LOOK_EVERY_S = 30.0


class UnitFailure(Record):
    """A WorkUnit that could not be committed; the next run tries it again."""

    unit_index: int
    message: str


@dataclass
class _Unit:
    """A unit through all its tries."""

    unit: WorkUnit
    num_deaths: int = 0
    troubles: Counter[str] = field(default_factory=Counter)


@dataclass
class _Segmenter:
    """One of the job's segmenters, through all its lives."""

    index: int
    name: str = ""
    num_lives: int = 0
    actor: Any = None
    node_id: str | None = None
    hello: Any = None
    segmenting: tuple[Any, _Unit] | None = None
    finishing: dict[Any, _Unit] = field(default_factory=dict)
    look: Any = None
    looked_s: float = 0.0
    rest_until_s: float = 0.0
    budget: RestartBudget = field(default_factory=lambda: RestartBudget(_RESTARTS_PER_HOUR))

    @property
    def is_idle(self) -> bool:
        """Whether it is up and can begin a unit."""
        is_up = self.actor is not None and self.hello is None
        return is_up and self.segmenting is None and len(self.finishing) < MAX_FINISHING


@dataclass(frozen=True)
class Launch:
    """What every segmenter is started with."""

    actor_class: type[SegmentingActor]
    job: Job
    layout: RunLayout
    reuse: Reuse | None = None
    """Earlier Segments, which are looked for before a detector runs."""

    def __call__(self, name: str) -> Any:
        """An actor of this name, as soon as there is a place for it."""
        actor = ray.remote(concurrency_groups={FINISH: MAX_FINISHING, ANSWERS: 4})(self.actor_class)
        return actor.options(
            name=name,
            num_cpus=self.job.resources.cpus_per_segmenter,
            runtime_env={"env_vars": {"OMP_NUM_THREADS": "1"}},
        ).remote(name, self.job, self.layout, self.reuse, environment(self.job))


class Segmenters:
    """All segmenters of a run with the units they have."""

    def __init__(
        self,
        launch: Launch,
        units: Iterator[WorkUnit],
        board: Any,
        queues: list[Any],
        earlier: Mapping[int, UnitCommit],
    ) -> None:
        """Starts nothing before `step`."""
        self._earlier = earlier
        self._launch_actor = launch
        resources = launch.job.resources
        self._hang_s = resources.hang_timeout_s
        self._units = units
        self._board = board
        self._queues = queues
        self._ahead: deque[_Unit] = deque()
        """Units read from `units` before their segmenter is up."""
        self._is_exhausted = False
        self._again: deque[_Unit] = deque()
        self._ladder = Ladder()
        self._segmenters = [_Segmenter(index) for index in range(resources.num_segmenters)]
        self._is_stopping = False
        self._num_committed = 0
        self._gone: StorageError | None = None

    @property
    def num_up(self) -> int:
        """Segmenters that are up."""
        return sum(one.actor is not None and one.hello is None for one in self._segmenters)

    def references(self) -> Iterator[Any]:
        """What may end next."""
        for one in self._segmenters:
            yield from (ref for ref in (one.hello, one.look) if ref is not None)
            if one.segmenting is not None:
                yield one.segmenting[0]
            yield from one.finishing

    def starting(self) -> Iterator[Any]:
        """What may end next while the engines start."""
        return (one.hello for one in self._segmenters if one.hello is not None)

    def is_done(self) -> bool:
        """Whether nothing is in hand and nothing is left to begin."""
        in_hand = any(one.segmenting or one.finishing for one in self._segmenters)
        return not in_hand and not self._again and (self._is_stopping or not self._has_more())

    def is_finishing(self) -> bool:
        """Whether units only wait for their last answers."""
        return any(one.finishing for one in self._segmenters)

    def stop(self) -> None:
        """Begins no unit any more, and hands back those that are being segmented."""
        self._is_stopping = True
        self._again.clear()
        for one in self._segmenters:
            if one.actor is not None and one.hello is None:
                one.actor.stop.options(concurrency_group=ANSWERS).remote()
            one.segmenting = None

    def work_ahead(self, ended: set[Any]) -> None:
        """Starts segmenters while the engines start, and has each segment one unit; what becomes of it, `step` tells.

        Raises:
            EngineDeadError: no segmenter starts.
        """
        now_s = time.monotonic()
        for one in self._segmenters:
            self._get_up(one, ended, now_s)
            self._go_on(one, now_s)

    def step(self, ended: set[Any]) -> Iterator[UnitCommit | UnitFailure]:
        """Moves every segmenter on, and yields what became of units.

        Raises:
            FcapsError: something that would meet every unit alike, such as a full disk.
        """
        now_s = time.monotonic()
        for one in self._segmenters:
            self._get_up(one, ended, now_s)
            if one.segmenting is not None and one.segmenting[0] in ended:
                yield from self._segmented(one, now_s)
            for ref in [ref for ref in one.finishing if ref in ended]:
                if ref in one.finishing:
                    yield from self._finished(one, ref, now_s)
            yield from self._look(one, ended, now_s)
            self._go_on(one, now_s)
        if self.is_done() and self._gone is not None and not self._num_committed and not self._is_stopping:
            raise self._gone

    def _get_up(self, one: _Segmenter, ended: set[Any], now_s: float) -> None:
        if one.actor is None and now_s >= one.rest_until_s and self._has_unit_for_another():
            self._launch(one, now_s)
        if one.hello in ended:
            self._welcome(one, now_s)

    def _go_on(self, one: _Segmenter, now_s: float) -> None:
        if one.is_idle and (unit := self._next()) is not None:
            self._begin(one, unit, now_s)

    def _next(self) -> _Unit | None:
        if self._is_stopping:
            return None
        self._read_ahead(1)
        line = self._ahead or self._again
        return line.popleft() if line else None

    def _has_more(self) -> bool:
        """Whether units are left that nobody has begun."""
        return bool(self._ahead) or not self._is_exhausted

    def _has_unit_for_another(self) -> bool:
        """Whether a unit is left when all that start or idle have one; a process that gets none is not started."""
        num_free = sum(one.actor is not None and (one.hello is not None or one.is_idle) for one in self._segmenters)
        self._read_ahead(num_free + 1)
        return not self._is_stopping and len(self._ahead) + len(self._again) > num_free

    def _read_ahead(self, count: int) -> None:
        while len(self._ahead) < count and not self._is_exhausted:
            unit = next(self._units, None)
            if unit is None:
                self._is_exhausted = True
            else:
                self._ahead.append(_Unit(unit))

    def _begin(self, one: _Segmenter, unit: _Unit, now_s: float) -> None:
        if not one.finishing:
            one.looked_s = now_s
        one.segmenting = (one.actor.segment.remote(self._try_of(unit)), unit)

    def _try_of(self, unit: _Unit) -> UnitTry:
        ids = [recording.recording_id for recording in unit.unit.recordings if unit.num_deaths]
        is_last = not self._again and not self._has_more() and sum(map(self._num_in_hand, self._segmenters)) == 0
        steps = {one: self._ladder.step(one, is_last=is_last) for one in ids}
        return UnitTry(
            unit=unit.unit,
            earlier=self._earlier.get(unit.unit.unit_index),
            is_careful=unit.num_deaths > 0,
            alone=frozenset(one for one, step in steps.items() if step is Step.ALONE),
            convicted={one: self._ladder.reason(one) for one, step in steps.items() if step is Step.NEVER},
        )

    def _num_in_hand(self, one: _Segmenter) -> int:
        return len(one.finishing) + (one.segmenting is not None)

    def _launch(self, one: _Segmenter, now_s: float) -> None:
        one.num_lives += 1
        one.name = f"segmenter-{one.index}.{one.num_lives}"
        one.actor = self._launch_actor(one.name)
        one.hello, one.node_id, one.looked_s = one.actor.hello.options(concurrency_group=ANSWERS).remote(), None, now_s

    def _welcome(self, one: _Segmenter, now_s: float) -> None:
        hello, one.hello = one.hello, None
        try:
            one.node_id = ray.get(hello, timeout=_CALL_S)
        except RayError as error:
            list(self._died(one, "it did not start", now_s))
            if one.budget.is_spent(now_s) and not self.num_up:
                raise EngineDeadError(f"no segmenting process starts: {' '.join(str(error).split())}") from error

    def _segmented(self, one: _Segmenter, now_s: float) -> Iterator[UnitFailure]:
        assert one.segmenting is not None
        ref, unit = one.segmenting
        try:
            ray.get(ref, timeout=_CALL_S)
        except RayTaskError as error:
            one.segmenting = None
            yield from self._troubled(one, unit, error, now_s)
        except RayError as error:
            yield from self._died(one, death_of(error, one.node_id, "segmenting"), now_s)
        else:
            for recording in unit.unit.recordings:
                self._ladder.lived(recording.recording_id)
            one.segmenting = None
            index = unit.unit.unit_index
            one.finishing[one.actor.finish.options(concurrency_group=FINISH).remote(index)] = unit

    def _finished(self, one: _Segmenter, ref: Any, now_s: float) -> Iterator[UnitCommit | UnitFailure]:
        try:
            commit: UnitCommit = ray.get(ref, timeout=_CALL_S)
        except RayTaskError as error:
            yield from self._troubled(one, one.finishing.pop(ref), error, now_s)
        except RayError as error:
            yield from self._died(one, death_of(error, one.node_id, "segmenting"), now_s)
        else:
            del one.finishing[ref]
            self._num_committed += 1
            yield commit

    def _troubled(self, one: _Segmenter, unit: _Unit, error: Exception, now_s: float) -> Iterator[UnitFailure]:
        """A unit went wrong in a process that lives."""
        cause = cause_of(error)
        if isinstance(cause, SourceGoneError) or (isinstance(cause, FcapsError) and not _is_passing(cause)):
            raise cause from error
        if isinstance(cause, MemoryShortageError):
            # A fresh process has what this one does not give back; what else it had in hand is not at fault.
            yield from self._died(one, None, now_s)
            one.rest_until_s = one.budget.spend("it was short of memory", now_s)
        if isinstance(cause, StorageError):
            self._gone = cause
        message = str(cause) if isinstance(cause, FcapsError) else f"{type(cause).__name__}: {cause}"
        yield from self._try_again(unit, type(cause).__name__, " ".join(message.split()))

    def _try_again(self, unit: _Unit, cause: str, message: str) -> Iterator[UnitFailure]:
        unit.troubles[cause] += 1
        if unit.troubles[cause] < _TRIES:
            self._again.append(unit)
        else:
            yield UnitFailure(unit_index=unit.unit.unit_index, message=message)

    def _died(self, one: _Segmenter, death: str | None, now_s: float) -> Iterator[UnitFailure]:
        """A segmenter is gone, with all units it had; `death` is None where its node was lost."""
        end(one.actor)
        for queue in self._queues:
            queue.withdraw_desk.remote(one.name)
        segmenting, finishing = one.segmenting, list(one.finishing.values())
        one.actor = one.hello = one.look = one.segmenting = None
        one.finishing = {}
        one.rest_until_s = now_s if death is None else one.budget.spend(death, now_s)
        if self._is_stopping:
            return
        if segmenting is not None or death is None:
            self._again.extend(finishing)
        else:  # nothing else can have done it
            for unit in finishing:
                yield from self._try_again(unit, "death", f"{death} while it waited for answers and wrote")
        if segmenting is not None:
            yield from self._blame(segmenting[1], death)

    def _blame(self, unit: _Unit, death: str | None) -> Iterator[UnitFailure]:
        """Counts the death of a process at the Recording that it had begun."""
        at = self._announced(unit.unit.unit_index)
        if death is None:
            self._again.append(unit)
            return
        unit.num_deaths += 1
        if at is None:
            yield from self._try_again(unit, "death", f"{death}; look for a lack of memory on its machine")
            return
        if at != unit.unit.recordings[0].recording_id:
            self._ladder.lived(unit.unit.recordings[0].recording_id)
        self._ladder.died(at, death)
        self._again.append(unit)

    def _announced(self, unit_index: int) -> str | None:
        try:
            found: str | None = ray.get(self._board.pop_announced.remote(unit_index), timeout=_CALL_S)
        except RayError:
            return None
        return found

    def _look(self, one: _Segmenter, ended: set[Any], now_s: float) -> Iterator[UnitFailure]:
        """Finds a segmenter that does not get on."""
        if not self._num_in_hand(one):
            one.look = None
        elif one.look is None and now_s - one.looked_s > min(_LOOK_EVERY_S, self._hang_s / 2):
            one.look, one.looked_s = one.actor.idle_s.options(concurrency_group=ANSWERS).remote(), now_s
        elif one.look in ended:
            look, one.look = one.look, None
            try:
                idle_s = ray.get(look, timeout=_CALL_S)
            except RayError:  # what it has in hand tells what happened
                return
            if idle_s > self._hang_s:
                yield from self._died(one, "its segmenting process hung", now_s)
        elif one.look is not None and now_s - one.looked_s > self._hang_s:
            yield from self._died(one, "its segmenting process hung", now_s)


def _is_passing(error: FcapsError) -> bool:
    return isinstance(error, StorageError | MemoryShortageError)
