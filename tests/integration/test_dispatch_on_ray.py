"""Real Ray, fake engines behind the Engine protocol: replicas that die, hang, leave and come late lose no Segment."""

import asyncio
import hashlib
import os
import re
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import ray
import soundfile
from ray import cloudpickle
from ray.cluster_utils import Cluster

from fcaps_pipeline.annotate.engines.cascade_engine import CascadeEngine
from fcaps_pipeline.annotate.engines.engine import CaptionRequest, Engine, EngineIdentity
from fcaps_pipeline.annotate.run.border import Prepare
from fcaps_pipeline.annotate.run.callback import RunCallback
from fcaps_pipeline.annotate.run.dispatch import QueueState
from fcaps_pipeline.annotate.run.ray_runtime.captioning import CaptioningActor
from fcaps_pipeline.annotate.run.ray_runtime.queues import queue_name
from fcaps_pipeline.annotate.run.ray_runtime.runtime import RayRuntime
from fcaps_pipeline.annotate.run.ray_runtime.segmenters import UnitFailure
from fcaps_pipeline.annotate.run.ray_runtime.segmenting import SegmentingActor
from fcaps_pipeline.annotate.run.signals import Signals
from fcaps_pipeline.annotate.segmentation.segmenter import Preparation
from fcaps_pipeline.errors import ModelError
from fcaps_pipeline.jobs.annotate_job import Job, parse_job
from fcaps_pipeline.records.annotations import Completion, WorkUnit
from fcaps_pipeline.records.audio import Cut, Recording
from fcaps_pipeline.shards.layout import RunLayout, UnitCommit
from fcaps_pipeline.shards.reader import read_rows
from fcaps_pipeline.storage.path import StorePath

cloudpickle.register_pickle_by_value(sys.modules[__name__])

CUT_SAMPLES = 32_000
CUTS_PER_RECORDING = 12
NUM_UNITS = 4


class TroubledEngine(CascadeEngine):
    """Answers like the cascade, after a moment; files in a folder say what it does instead."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def complete(self, request: CaptionRequest) -> tuple[Completion, ...]:
        """Answers, hangs for ever, or takes its process down."""
        if (self._folder / f"poison-{_hash(request.audio_T)}").exists():
            os.kill(os.getpid(), signal.SIGKILL)  # at once, or an engine that hangs may have it in hand
        await asyncio.sleep(1.0)  # what is told once a second comes while most of the run is still ahead
        if (self._folder / f"hangs-{os.getpid()}").exists() or self._take("hang", f"hangs-{os.getpid()}"):
            await asyncio.Event().wait()
        if self._take("die", f"died-{os.getpid()}"):
            os.kill(os.getpid(), signal.SIGKILL)
        return await super().complete(request)

    def _take(self, name: str, taken: str) -> bool:
        """Whether it is this process that finds the file, with Segments in hand."""
        try:
            (self._folder / name).rename(self._folder / taken)
        except FileNotFoundError:
            return False
        return True


def _hash(audio_T: Any) -> str:
    return hashlib.sha256(np.asarray(audio_T, np.float32).tobytes()).hexdigest()[:16]


def _captioning(folder: Path) -> type[CaptioningActor]:
    class Troubled(CaptioningActor):
        """A replica with a troubled engine."""

        def build(self) -> Engine:
            return TroubledEngine(folder)

    return Troubled


class ExpectantEngine(CascadeEngine):
    """Starts once Segments wait in its queue, or then refuses to."""

    def __init__(self, *, refuses: bool) -> None:
        self._refuses = refuses

    async def start(self) -> EngineIdentity:
        """Starts or refuses, after a minute all the same."""
        queue = ray.get_actor(queue_name("fake"))
        for _ in range(600):
            if (await queue.state.remote())[0].num_queued:
                break
            await asyncio.sleep(0.1)
        if self._refuses:
            raise ModelError("no such model")
        return await super().start()


def _expectant(*, refuses: bool) -> type[CaptioningActor]:
    class Expectant(CaptioningActor):
        """A replica that starts late."""

        def build(self) -> Engine:
            return ExpectantEngine(refuses=refuses)

    return Expectant


def _segmenting(poisoned: str) -> type[SegmentingActor]:
    class Deadly(SegmentingActor):
        """A segmenter that one Recording takes down."""

        def prepare_with(self, job: Job) -> Prepare:
            inner = super().prepare_with(job)

            def prepare(recording: Recording) -> Preparation:
                if recording.recording_id == poisoned:
                    os.kill(os.getpid(), signal.SIGKILL)
                return inner(recording)

            return prepare

    return Deadly


@dataclass
class Heard(RunCallback):
    """What a run told, with something to do at a certain number of annotated Segments."""

    ups: list[str] = field(default_factory=list)
    downs: dict[str, str] = field(default_factory=dict)
    waiting: list[str] = field(default_factory=list)
    num_segments: int = 0
    at: dict[int, Callable[[], None]] = field(default_factory=dict)
    when_waiting: Callable[[], None] = lambda: None

    def on_engine_up(self, engine: str, replica: str, host: str) -> None:
        self.ups.append(replica)

    def on_engine_down(self, engine: str, replica: str, cause: str) -> None:
        self.downs[replica] = cause

    def on_waiting(self, message: str) -> None:
        self.waiting.append(message)
        if len(self.waiting) == 1:
            self.when_waiting()

    def on_progress(self, progress: Any) -> None:
        self.num_segments += progress.num_segments
        for count in [count for count in self.at if self.num_segments >= count]:
            self.at.pop(count)()


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A head alone, that soon notices a lost node; what needs two cores finds no room there."""
    head = {"num_cpus": 1, "_system_config": {"health_check_period_ms": 500}}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    yield cluster
    ray.shutdown()
    cluster.shutdown()


