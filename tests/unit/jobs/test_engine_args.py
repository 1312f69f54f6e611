"""Arguments of the engine are known or refused before anything starts, and recorded where they decide."""

from typing import Any

import pytest

from fcaps_pipeline.errors import JobError
from fcaps_pipeline.jobs.annotate_job import Job, parse_job
from fcaps_pipeline.jobs.identity import job_sha256


def _job(engine_args: dict[str, Any], **engine: Any) -> Job:
    content = {
        "source": {"kind": "folder", "path": "x"},
        "engines": {"big": {"kind": "vllm", "device": "gpu", "engine_args": engine_args, **engine}},
        "captions": {"fine": {"engine": "big", "prompt": "captioner_fine.v1"}},
    }
    return parse_job(content, "j.yaml")


@pytest.mark.parametrize(
    "engine_args",
    [
        {"quantization": "fp8"},
        {"quantization": None},
        {"kv_cache_dtype": "fp8_e4m3", "enable_expert_parallel": True, "load_format": "safetensors"},
        {"hf_overrides": {"thinker_config": {"a": [1, 2]}}},
        {"enable_lora": True, "max_lora_rank": 64, "default_mm_loras": {"audio": "/models/lora"}},
        {"gpu_memory_utilization": 1, "cudagraph_capture_sizes": [1, 2, 4]},
        {"compilation_config": {"level": 3}, "attention_backend": "FLASH_ATTN", "all2all_backend": "deepep_v2"},
        {"limit_mm_per_prompt": {"audio": 0}, "structured_outputs_config": {"backend": "guidance"}},
    ],
)
def test_whatever_vllm_takes_is_passed_on(engine_args: dict[str, Any]) -> None:
    engine = _job(engine_args).engines["big"]
    assert engine.kind == "vllm"
    assert engine.engine_args == engine_args


@pytest.mark.parametrize(
    ("engine_args", "message"),
    [
        ({"quantisation": "fp8"}, "engine_args.quantisation: .*unknown to vLLM .*; did you mean 'quantization'"),
        ({"zzz": 1}, "zzz is unknown to vLLM"),
        ({"quantization": "fp9"}, "must be one of .*fp8.* or null, found 'fp9'"),
        ({"kv_cache_dtype": 8}, "kv_cache_dtype must be one of auto"),
        ({"enable_expert_parallel": "yes"}, "enable_expert_parallel must be true or false, found 'yes'"),
        ({"gpu_memory_utilization": True}, "gpu_memory_utilization must be float, found True"),
        ({"max_lora_rank": 7}, "max_lora_rank must be one of 1, 8"),
        ({"hf_overrides": [1]}, "hf_overrides must be a mapping"),
        ({"tensor_parallel_size": 2}, "tensor_parallel_size is no argument to pass: use the key gpus_per_replica"),
        ({"data_parallel_size": 2}, "raise num_replicas"),
        ({"hf_token": "hf_secret"}, "HF_TOKEN"),
        ({"pipeline_parallel_size": 2}, "gpus_per_replica 1 must be a multiple"),
    ],
)
def test_what_it_does_not_take_is_one_clear_line(engine_args: dict[str, Any], message: str) -> None:
    with pytest.raises(JobError, match=message) as caught:
        _job(engine_args)
    assert "hf_secret" not in str(caught.value)


def test_arguments_that_decide_the_result_make_another_job_and_capacity_does_not() -> None:
    plain = job_sha256(_job({}))
    assert job_sha256(_job({"gpu_memory_utilization": 0.8, "enforce_eager": True})) == plain
    for deciding in ({"quantization": "fp8"}, {"kv_cache_dtype": "fp8"}, {"hf_overrides": {"a": 1}}, {"seed": 3}):
        assert job_sha256(_job(deciding)) != plain


def test_stages_share_the_gpus_of_a_replica() -> None:
    engine = _job({"pipeline_parallel_size": 2}, gpus_per_replica=4).engines["big"]
    assert engine.kind == "vllm"
    assert engine.num_stages == 2
