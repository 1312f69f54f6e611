"""The arguments of vLLM's engine that a job passes on, checked without vLLM.

Enters: the mapping `engine_args` of a job. Leaves: nothing, or what is wrong with it; and the part of it
that decides what the engine answers. What vLLM knows stands in `vllm_arguments.json`, made from the pinned
vLLM by `annotate.engines.vllm_arguments`.
"""

import difflib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

_LIST = Path(__file__).with_name("vllm_arguments.json")
_OTHER_KEYS = {
    "model": "use the key model",
    "revision": "use the key revision",
    "dtype": "use the key dtype",
    "tensor_parallel_size": "use the key gpus_per_replica",
    "max_model_len": "use the key max_model_len",
    "max_num_seqs": "use the key max_num_seqs",
    "max_num_batched_tokens": "use the key max_num_batched_tokens",
    "data_parallel_size": "raise num_replicas: replicas of one engine are independent",
    "hf_token": "a job holds no secrets; set the variable HF_TOKEN",
}
"""What a job says elsewhere, or not at all."""
_CAPACITY = frozenset(
    {
        *("enforce_eager", "compilation_config", "optimization_level", "performance_mode", "cudagraph_capture_sizes"),
        *("max_cudagraph_capture_size", "gpu_memory_utilization", "kv_cache_memory_bytes", "num_gpu_blocks_override"),
        *("cpu_offload_gb", "cpu_offload_params", "offload_backend", "offload_group_size", "offload_num_in_group"),
        *("offload_prefetch_step", "offload_params", "kv_offloading_size", "kv_offloading_backend", "block_size"),
        *("enable_prefix_caching", "prefix_caching_hash_algo", "enable_chunked_prefill", "async_scheduling"),
        *("max_num_scheduled_tokens", "max_num_active_seqs", "max_num_queued_reqs", "max_num_queued_tokens"),
        *("mm_processor_cache_gb", "mm_processor_cache_type", "mm_shm_cache_max_object_size_mb", "mm_hasher_algorithm"),
        *("mm_tensor_ipc", "mm_ipc_gpu_memory_gb", "mm_encoder_tp_mode", "skip_mm_profiling", "renderer_num_workers"),
        *("max_parallel_loading_workers", "download_dir", "safetensors_load_strategy", "use_tqdm_on_load"),
        *("safetensors_prefetch_num_threads", "safetensors_prefetch_block_size", "disable_custom_all_reduce"),
        *("distributed_executor_backend", "distributed_timeout_seconds", "numa_bind", "numa_bind_nodes"),
        *("numa_bind_cpus", "stream_interval", "shutdown_timeout", "watermark", "scheduling_policy", "log_level"),
        *("enable_log_requests", "aggregate_engine_logging", "logging_config", "log_config_file", "profiler_config"),
        *("otlp_traces_endpoint", "collect_detailed_traces", "kv_cache_metrics", "kv_cache_metrics_sample"),
        *("disable_log_stats", "enable_mm_processor_stats", "cudagraph_metrics", "enable_mfu_metrics"),
        "show_hidden_metrics_for_version",
    }
)
"""Arguments that change speed and memory alone. All others count as deciding what is answered: quantization, the
format of the KV cache and of the weights, parallel experts, LoRA, overrides of the model and whatever vLLM adds."""


def check_engine_args(arguments: Mapping[str, Any]) -> None:
    """Holds names and values against what the pinned vLLM takes.

    Raises:
        ValueError: beginning with the argument that is at fault.
    """
    version, known = _known()
    for name, value in arguments.items():
        if name in _OTHER_KEYS:
            raise ValueError(f"{name} is no argument to pass: {_OTHER_KEYS[name]}")
        if name not in known:
            nearest = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {nearest[0]!r}?" if nearest else "its names are those of its engine arguments"
            raise ValueError(f"{name} is unknown to vLLM {version}; {hint}")
        if not _fits(value, known[name]):
            raise ValueError(f"{name} must be {_wanted(known[name])}, found {value!r}")


def deciding(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that decide what the engine answers."""
    return {name: value for name, value in arguments.items() if name not in _CAPACITY}


def deciding_json(arguments: Mapping[str, Any]) -> str | None:
    """The same as JSON; None where nothing decides."""
    found = deciding(arguments)
    return json.dumps(found, sort_keys=True) if found else None


@cache
def _known() -> tuple[str, dict[str, dict[str, list[Any]]]]:
    content = json.loads(_LIST.read_text(encoding="utf-8"))
    return content["vllm"], content["arguments"]


def _fits(value: Any, argument: dict[str, list[Any]]) -> bool:
    kind = "none" if value is None else type(value).__name__
    kinds = {*argument["kinds"], *(("int",) if "float" in argument["kinds"] else ())}
    return kind in kinds or (kind != "bool" and value in argument["values"])


def _wanted(argument: dict[str, list[Any]]) -> str:
    words = {"none": "null", "dict": "a mapping", "list": "a list", "str": "text", "bool": "true or false"}
    kinds = [words.get(kind, kind) for kind in argument["kinds"] if kind != "code"]
    values = [str(value) for value in argument["values"]]
    return " or ".join([*([f"one of {', '.join(values)}"] if values else []), *kinds])
