"""How well the dispatcher keeps hundreds of engines busy, and what it costs, on whatever machine this is.

One run of the pipeline for each number of replicas, on a Ray of its own, through all cases one after the other: its
queue, its segmenters' loop, its desks and its unit writer are the real ones. What is simulated: audio and voice
detection (clips of 25 ms out of nothing), the engines (clocks; hundreds in a few processes) and with them the
supervision of their actors, and answers (one short caption, not judged). Enters: cases. Leaves: a row
a case; at the end every Segment of every committed unit stands in its shards once, or the benchmark fails.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import psutil
import ray

from fcaps_pipeline.annotate.run.placement import deadlines_s
from fcaps_pipeline.annotate.run.ray_runtime.cluster import beside_driver, connect
from fcaps_pipeline.annotate.run.ray_runtime.queues import BOARD, Board, QueueActor, queue_name
from fcaps_pipeline.annotate.run.ray_runtime.segmenters import Launch, Segmenters, UnitFailure
from fcaps_pipeline.errors import AccountingError
from fcaps_pipeline.jobs.annotate_job import Job
from fcaps_pipeline.lab.bench.memory import memory_bytes
from fcaps_pipeline.lab.bench.scale.actors import ROOM, ReplicaHost, SimulatedSegmentingActor
from fcaps_pipeline.lab.bench.scale.cases import Case
from fcaps_pipeline.lab.bench.scale.cluster import SimulatedReplicas
from fcaps_pipeline.lab.bench.scale.rows import ScaleRow, ScaleSummary
from fcaps_pipeline.lab.bench.scale.simulated import MEAN_S, has_poison, units
from fcaps_pipeline.shards.layout import RunLayout, Table, UnitCommit
from fcaps_pipeline.shards.reader import read_rows

_TABLES: tuple[Table, ...] = ("data", "rejections", "failures")
_ENGINE = "simulated"
_NUM_HOSTS = 2
_NUM_SEGMENTERS = 3
_CLIPS_PER_UNIT_AND_REPLICA = 25
"""Units large enough that a segmenter is never held up by the slowest answers of those it finishes."""
_RAMP_S = 1.2 * MEAN_S
"""Simulated time between the beginning of a case and its measurement."""
_POLL_S = 0.1
_WAITING_CALLS = 10_000
_DRAIN_S = 300.0
_MEGABYTE = 1e6


def bench_scale(
    folder: Path, all_cases: Sequence[Case], time_scale: float, on_row: Callable[[ScaleRow], None]
) -> ScaleSummary:
    """Goes through the cases.

    Args:
        folder: an empty one for the shards.
        all_cases: in their order.
        time_scale: simulated seconds that pass in a second.
        on_row: told each row as soon as it is measured.

    Raises:
        AccountingError: a Segment was lost or doubled.
    """
    summaries = []
    for num_replicas, group in groupby(all_cases, key=lambda case: case.num_replicas):
        layout = RunLayout(folder / f"{num_replicas}-replicas")
        summaries.append(_bench(layout, tuple(group), time_scale, on_row))
    return ScaleSummary(
        num_units=sum(one.num_units for one in summaries),
        num_clips=sum(one.num_clips for one in summaries),
        num_convicted=sum(one.num_convicted for one in summaries),
    )


def _bench(
    layout: RunLayout, all_cases: Sequence[Case], time_scale: float, on_row: Callable[[ScaleRow], None]
) -> ScaleSummary:
    """The cases of one number of replicas: one run."""
    job = _job(max(len(case.parts) for case in all_cases))
    clips_per_unit = _CLIPS_PER_UNIT_AND_REPLICA * all_cases[0].num_replicas
    connect(job)
    try:
        run = _Run(job, layout, clips_per_unit, time_scale)
        for case in all_cases:
            on_row(run.measure(case))
        run.drain()
    finally:
        ray.shutdown()
    return _checked(layout, run.commits, clips_per_unit)


def _job(num_replicas: int) -> Job:
    in_flight = 2 * num_replicas * ROOM // _NUM_SEGMENTERS
    return Job.model_validate(
        {
            "source": {"kind": "folder", "path": "simulated"},
            "engines": {_ENGINE: {"kind": "cascade"}},
            "captions": {"fine": {"engine": _ENGINE, "prompt": "embedded_fine.v1"}},
            "segmentation": {"min_segment_s": 0.01, "max_segment_s": 0.1},
            "resources": {"num_segmenters": _NUM_SEGMENTERS, "segments_in_flight": in_flight},
        }
    )


class _Run:
    """The pipeline and its driver's loop."""

    def __init__(self, job: Job, layout: RunLayout, clips_per_unit: int, time_scale: float) -> None:
        self._time_scale = time_scale
        self.commits: list[UnitCommit] = []
        self._to_poison = 0
        board = ray.remote(Board).options(name=BOARD, **beside_driver()).remote()
        deadlines = [one / time_scale for one in deadlines_s(job, _ENGINE)]
        queue = (
            ray.remote(QueueActor)
            .options(name=queue_name(_ENGINE), max_concurrency=_WAITING_CALLS, **beside_driver())
            .remote(_ENGINE, *deadlines)
        )
        host = ray.remote(ReplicaHost).options(num_cpus=0, max_concurrency=_WAITING_CALLS)
        hosts = [host.remote(_ENGINE, time_scale) for _ in range(_NUM_HOSTS)]
        self._replicas = SimulatedReplicas(queue, hosts, time_scale)
        stream = units(clips_per_unit, self._poisons)
        self._segmenters = Segmenters(Launch(SimulatedSegmentingActor, job, layout), stream, board, [queue], {})
        self._queue = queue
        while self._segmenters.num_up < _NUM_SEGMENTERS:
            self._step()

    def measure(self, case: Case) -> ScaleRow:
        """One case, from its beginning to the end of its measurement."""
        self._replicas.become(case)
        self._to_poison = case.num_poisoned
        self._until(self._now_s() + _RAMP_S)
        begun_s = self._now_s()
        self._replicas.begin(begun_s)
        before = self._counts()
        self._until(begun_s + case.fault_at_s)
        self._replicas.strike(self._now_s())
        self._until(begun_s + case.measured_s)
        after = self._counts()
        if case.kills and not self._replicas.num_restarts:
            raise AccountingError(f"case {case.name!r}: no replica was replaced within {case.measured_s:g} s")
        busy_s, up_s = after.busy_s - before.busy_s, after.up_s - before.up_s
        num_answered = max(1, after.num_answered - before.num_answered)
        cpu_ms = {name: 1000 * (cpu_s - before.cpu_s[name]) / num_answered for name, cpu_s in after.cpu_s.items()}
        return ScaleRow(
            num_replicas=case.num_replicas,
            case=case.name,
            busy_share=busy_s / up_s,
            aim=case.aim,
            clips_per_s=num_answered / (after.at_s - before.at_s),
            memory_mb=memory_bytes() / _MEGABYTE,
            dispatcher_ms_per_clip=cpu_ms["queue"],
            cpu_ms_per_clip=cpu_ms,
        )

    def drain(self) -> None:
        """Lets the segmenters finish what waits for its last answers, and hands back what they are at.

        Raises:
            AccountingError: an answer does not come.
        """
        self._segmenters.stop()
        until_s = time.monotonic() + _DRAIN_S
        while self._segmenters.is_finishing():
            self._step()
            if time.monotonic() > until_s:
                raise AccountingError(f"units are unfinished {_DRAIN_S:g} s after the last one was begun")

    def _poisons(self) -> bool:
        self._to_poison -= 1
        return self._to_poison >= 0

    def _now_s(self) -> float:
        return time.monotonic() * self._time_scale

    def _until(self, at_s: float) -> None:
        while self._now_s() < at_s:
            self._step()

    def _step(self) -> None:
        references = [*self._replicas.references(), *self._segmenters.references()]
        if references:
            ray.wait(references, num_returns=1, timeout=_POLL_S, fetch_local=False)
        ended, _ = ray.wait(references, num_returns=len(references), timeout=0, fetch_local=False)
        self._replicas.step(set(ended), self._now_s())
        for outcome in self._segmenters.step(set(ended)):
            if isinstance(outcome, UnitFailure):
                raise AccountingError(f"unit {outcome.unit_index} was given up: {outcome.message}")
            self.commits.append(outcome)

    def _counts(self) -> "_Counts":
        busy_s, up_s = self._replicas.read()
        state, _, _ = ray.get(self._queue.state.remote())
        return _Counts(busy_s, up_s, state.num_answered, _cpu_s(), time.monotonic())


