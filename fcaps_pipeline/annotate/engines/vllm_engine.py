"""The Engine that runs vLLM beside the caller: an audio LLM on this machine's GPU or CPU.

A `VllmEngineConfig` enters; Completions leave. `AsyncLLM` keeps the scheduler and the model in a
child process, so requests of many Segments are decoded together while the caller prepares more.
This is the only module that imports vLLM, and it does so in `start`, after the environment that
vLLM reads on import has been set. Retries are left to `patience`, judgement to `segment_annotator`.
"""

import importlib.util
import os
from collections.abc import Callable
from itertools import chain
from typing import TYPE_CHECKING, Any, cast

from fcaps_pipeline.annotate.engines.answers import any_of, behind_thinking, excerpt, make_completion, spellings
from fcaps_pipeline.annotate.engines.engine import CaptionRequest, EngineIdentity
from fcaps_pipeline.annotate.engines.guard import EngineGuard
from fcaps_pipeline.annotate.engines.model_folder import check_model_folder, folder_revision, model_folder
from fcaps_pipeline.annotate.engines.request_check import check_request
from fcaps_pipeline.annotate.engines.statistics import EngineStatistics
from fcaps_pipeline.errors import (
    DependencyError,
    EngineDeadError,
    EngineRequestError,
    EngineRetryableError,
    ModelError,
    ResourceError,
)
from fcaps_pipeline.jobs.annotate_job import VllmEngineConfig
from fcaps_pipeline.jobs.engine_args import deciding_json
from fcaps_pipeline.records.annotations import Completion, FinishReason
from fcaps_pipeline.records.audio import SAMPLE_RATE_HZ

if TYPE_CHECKING:
    from vllm import RequestOutput, SamplingParams
    from vllm.v1.engine.async_llm import AsyncLLM

_MIN_PATTERN_TOKENS = 3
_MAX_PATTERN_TOKENS = 48
_MIN_PATTERN_COUNT = 4
"""A run of 3 to 48 tokens four times in a row ends an answer: it would loop until the limit."""
CPU_EXECUTOR = "vllm.v1.executor.uniproc_executor.UniProcExecutor"
"""Keeps the model in the engine's process, as on one GPU: another one takes 15 s to load and half a GiB. On a CPU vLLM
starts one, even where it is told `uni`, in order to bind its threads to cores; here they are bound to none."""
_CPU_ARGUMENTS = {
    "distributed_executor_backend": CPU_EXECUTOR,
    "worker_extension_cls": "fcaps_pipeline.annotate.engines.cpu_worker.SeededWorker",
}
_MAX_RENDERED = 256
"""The few instructions of a job are rendered once; questions that differ from Segment to Segment are no reason to keep
them all."""
_ANSWER_TOKENS = 768
"""Of a model that thinks before it fills JSON, tokens that thinking must leave for the JSON: half of few."""
_AUDIO_CACHE_GB = 1
"""Clips come once: it holds those in flight, whose granularities are asked together."""


