"""The replicas of one benchmark as its driver sees them: brought in, made to fail, found out, started anew.

It does for simulated replicas what `ray_runtime` does for real ones: tells the queue who is lost and of what, asks
it once a second who hangs, and starts again what died.
"""

from dataclasses import dataclass
from typing import Any

import ray

from fcaps_pipeline.lab.bench.scale.cases import RESTART_S, Case, Fault, Part

_CALL_S = 60.0
_LOOK_EVERY_S = 1.0


@dataclass
class _Slot:
    """One replica through all its lives in one case."""

    part: Part
    host: Any
    starts_s: float | None
    """When it is to be started, simulated; None while it serves or stays away."""
    name: str = ""
    serving: Any = None


class SimulatedReplicas:
    """Everything that serves the queue."""

    def __init__(self, queue: Any, hosts: list[Any], time_scale: float) -> None:
        """Starts with nobody."""
        self._queue = queue
        self._hosts = hosts
        self._time_scale = time_scale
        self._slots: list[_Slot] = []
        self._num_lives = 0
        self._look: Any = None
        self._looked_s = 0.0
        self.num_restarts = 0

    def become(self, case: Case) -> None:
        """Turns into the replicas of a case; those of the case before go as with their nodes."""
        for slot in self._slots:
            self._leave(slot, None)
        ray.get([host.set_spread.remote(case.spread) for host in self._hosts], timeout=_CALL_S)
        self._slots = [
            _Slot(part, self._hosts[index % len(self._hosts)], None if part.joins_s else 0.0)
            for index, part in enumerate(case.parts)
        ]
        self.num_restarts = 0

    def begin(self, since_s: float) -> None:
        """The measurement begins: who joins late does so from here."""
        for slot in self._slots:
            if slot.part.joins_s:
                slot.starts_s = since_s + slot.part.joins_s

    def strike(self, now_s: float) -> None:
        """The fault of the case happens."""
        for slot in self._slots:
            if slot.part.fault is Fault.HANGS:
                ray.get(slot.host.hang.remote(slot.name), timeout=_CALL_S)
            elif slot.part.fault is Fault.NODE_LOST:
                back_s = slot.part.back_after_s
                self._leave(slot, None if back_s is None else now_s + back_s)

    def references(self) -> list[Any]:
        """What may end next."""
        waiting = [slot.serving for slot in self._slots if slot.serving is not None]
        return [*waiting, self._look] if self._look is not None else waiting

    def step(self, ended: set[Any], now_s: float) -> None:
        """Moves every replica on; `now_s` is simulated."""
        for slot in self._slots:
            if slot.serving is not None and slot.serving in ended:
                self._died(slot, "its captioning process died", now_s)
            if slot.serving is None and slot.starts_s is not None and now_s >= slot.starts_s:
                self._start(slot)
        self._look_at_queue(ended, now_s)

    def read(self) -> tuple[float, float]:
        """Clip-seconds at work and of room, of all that are up, so far."""
        found = ray.get([host.read.remote() for host in self._hosts], timeout=_CALL_S)
        return sum(busy_s for busy_s, _ in found), sum(up_s for _, up_s in found)

    def _start(self, slot: _Slot) -> None:
        self._num_lives += 1
        slot.name, slot.starts_s = f"replica.{self._num_lives}", None
        slot.serving = slot.host.serve.remote(slot.name, slot.part.speed)

    def _leave(self, slot: _Slot, starts_s: float | None) -> None:
        """Its node is lost."""
        if slot.serving is not None:
            ray.get(slot.host.end.remote(slot.name), timeout=_CALL_S)
            self._lost(slot.name, None)
        slot.serving, slot.starts_s = None, starts_s

    def _died(self, slot: _Slot, cause: str, now_s: float) -> None:
        self._lost(slot.name, cause)
        slot.serving, slot.starts_s = None, now_s + RESTART_S
        self.num_restarts += 1

    def _lost(self, name: str, cause: str | None) -> None:
        ray.get(self._queue.lost.remote(name, cause), timeout=_CALL_S)

    def _look_at_queue(self, ended: set[Any], now_s: float) -> None:
        if self._look is None:
            if now_s - self._looked_s >= _LOOK_EVERY_S * self._time_scale:
                self._look, self._looked_s = self._queue.state.remote(), now_s
            return
        if self._look not in ended:
            return
        _, _, hung = ray.get(self._look, timeout=_CALL_S)
        self._look = None
        for slot in self._slots:
            if slot.serving is not None and slot.name in hung:
                ray.get(slot.host.end.remote(slot.name), timeout=_CALL_S)
                self._died(slot, "its engine hung", now_s)
