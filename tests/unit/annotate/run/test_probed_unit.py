"""A unit whose captions are probed, with every part real but Ray and the model; then once more from its own answers."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from fcaps_pipeline.annotate.acoustics.measure import measure_segment
from fcaps_pipeline.annotate.captioning.duties import EngineDuties
from fcaps_pipeline.annotate.captioning.earlier_answers import EarlierAnswers, build_answers
from fcaps_pipeline.annotate.captioning.errand import Errand
from fcaps_pipeline.annotate.captioning.reusing_engine import AnswersAlone
from fcaps_pipeline.annotate.engines.answers import make_completion
from fcaps_pipeline.annotate.engines.cascade_engine import CascadeEngine
from fcaps_pipeline.annotate.engines.engine import CaptionRequest, Engine, EngineIdentity
from fcaps_pipeline.annotate.run.desk import Desk
from fcaps_pipeline.annotate.run.itinerary import JobItinerary
from fcaps_pipeline.annotate.run.unit_worker import UnitTry, UnitWorker
from fcaps_pipeline.annotate.segmentation.detector import LateDetector, VoiceDetector
from fcaps_pipeline.annotate.segmentation.segmenter import Segmenter
from fcaps_pipeline.annotate.verification.bounds import shipped_bounds
from fcaps_pipeline.annotate.verification.opinions import probes_of
from fcaps_pipeline.errors import EngineDeadError
from fcaps_pipeline.jobs.annotate_job import parse_job
from fcaps_pipeline.jobs.prompts import load_prompts
from fcaps_pipeline.records.annotations import CaptionSet, Completion, WorkUnit
from fcaps_pipeline.records.audio import Cut, Recording
from fcaps_pipeline.shards.layout import RunLayout, UnitCommit
from fcaps_pipeline.shards.reader import read_rows
from tests.unit.annotate.run.desk_house import House, QueueOfHouse
from tests.unit.learn.training.written_runs import write_index

NUM_SEGMENTS = 6
JOB = parse_job(
    {
        "source": {"kind": "folder", "path": "speech"},
        "engines": {"writer": {"kind": "vllm"}, "ears": {"kind": "vllm"}},
        "captions": {"fine": {"engine": "writer", "prompt": "embedded_fine.v1"}},
        "verification": {
            "verifiers": [{"kind": "probe", "engine": "ears", "prompt": "embedded_probe.v1", "max_probes": 1}],
            "contradicted": ["ask_again", "drop"],
        },
        "resources": {"segments_in_flight": 3},
    },
    "the test",
)


class Ears(CascadeEngine):
    """Hears whether a claim is true: of what is in some Segments never, of what is in the others always."""

    def __init__(self, deaf_to: frozenset[bytes] = frozenset(), deadly: frozenset[bytes] = frozenset()) -> None:
        self.num_clips = 0
        self._deaf_to = deaf_to
        self._deadly = deadly

    async def start(self) -> EngineIdentity:
        return (await super().start()).model_copy(update={"model": "ears"})

    async def complete(self, request: CaptionRequest) -> tuple[Completion, ...]:
        await asyncio.sleep(0.001)
        assert request.audio_T is not None
        assert request.weighed
        first = request.audio_T[:8].tobytes()
        if first in self._deadly:
            raise EngineDeadError("it died of it")
        told = (-1.0, -1.0, -1.0)
        if request.audio_T.any():
            self.num_clips += 1
            told = (-4.0, -0.1, -9.0) if first in self._deaf_to else (-0.1, -4.0, -9.0)
        answer = make_completion(
            "?", "length", num_prompt_tokens=9, num_output_tokens=1, seed=0, log_probabilities=told
        )
        return (answer,)


def _never() -> VoiceDetector:
    raise AssertionError("declared segments need no detector")


@pytest.fixture
def unit(tmp_path: Path) -> WorkUnit:
    path = tmp_path / "tale.wav"
    soundfile.write(path, np.random.default_rng(0).normal(0, 0.1, 48_000 * NUM_SEGMENTS), 16_000)
    cuts = tuple(Cut(start_samples=48_000 * one, end_samples=48_000 * (one + 1)) for one in range(NUM_SEGMENTS))
    recording = Recording(recording_id="tale_wav", location=str(path), source="tale.wav", cuts=cuts)
    return WorkUnit(unit_index=0, recordings=(recording,))


def _firsts(unit: WorkUnit, *places: int) -> frozenset[bytes]:
    """How the sounds of some Segments begin."""
    pcm_T, _ = soundfile.read(unit.recordings[0].location, dtype="int16")
    return frozenset((pcm_T[48_000 * one :][:8].astype(np.float32) / 32768.0).tobytes() for one in places)


def _annotate(house: House, root: Path, unit: WorkUnit, engines: dict[str, Callable[[], Engine]]) -> UnitCommit:
    for name in JOB.engines:
        house.open_queue(name)
    queues = {name: QueueOfHouse(house, name) for name in JOB.engines}
    house.desk = Desk("desk", queues, JobItinerary(JOB), JOB.resources.segments_in_flight, list)
    for name, make in engines.items():
        _start(house, name, make, 0)
    segmenter = Segmenter(JOB.segmentation, LateDetector(_never), measure_segment)
    worker = UnitWorker(JOB, RunLayout(root), house.desk, segmenter.prepare, lambda _: None, lambda *_: None)
    worker.segment(UnitTry(unit))
    commit = worker.finish(0)
    write_index(RunLayout(root))
    return commit


def _start(house: House, name: str, make: Callable[[], Engine], life: int) -> None:
    """A replica; where its engine dies, another life of it."""

    async def begin() -> EngineDuties:
        duties = EngineDuties(name, make(), JOB, load_prompts(JOB.prompt_references()), shipped_bounds())
        await duties.start()
        return duties

    duties: EngineDuties = house.call(begin())

    async def do(errand: Errand) -> tuple[CaptionSet, ...]:
        try:
            return await duties.do(errand)
        except EngineDeadError:
            if life < 9:
                asyncio.get_running_loop().run_in_executor(None, _start, house, name, make, life + 1)
            raise

    house.start(name, f"{name}.{life}", 4, do)


def test_captions_that_a_probe_hears_to_be_false_are_asked_for_again_and_all_of_it_is_found_again(
    house: House, tmp_path: Path, unit: WorkUnit
) -> None:
    ears = Ears(deaf_to=_firsts(unit, 2))
    commit = _annotate(house, tmp_path / "run", unit, {"writer": CascadeEngine, "ears": lambda: ears})
    assert (commit.num_segments, commit.num_segment_failures) == (NUM_SEGMENTS, 0)
    layout = RunLayout(tmp_path / "run")
    assert [row["start_samples"] for row in read_rows(layout, "data")] == [
        48_000 * one for one in range(NUM_SEGMENTS) if one != 2
    ]
    (rejected,) = read_rows(layout, "rejections")
    assert (rejected["start_samples"], rejected["reason"]) == (96_000, "fine: contradicts_evidence")
    candidates = list(read_rows(layout, "candidates"))
    assert sum(row["segment_id"] == rejected["segment_id"] for row in candidates) == JOB.verification.max_attempts
    assert all(len(probes_of(row["trajectory"])) == 1 for row in candidates)
    assert ears.num_clips > 0

    build_answers(tmp_path / "answers.sqlite", [layout])
    num_clips = ears.num_clips
    identities = {"writer": house.call(CascadeEngine().start()), "ears": house.call(ears.start())}
    stored = {name: _stored(one, tmp_path / "answers.sqlite") for name, one in identities.items()}
    _annotate(house, tmp_path / "again", unit, stored)
    assert ears.num_clips == num_clips
    for table in ("data", "rejections", "candidates"):
        found, expected = (list(read_rows(one, table)) for one in (RunLayout(tmp_path / "again"), layout))
        assert found == expected


def _stored(identity: EngineIdentity, path: Path) -> Callable[[], Engine]:
    return lambda: AnswersAlone(identity, EarlierAnswers(path))


def test_a_segment_of_which_the_listening_engine_dies_is_a_failure_that_keeps_its_captions(
    house: House, tmp_path: Path, unit: WorkUnit
) -> None:
    ears = Ears(deadly=_firsts(unit, 4))
    commit = _annotate(house, tmp_path / "run", unit, {"writer": CascadeEngine, "ears": lambda: ears})
    assert (commit.num_annotations, commit.num_segment_failures) == (NUM_SEGMENTS - 1, 1)
    (failed,) = read_rows(RunLayout(tmp_path / "run"), "failures")
    assert (failed["stage"], failed["error"]) == ("verify", "EngineDeadError")
    assert "the last time alone" in failed["message"]
    kept = [row for row in read_rows(RunLayout(tmp_path / "run"), "candidates") if row["kept"]]
    assert failed["segment_id"] in {row["segment_id"] for row in kept}