class VllmEngine:
    """An audio LLM in vLLM. One instance per process."""

    def __init__(self, config: VllmEngineConfig, *, counts_load: bool = False) -> None:
        """Keeps the configuration; nothing is loaded before `start`.

        Args:
            config: the model and how it is served.
            counts_load: whether `statistics` has anything to tell.
        """
        self._config = config
        self._load: EngineStatistics | None = None
        self._counts_load = counts_load
        self._llm: AsyncLLM | None = None
        self._guard: EngineGuard | None = None
        self._chat_template: str | None = None
        self._thinking_ends: str | None = None
        """What stands between thinking and answer; None of a model that is not said to think."""
        self._rendered: dict[tuple[str, bool], str] = {}

    async def start(self) -> EngineIdentity:
        """Loads the model. Blocks its thread meanwhile: 10 to 40 s on a CPU, minutes for 60 GB.

        Raises:
            DependencyError: vLLM is not installed, or not the build for the device asked for.
            ResourceError: there are fewer GPUs than asked for.
            ModelError: the model is missing, incomplete, or of a kind that vLLM cannot serve.
            EngineDeadError: the engine process does not come up.
        """
        folder = model_folder(self._config.model)
        if folder is not None:
            check_model_folder(folder)
        _set_environment(self._config, offline=folder is not None)
        _check_device(self._config)
        loggers = [_load_logger(self._note_load)] if self._counts_load else None
        self._llm = _load(self._config, str(folder or self._config.model), loggers)
        self._guard = EngineGuard()
        self._chat_template = _chat_template(self._llm)
        self._thinking_ends = _thinking_ends(self._llm, self._config)
        return EngineIdentity(
            engine="vllm",
            engine_version=_vllm_version(),
            model=self._config.model,
            model_revision=folder_revision(folder) if folder else self._hub_revision(self._llm),
            engine_args=deciding_json(self._config.engine_args),
        )

    async def complete(self, request: CaptionRequest) -> tuple[Completion, ...]:
        """Answers one request; see `Engine.complete`."""
        check_request(request)
        where = f"request {request.request_key[:12]}"
        if self._llm is None:
            raise EngineDeadError(f"{where}: the engine is not running; call start first")

        from vllm.exceptions import GracefulHTTPError, VLLMClientError
        from vllm.v1.engine.exceptions import EngineDeadError as VllmDeadError
        from vllm.v1.engine.exceptions import EngineGenerateError

        try:
            tokens = [_first_tokens(self._llm, one) for one in request.weighed]
            output = await self._generate(self._llm, request, tokens)
        except (VLLMClientError, ValueError) as error:
            raise EngineRequestError(f"{where}: vLLM refuses it: {excerpt(error)}") from error
        except VllmDeadError as error:
            raise EngineDeadError(f"{where}: the vLLM engine process has died; its log tells why") from error
        except EngineGenerateError as error:
            raise _generation_failure(error, where) from error
        except GracefulHTTPError as error:
            raise EngineRetryableError(f"{where}: vLLM is overloaded: {excerpt(error)}") from error
        return _completions(output, request, where, tokens, self._thinking_ends)

    def statistics(self) -> EngineStatistics | None:
        """As of vLLM's last step; None before the first, and where it is not asked to count."""
        return self._load

    async def stop(self) -> None:
        """Ends the engine process."""
        if self._llm is not None:
            self._llm.shutdown()
            self._llm = None
        if self._guard is not None:
            self._guard.release()
            self._guard = None

    def _note_load(self, kv_cache_share: float | None, num_preempted: int) -> None:
        before = self._load or EngineStatistics(kv_cache_share=0.0, preemptions=0)
        self._load = EngineStatistics(
            kv_cache_share=before.kv_cache_share if kv_cache_share is None else kv_cache_share,
            preemptions=before.preemptions + num_preempted,
        )

    async def _generate(
        self, llm: "AsyncLLM", request: CaptionRequest, tokens: list[tuple[int, ...]]
    ) -> "RequestOutput":
        prompt: Any = {"prompt": self._render(llm, request.prompt, with_audio=request.audio_T is not None)}
        if request.audio_T is not None:
            prompt["multi_modal_data"] = {"audio": (request.audio_T, SAMPLE_RATE_HZ)}
            prompt["multi_modal_uuids"] = {"audio": [request.audio_sha256]}
        final = None
        parameters = _sampling_params(request, tokens, thinks=self._thinking_ends is not None)
        async for output in llm.generate(prompt, parameters, request.request_key):
            final = output
        if final is None:
            raise EngineRetryableError(f"request {request.request_key[:12]}: vLLM ended it without an answer")
        return final

    def _render(self, llm: "AsyncLLM", instruction: str, *, with_audio: bool) -> str:
        """The prompt in the words of the model's template; those of text models know nothing of parts."""
        rendered = self._rendered.get((instruction, with_audio))
        if rendered is None:
            parts = [{"type": "audio"}, {"type": "text", "text": instruction}]
            tokenizer: Any = llm.get_tokenizer()
            rendered = str(
                tokenizer.apply_chat_template(
                    [{"role": "user", "content": parts if with_audio else instruction}],
                    chat_template=self._chat_template,
                    tokenize=False,
                    add_generation_prompt=True,
                )
            )
            if len(self._rendered) < _MAX_RENDERED:
                self._rendered[instruction, with_audio] = rendered
        return rendered

    def _hub_revision(self, llm: "AsyncLLM") -> str:
        commit = getattr(llm.model_config.hf_config, "_commit_hash", None)
        return str(commit or self._config.revision or "unknown")


