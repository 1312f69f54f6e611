"""The agent's path on a real engine: a small LLM of text in vLLM, no judge, and yet each claim has a result."""

import asyncio
from pathlib import Path

import pytest

from fcaps_pipeline.annotate.verification.agent.steps import Step, parse_step
from fcaps_pipeline.annotate.verification.agent.trajectory import answers_in
from fcaps_pipeline.annotate.verification.agent.verifier import AgentVerifier
from fcaps_pipeline.annotate.verification.verifier import Opinion
from fcaps_pipeline.jobs.annotate_job import VllmEngineConfig
from fcaps_pipeline.jobs.prompts import load_prompt
from fcaps_pipeline.jobs.verification import AgentVerifierConfig
from fcaps_pipeline.lab.bench.verification.small_llm import make_small_llm, missing_packages
from tests.contracts.hosting import HostedVllmEngine
from tests.unit.annotate.verification.agent.scripted import HIGH, claim, subject


@pytest.mark.skipif(bool(missing_packages()), reason=f"not installed: {', '.join(missing_packages())}")
def test_a_small_llm_walks_the_path_to_a_result_for_each_claim(tmp_path: Path) -> None:
    opinion = asyncio.run(_checked(make_small_llm(tmp_path / "llm")))
    assert len(opinion.claims) == 2
    assert opinion.claims[0].evidence[-1].tool == "agent:judge"
    assert opinion.claims[1] == claim("gender", "female", result="supported", evidence=(HIGH,))
    assert opinion.trajectory is not None
    answers = [one for _, one in answers_in(f"[{opinion.trajectory}]")]
    assert answers
    assert all(isinstance(parse_step(one.text), Step) for one in answers if one.finish_reason == "stop")


async def _checked(folder: Path) -> Opinion:
    engine = HostedVllmEngine(
        VllmEngineConfig(
            model=str(folder),
            dtype="bfloat16",
            max_model_len=4096,
            max_num_seqs=4,
            engine_args={"enforce_eager": True},
        )
    )
    try:
        config = AgentVerifierConfig(
            kind="agent", engine="judge", prompt="agent_verify.v1", max_steps=2, max_tokens=400
        )
        agent = AgentVerifier(engine, await engine.start(), config, load_prompt(config.prompt))
        settled = claim("gender", "female", result="supported", evidence=(HIGH,))
        return await agent.verify(subject(claim(evidence=(HIGH,)), settled))
    finally:
        await engine.stop()