@pytest.fixture(scope="module")
def units(tmp_path_factory: pytest.TempPathFactory) -> list[WorkUnit]:
    """Noise of changing level in declared segments, two recordings a unit."""
    folder = tmp_path_factory.mktemp("speech")
    rng = np.random.default_rng(0)
    recordings = []
    for index in range(2 * NUM_UNITS):
        path = folder / f"{index}.wav"
        soundfile.write(path, rng.normal(0, 0.1, CUT_SAMPLES * CUTS_PER_RECORDING), 16_000)
        cuts = tuple(
            Cut(start_samples=CUT_SAMPLES * one, end_samples=CUT_SAMPLES * (one + 1))
            for one in range(CUTS_PER_RECORDING)
        )
        recordings.append(
            Recording(
                recording_id=f"r{index}",
                location=str(path),
                source=path.name,
                duration_s=CUT_SAMPLES * CUTS_PER_RECORDING / 16_000,
                cuts=cuts,
            )
        )
    return [
        WorkUnit(unit_index=index, recordings=tuple(recordings[2 * index : 2 * index + 2]))
        for index in range(NUM_UNITS)
    ]


def _job(cluster: Cluster, num_replicas: Any = 2, cpus: float = 0.2, **resources: Any) -> Job:
    engine = {"kind": "vllm", "num_replicas": num_replicas, "cpus_per_replica": cpus, "max_num_seqs": 4}
    content = {
        "source": {"kind": "folder", "path": "speech"},
        "engines": {"fake": engine},
        "captions": {"fine": {"engine": "fake", "prompt": "embedded_fine.v1"}},
        "resources": {"ray_address": cluster.address, "cpus_per_segmenter": 0.2, "segments_in_flight": 16, **resources},
    }
    return parse_job(content, "the test")


def _run(
    job: Job,
    root: Path,
    units: Sequence[WorkUnit],
    heard: Heard,
    captioning: type[CaptioningActor],
    segmenting: type[SegmentingActor] = SegmentingActor,
) -> list[UnitCommit | UnitFailure]:
    with (
        Signals() as signals,
        RayRuntime(job, RunLayout(root), signals, captioning, segmenting) as runtime,
    ):
        runtime.start(units, heard)
        return list(runtime.run(heard))