def _set_environment(config: VllmEngineConfig, *, offline: bool) -> None:
    os.environ["VLLM_NO_USAGE_STATS"] = "1"
    os.environ["VLLM_DO_NOT_TRACK"] = "1"
    os.environ["VLLM_LOGGING_STREAM"] = "ext://sys.stderr"
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    if offline:
        os.environ["HF_HUB_OFFLINE"] = "1"
    if config.device == "cpu":
        os.environ["VLLM_CPU_KVCACHE_SPACE"] = str(config.cpu_kv_cache_gib)
        os.environ["VLLM_CPU_OMP_THREADS_BIND"] = "nobind"
        # More threads than cores of its own make the decode loop wait for itself.
        os.environ["OMP_NUM_THREADS"] = str(max(1, int(config.cpus_per_replica)))


def _check_device(config: VllmEngineConfig) -> None:
    if importlib.util.find_spec("vllm") is None:
        raise DependencyError(f"the engine needs vLLM, which is not installed; install the extra [{config.device}]")
    if config.device == "gpu":
        import torch

        found = torch.cuda.device_count()
        if found < config.gpus_per_replica:
            raise ResourceError(
                f"model {config.model}: expected {config.gpus_per_replica} GPU(s), found {found}; "
                "set device: cpu, or run where the GPUs are"
            )
    from vllm.platforms import current_platform

    if current_platform.is_cpu() != (config.device == "cpu"):
        raise DependencyError(
            f"device is {config.device}, but the installed vLLM is built for {current_platform.device_name or 'none'}; "
            f"install the extra [{config.device}]"
        )


def _load(config: VllmEngineConfig, model: str, loggers: list[Any] | None) -> "AsyncLLM":
    from vllm import AsyncEngineArgs
    from vllm.config import StructuredOutputsConfig
    from vllm.v1.engine.async_llm import AsyncLLM

    arguments: dict[str, Any] = {
        "model": model,
        "revision": config.revision,
        "dtype": config.dtype,
        "tensor_parallel_size": config.gpus_per_replica // config.num_stages,
        "max_model_len": config.max_model_len,
        "max_num_seqs": config.max_num_seqs,
        "max_num_batched_tokens": config.max_num_batched_tokens,
        "limit_mm_per_prompt": {"audio": 1, "image": 0, "video": 0},
        # An object, not a mapping: vLLM writes the name of a reasoning parser into it.
        "structured_outputs_config": StructuredOutputsConfig(backend="xgrammar", disable_any_whitespace=True),
        "enable_prefix_caching": True,
        "mm_processor_cache_gb": _AUDIO_CACHE_GB,
        "disable_log_stats": True,
        "use_tqdm_on_load": False,
        **(_CPU_ARGUMENTS if config.device == "cpu" else {}),
        **config.engine_args,
    }
    try:
        return AsyncLLM.from_engine_args(AsyncEngineArgs(**arguments), stat_loggers=loggers)
    except (ValueError, OSError) as error:
        raise ModelError(f"model {model}: vLLM cannot serve it: {excerpt(error)}") from error
    except RuntimeError as error:
        raise EngineDeadError(
            f"model {model}: the vLLM engine does not start: {excerpt(error)}; its log tells why "
            "(under Ray on one machine in /tmp/ray/session_latest/logs, worker-*.err)"
        ) from error


def _load_logger(note: Callable[[float | None, int], None]) -> Any:
    """What vLLM makes its logger with; every step is noted."""
    from vllm.v1.metrics.loggers import StatLoggerBase

    class Logger(StatLoggerBase):  # type: ignore[misc]
        def __init__(self, vllm_config: Any, engine_index: int = 0) -> None: ...

        def record(self, scheduler_stats: Any, iteration_stats: Any, *_: Any, **__: Any) -> None:
            share = None if scheduler_stats is None else float(scheduler_stats.kv_cache_usage)
            note(share, 0 if iteration_stats is None else int(iteration_stats.num_preempted_reqs))

        def log_engine_initialized(self) -> None: ...

    return Logger


def _chat_template(llm: "AsyncLLM") -> str | None:
    """Chat template of the processor, where it has one; None leaves it to the tokenizer."""
    from vllm.renderers.hf import resolve_chat_template

    tokenizer: Any = llm.get_tokenizer()
    template: str | None = resolve_chat_template(tokenizer, None, None, model_config=llm.model_config)
    return template


