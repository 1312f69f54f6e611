"""One engine that writes captions and checks them: started once, asked by the stage of the errand."""

import asyncio
from typing import Any

import pytest

from fcaps_pipeline.annotate.captioning.duties import EngineDuties
from fcaps_pipeline.annotate.captioning.errand import Errand, Stage
from fcaps_pipeline.annotate.engines.answers import make_completion
from fcaps_pipeline.annotate.engines.engine import CaptionRequest, EngineIdentity
from fcaps_pipeline.annotate.engines.statistics import EngineStatistics
from fcaps_pipeline.annotate.run.itinerary import JobItinerary
from fcaps_pipeline.annotate.verification.agent.trajectory import answers_in
from fcaps_pipeline.annotate.verification.bounds import shipped_bounds
from fcaps_pipeline.errors import JobError, ModelError
from fcaps_pipeline.jobs.annotate_job import Job, parse_job
from fcaps_pipeline.jobs.prompts import load_prompts
from fcaps_pipeline.records.annotations import CaptionSet, Claim, Completion
from fcaps_pipeline.records.captions import Granularity
from tests.unit.annotate.captioning.building import GOOD_FINE, OTHER_FINE, candidate, segment_audio
from tests.unit.annotate.verification.agent.scripted import ScriptedEngine, call, verdict


class DoubtfulEngine:
    """Writes one caption, later another, and says no to every claim about the sound."""

    def __init__(self) -> None:
        self.num_starts = 0
        self.requests: list[CaptionRequest] = []

    async def start(self) -> EngineIdentity:
        self.num_starts += 1
        return EngineIdentity(engine="doubtful", engine_version="1", model="m", model_revision="r")

    async def complete(self, request: CaptionRequest) -> tuple[Completion, ...]:
        self.requests.append(request)
        await asyncio.sleep(0)
        assert request.audio_T is not None
        told = ((-3.0, -0.1, -5.0) if request.audio_T.any() else (-1.0, -1.0, -1.0)) if request.weighed else None
        text = "no" if request.weighed else GOOD_FINE if request.attempt == 1 else OTHER_FINE
        reason: Any = "length" if request.weighed else "stop"
        answer = make_completion(
            text, reason, num_prompt_tokens=9, num_output_tokens=1, seed=request.seed_of(0), log_probabilities=told
        )
        return (answer,)

    def statistics(self) -> EngineStatistics | None:
        return None

    async def stop(self) -> None:
        return None


def _job(prompt: str = "embedded_probe.v1", *, verifiers: Any = None, engines: Any = None) -> Job:
    probe = {"kind": "probe", "engine": "omni", "prompt": prompt}
    content = {
        "source": {"kind": "folder", "path": "speech"},
        "engines": engines or {"omni": {"kind": "vllm"}},
        "captions": {"fine": {"engine": "omni", "prompt": "embedded_fine.v1"}},
        "verification": {"verifiers": verifiers or [probe]},
    }
    return parse_job(content, "the test")


def _duties(engine: DoubtfulEngine, job: Job) -> EngineDuties:
    return EngineDuties("omni", engine, job, load_prompts(job.prompt_references()), shipped_bounds())


def test_a_segment_walks_from_its_caption_to_the_probe_and_back() -> None:
    """Captions whose claims are open, are probed, fall, and are asked for again until attempts run out."""
    engine, job = DoubtfulEngine(), _job()
    duties, way = _duties(engine, job), JobItinerary(job)
    stages: list[str | None] = []

    async def walk() -> Errand:
        await duties.start()
        errand = Errand(segment_audio(), None)
        while (stage := way.next_stage(errand)) is not None:
            stages.append(stage.verifier)
            errand = errand.at(stage)
            errand = errand.answered(await duties.do(errand))
        return errand

    (found,) = asyncio.run(walk()).caption_sets
    assert engine.num_starts == 1
    assert stages == [None, "verification.verifiers.0"] * 3
    assert found.attempts == 3
    assert not found.kept
    assert all(
        any(claim.result == "contradicted" for claim in one.claims or ()) and one.trajectory is not None
        for one in found.candidates
    )


def test_captions_of_another_engine_are_checked() -> None:
    engine, job = DoubtfulEngine(), _job()
    claim = Claim(attribute="emotion", value="sad", result="unverifiable")
    written = candidate(GOOD_FINE).model_copy(update={"claims": (claim,)})
    found = CaptionSet(granularity=Granularity.FINE, candidates=(written,), attempts=1)
    stage = Stage(frozenset({"omni"}), "verification.verifiers.0")

    async def check() -> tuple[CaptionSet, ...]:
        duties = _duties(engine, job)
        await duties.start()
        return await duties.do(Errand(segment_audio(), stage, (found,)))

    (checked,) = asyncio.run(check())
    assert [one.claims[0].result for one in checked.candidates if one.claims] == ["contradicted"]
    assert all(one.weighed for one in engine.requests)


def test_an_agent_checks_what_another_engine_wrote_once() -> None:
    """It probes by the same engine, then blames the caption; what it did stands in the row and is not done again."""
    agent = {"kind": "agent", "engine": "judge", "prompt": "agent_verify.v1", "hears": True}
    probe = {"kind": "probe", "engine": "judge", "prompt": "embedded_probe.v1"}
    job = _job(
        verifiers=[agent, probe], engines={"omni": {"kind": "vllm"}, "judge": {"kind": "vllm", "max_model_len": 8192}}
    )
    engine = ScriptedEngine([call("probe", claim=1), "yes", "yes", verdict(faults=[("absence", "a warm")])])
    claim = Claim(attribute="emotion", value="sad", result="unverifiable")
    written = candidate(GOOD_FINE).model_copy(update={"claims": (claim,)})
    found = CaptionSet(granularity=Granularity.FINE, candidates=(written,), attempts=3)
    stage = Stage(frozenset({"judge"}), "verification.verifiers.0")

    async def check() -> tuple[CaptionSet, ...]:
        duties = EngineDuties("judge", engine, job, load_prompts(job.prompt_references()), shipped_bounds())
        await duties.start()
        checked = await duties.do(Errand(segment_audio(), stage, (found,)))
        assert await duties.do(Errand(segment_audio(), stage, checked)) == checked
        return checked

    (checked,) = asyncio.run(check())
    (caption,) = checked.candidates
    assert caption.verdict.reasons == ("absence",)
    assert caption.claims is not None
    assert [one.tool for one in caption.claims[0].evidence] == ["agent:judge"]
    assert len(engine.requests) == 4
    assert engine.requests[1].weighed
    assert caption.trajectory is not None
    assert [key for key, _ in answers_in(caption.trajectory)] == [engine.requests[n].request_key for n in (0, 3)]


def test_a_probe_whose_prompt_has_no_place_for_the_claim_is_refused() -> None:
    with pytest.raises(JobError, match=r"verifiers\.0\.prompt: expected \{claim\} in the text of embedded_fine\.v1"):
        _duties(DoubtfulEngine(), _job("embedded_fine.v1"))


class MuteServer(DoubtfulEngine):
    """A server that tells no log probabilities."""

    async def start(self) -> EngineIdentity:
        return (await super().start()).model_copy(update={"engine": "endpoint"})

    async def complete(self, request: CaptionRequest) -> tuple[Completion, ...]:
        return tuple(one.model_copy(update={"log_probabilities": None}) for one in await super().complete(request))


def test_a_server_without_log_probabilities_does_not_start_as_a_probe() -> None:
    with pytest.raises(ModelError, match=r"engines\.omni tells no log probabilities of yes and no"):
        asyncio.run(_duties(MuteServer(), _job()).start())
