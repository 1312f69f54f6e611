"""What the vLLM engine refuses before it loads anything; its answers have a contract of their own."""

import asyncio
from pathlib import Path

import numpy as np
import pytest
import torch

from fcaps_pipeline.annotate.engines.answers import behind_thinking
from fcaps_pipeline.annotate.engines.engine import CaptionRequest
from fcaps_pipeline.annotate.engines.vllm_engine import VllmEngine
from fcaps_pipeline.errors import EngineDeadError, ModelError, ResourceError
from fcaps_pipeline.jobs.annotate_job import VllmEngineConfig
from fcaps_pipeline.records.annotations import Sampling
from tests.unit.annotate.captioning.building import acoustics


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelError, match=r"has no weights \(\*\.safetensors\); copy the whole model"):
        asyncio.run(VllmEngine(VllmEngineConfig(model=str(tmp_path))).start())


def test_more_gpus_than_there_are_is_refused() -> None:
    wanted = torch.cuda.device_count() + 1
    engine = VllmEngine(VllmEngineConfig(device="gpu", gpus_per_replica=wanted))
    with pytest.raises(ResourceError, match=rf"expected {wanted} GPU\(s\), found {wanted - 1}"):
        asyncio.run(engine.start())


def test_an_engine_that_was_not_started_answers_nothing_and_stops_twice() -> None:
    engine = VllmEngine(VllmEngineConfig())
    request = CaptionRequest("k" * 64, "a" * 64, np.zeros(16_000, np.float32), acoustics(), "Describe.", Sampling(), 0)
    asyncio.run(engine.stop())
    asyncio.run(engine.stop())
    with pytest.raises(EngineDeadError, match="call start first"):
        asyncio.run(engine.complete(request))


def test_the_answer_of_a_model_that_thinks_stands_behind_its_thinking() -> None:
    assert behind_thinking('If </think> were the end? Yes.</think>\n\n{"a": 1}', "</think>") == '{"a": 1}'
    assert behind_thinking("I was still thinking", "</think>") == ""