def _thinking_ends(llm: "AsyncLLM", config: VllmEngineConfig) -> str | None:
    """What the parser that the job names for the model's thinking takes for its end; None where it names none."""
    name = config.engine_args.get("reasoning_parser")
    if not name:
        return None
    from vllm.reasoning import ReasoningParserManager

    parser = ReasoningParserManager.get_reasoning_parser(name)(llm.get_tokenizer())
    end: str | None = parser.reasoning_end_str
    return end


def _first_tokens(llm: "AsyncLLM", answer: str) -> tuple[int, ...]:
    """Tokens that an answer can begin with."""
    tokenizer: Any = llm.get_tokenizer()
    encoded = (tokenizer.encode(one, add_special_tokens=False) for one in spellings(answer))
    return tuple(dict.fromkeys(int(tokens[0]) for tokens in encoded))


def _sampling_params(request: CaptionRequest, tokens: list[tuple[int, ...]], *, thinks: bool) -> "SamplingParams":
    """How vLLM answers; of `tokens`, those that weighed answers begin with, it tells the log probabilities.

    A model that thinks does so in free text, and vLLM holds the grammar from the end of it on.
    """
    from vllm import SamplingParams
    from vllm.sampling_params import RepetitionDetectionParams, RequestOutputKind, StructuredOutputsParams

    schema = request.json_schema
    max_tokens = request.sampling.max_tokens
    thinking_tokens = max_tokens - min(_ANSWER_TOKENS, max_tokens // 2)
    return SamplingParams(
        n=request.num_completions,
        seed=request.seed_of(0),
        temperature=request.sampling.temperature,
        top_p=request.sampling.top_p,
        top_k=request.sampling.top_k,
        max_tokens=max_tokens,
        thinking_token_budget=thinking_tokens if thinks and schema is not None else None,
        repetition_penalty=request.sampling.repetition_penalty,
        repetition_detection=RepetitionDetectionParams(
            max_pattern_size=_MAX_PATTERN_TOKENS, min_pattern_size=_MIN_PATTERN_TOKENS, min_count=_MIN_PATTERN_COUNT
        ),
        structured_outputs=None if schema is None else StructuredOutputsParams(json=schema),
        logprob_token_ids=list(dict.fromkeys(chain.from_iterable(tokens))) or None,
        output_kind=RequestOutputKind.FINAL_ONLY,
    )


def _completions(
    output: "RequestOutput",
    request: CaptionRequest,
    where: str,
    tokens: list[tuple[int, ...]],
    thinking_ends: str | None,
) -> tuple[Completion, ...]:
    answers = sorted(output.outputs, key=lambda answer: answer.index)
    for answer in answers:
        if answer.finish_reason not in ("stop", "length", "repetition"):
            raise EngineRetryableError(f"{where}: vLLM gave up on answer {answer.index}: {answer.finish_reason}")
    if len(answers) != request.num_completions:
        raise EngineRetryableError(f"{where}: expected {request.num_completions} answers, found {len(answers)}")
    return tuple(
        make_completion(
            answer.text if thinking_ends is None else behind_thinking(answer.text, thinking_ends),
            cast("FinishReason", answer.finish_reason),
            num_prompt_tokens=len(output.prompt_token_ids or ()),
            num_output_tokens=len(answer.token_ids),
            seed=request.seed_of(answer.index),
            log_probabilities=_weighed(answer.logprobs, tokens),
        )
        for answer in answers
    )


def _weighed(told: Any, tokens: list[tuple[int, ...]]) -> tuple[float, ...] | None:
    """Log probabilities of answers that begin with these tokens; None where none was asked for."""
    if not tokens:
        return None
    first = told[0]
    return tuple(any_of(float(first[token].logprob) for token in alternatives) for alternatives in tokens)


def _generation_failure(error: Exception, where: str) -> EngineRequestError | EngineRetryableError:
    """What stands behind vLLM's catch-all: a ValueError is the request's own fault."""
    if isinstance(error.__cause__, ValueError):
        return EngineRequestError(f"{where}: vLLM refuses it: {excerpt(error.__cause__)}")
    return EngineRetryableError(f"{where}: vLLM failed on it: {excerpt(error.__cause__ or error)}")


def _vllm_version() -> str:
    import vllm

    return str(vllm.__version__)