def _ids(root: Path) -> Counter[str]:
    """How often each Segment stands in the tables."""
    return Counter(
        str(row["segment_id"])
        for table in ("data", "rejections", "failures")
        for row in read_rows(RunLayout(root), table, ["segment_id"])
    )


def _failed(root: Path) -> dict[str, str]:
    return {str(row["segment_id"]): str(row["message"]) for row in read_rows(RunLayout(root), "failures")}


def _expected(units: Sequence[WorkUnit]) -> set[str]:
    return {
        f"{one.recording_id}-c0-{cut.start_samples:09d}-{cut.end_samples:09d}"
        for unit in units
        for one in unit.recordings
        for cut in one.cuts or ()
    }


def _poison(units: Sequence[WorkUnit], folder: Path) -> tuple[str, Path]:
    """The last Segment of the last unit, and the file that makes its audio kill every engine."""
    recording = units[-1].recordings[-1]
    start, end = CUT_SAMPLES * (CUTS_PER_RECORDING - 1), CUT_SAMPLES * CUTS_PER_RECORDING
    pcm_T, _ = soundfile.read(recording.location, dtype="int16", start=start, stop=end)
    mark = folder / f"poison-{_hash(pcm_T.astype(np.float32) / 32768)}"
    return f"{recording.recording_id}-c0-{start:09d}-{end:09d}", mark


def _kill_queue() -> None:
    """Ends the process that has the queue; Ray starts another one, which knows nothing."""
    found = [one for one in psutil.Process().children(recursive=True) if "ray::QueueActor" in _title(one)]
    assert found
    for one in found:
        one.kill()


def _title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


@dataclass(frozen=True)
class Undisturbed:
    """A run in which nothing goes wrong but that its engine starts late, and that one file is gone."""

    root: Path
    names: set[str]
    """Of its engines."""
    while_starting: QueueState
    commits_while_starting: list[StorePath]
    outcomes: list[UnitCommit | UnitFailure]