@dataclass(frozen=True)
class _Counts:
    """Everything that only grows, at one moment."""

    busy_s: float
    up_s: float
    num_answered: int
    cpu_s: dict[str, float]
    at_s: float


_PROCESSES = {
    "queue": "ray::QueueActor",
    "segmenters": "ray::SimulatedSegmentingActor",
    "replicas": "ray::ReplicaHost",
    "progress": "ray::Board",
}


def _cpu_s() -> dict[str, float]:
    """CPU time by kind of process; `other` is the driver and Ray itself."""
    seconds = dict.fromkeys([*_PROCESSES, "other"], 0.0)
    for one in [psutil.Process(), *psutil.Process().children(recursive=True)]:
        try:
            times, title = one.cpu_times(), " ".join(one.cmdline())
        except psutil.Error:
            continue
        kind = next((name for name, beginning in _PROCESSES.items() if title.startswith(beginning)), "other")
        seconds[kind] += times.user + times.system
    return seconds


def _checked(layout: RunLayout, commits: Sequence[UnitCommit], clips_per_unit: int) -> ScaleSummary:
    """Conservation: each Segment of each unit once, in one of the tables, and no Failure but of poisoned ones.

    Raises:
        AccountingError: it is not so.
    """
    found: Counter[str] = Counter()
    for table in _TABLES:
        found.update(row["segment_id"] for row in read_rows(layout, table, ["segment_id"]))
    num_expected = len(commits) * clips_per_unit
    num_doubled = found.total() - len(found)
    num_poisoned = sum(has_poison(row["recording_id"]) for row in read_rows(layout, "recordings", ["recording_id"]))
    num_convicted = sum(commit.num_segment_failures for commit in commits)
    if len(found) != num_expected or num_doubled or num_convicted != num_poisoned:
        raise AccountingError(
            f"{len(commits)} units of {clips_per_unit} Segments: expected {num_expected}, {num_poisoned} of them "
            f"Failures; found {len(found)} and {num_convicted}, {num_doubled} doubled"
        )
    return ScaleSummary(num_units=len(commits), num_clips=num_expected, num_convicted=num_convicted)