@pytest.fixture(scope="module")
def undisturbed(cluster: Cluster, units: list[WorkUnit], tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    folder = tmp_path_factory.mktemp("undisturbed")
    gone = {"recording_id": "gone", "location": str(folder / "gone.wav"), "stamp": None}
    vain = WorkUnit(unit_index=NUM_UNITS, recordings=(units[0].recordings[0].model_copy(update=gone),))
    layout = RunLayout(folder / "run")
    with (
        Signals() as signals,
        RayRuntime(_job(cluster, 1), layout, signals, _expectant(refuses=False)) as runtime,
    ):
        identities = runtime.start([vain, *units], Heard())
        time.sleep(2.0)  # what wanted to go on without leave would have
        state: QueueState = ray.get(ray.get_actor(queue_name("fake")).state.remote())[0]
        commits = list(layout.commits.list())
        outcomes = list(runtime.run(Heard()))
    return Undisturbed(layout.root.on_disk(), {*identities}, state, commits, outcomes)


def test_segments_wait_for_an_engine_that_starts_and_nothing_is_asked_or_committed_before(
    undisturbed: Undisturbed, units: list[WorkUnit]
) -> None:
    assert undisturbed.names == {"fake"}
    assert undisturbed.while_starting.num_queued > 0
    assert not undisturbed.while_starting.held
    assert undisturbed.commits_while_starting == []
    assert all(isinstance(one, UnitCommit) for one in undisturbed.outcomes)
    assert set(_ids(undisturbed.root)) - {"None"} == _expected(units)
    assert [*_failed(undisturbed.root)] == ["None"], "the file that is gone has no Segment"


def test_an_engine_that_cannot_start_ends_the_run_with_its_reason_and_nothing_done(
    cluster: Cluster, units: list[WorkUnit], tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match=r"^no such model$"):
        _run(_job(cluster, 1), tmp_path / "run", units, Heard(), _expectant(refuses=True))
    assert list(RunLayout(tmp_path / "run").commits.list()) == []
    left = [one for one in psutil.Process().children(recursive=True) if "ray::SegmentingActor" in _title(one)]
    assert psutil.wait_procs(left, timeout=30)[1] == []


def test_a_killed_a_hung_and_a_poisoned_replica_cost_one_segment(
    cluster: Cluster, undisturbed: Undisturbed, units: list[WorkUnit], tmp_path: Path
) -> None:
    folder = tmp_path / "switches"
    folder.mkdir()
    poison, mark = _poison(units, folder)
    # The poison acts when the other two have happened: three deaths by chance would convict its neighbour.
    heard = Heard(at={1: (folder / "die").touch, 10: (folder / "hang").touch, 30: mark.touch})
    outcomes = _run(_job(cluster, hang_timeout_s=12), tmp_path / "run", units, heard, _captioning(folder))
    assert all(isinstance(one, UnitCommit) for one in outcomes)
    assert _ids(tmp_path / "run") == Counter(_expected(units))
    failed = _failed(tmp_path / "run")
    assert list(failed) == [poison]
    assert re.search("tried [34] times, the last time alone, .*: its captioning process died$", failed[poison])
    causes = Counter(heard.downs.values())
    assert not heard.at, "all was done to it"
    assert causes["its engine hung"] == 1
    assert causes["its captioning process died"] >= 3, "the poison, beside which it may have died by hand"
    assert len(list(folder.glob("died-*"))) == 1
    shards = [
        {one.name: one.read_bytes() for one in (run / "data").iterdir()} for run in (undisturbed.root, tmp_path / "run")
    ]
    assert len(shards[0].items() & shards[1].items()) == NUM_UNITS - 1, (
        "all but the unit with the poison, byte for byte"
    )


def test_a_recording_that_kills_its_process_every_time_fails_alone_and_a_lost_queue_costs_nothing(
    cluster: Cluster, units: list[WorkUnit], tmp_path: Path
) -> None:
    heard = Heard(at={5: _kill_queue})
    poisoned = units[0].recordings[0]
    job = _job(cluster, 1, num_segmenters=1)
    outcomes = _run(job, tmp_path / "run", units[:2], heard, _captioning(tmp_path), _segmenting("r0"))
    assert all(isinstance(one, UnitCommit) for one in outcomes)
    (failure,) = read_rows(RunLayout(tmp_path / "run"), "failures")
    assert failure["source"] == poisoned.source
    assert "tried 3 times, the last time alone, and each time: its segmenting process died" in str(failure["message"])
    assert not heard.at, "all was done to it"
    others = [unit.model_copy(update={"recordings": unit.recordings[1:]}) for unit in units[:1]]
    assert set(_ids(tmp_path / "run")) - {"None"} == _expected([*others, units[1]])


def test_a_lost_node_counts_against_nobody_and_a_late_one_is_used(
    cluster: Cluster, units: list[WorkUnit], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fcaps_pipeline.annotate.run.ray_runtime.runtime._SAY_EVERY_S", 2.0)
    nodes: list[Any] = []

    def grow() -> None:
        nodes.append(cluster.add_node(num_cpus=2))

    def lose_and_replace() -> None:
        cluster.remove_node(nodes.pop(0), allow_graceful=False)
        grow()

    heard = Heard(at={30: lose_and_replace}, when_waiting=grow)
    job = _job(cluster, {"min": 1, "max": 2}, 2, num_segmenters=1)
    outcomes = _run(job, tmp_path / "run", units, heard, _captioning(tmp_path))
    assert all(isinstance(one, UnitCommit) for one in outcomes)
    assert _ids(tmp_path / "run") == Counter(_expected(units))
    assert not _failed(tmp_path / "run")
    assert "engine fake (0 of 1 up)" in heard.waiting[0]
    assert "lower engines" in heard.waiting[0]
    assert "its node is gone" in heard.downs.values()
    assert len(heard.ups) >= 2, "one of the first node, one of the late one"
