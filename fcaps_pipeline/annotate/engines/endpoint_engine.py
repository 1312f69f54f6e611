"""The Engine that asks an OpenAI-compatible server: `vllm serve`, or a vendor's.

An `EndpointEngineConfig` enters; Completions leave. The audio travels as a WAV file inside the
request. The key is read from the environment and stands in no message, log or record. What a busy
server puts off is sent again when it asks for it; any other failure is left to `segment_annotator`.
"""

import asyncio
import base64
import io
import os
import time
from collections.abc import Awaitable, Callable
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import soundfile

from fcaps_pipeline.annotate.engines.engine import CaptionRequest, EngineIdentity
from fcaps_pipeline.annotate.engines.request_check import check_request
from fcaps_pipeline.errors import (
    DependencyError,
    EngineDeadError,
    EngineRequestError,
    EngineRetryableError,
    FcapsError,
    JobError,
    ModelError,
)
from fcaps_pipeline.jobs.annotate_job import EndpointEngineConfig
from fcaps_pipeline.records.annotations import Completion, FinishReason, Sampling
from fcaps_pipeline.records.audio import SAMPLE_RATE_HZ

if TYPE_CHECKING:
    from openai import APIStatusError, AsyncOpenAI, OpenAIError
    from openai.types.chat import ChatCompletion

_REFUSED = frozenset({400, 413, 415, 422})
_NOT_SERVED = frozenset({401, 403, 404})
_BUSY = frozenset({429, 503})
_FIRST_BUSY_WAIT_S, _LONGEST_BUSY_WAIT_S = 1.0, 60.0
"""Between two questions to a busy server that does not say when to come back; the wait doubles."""
_FINISH_REASONS: dict[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "repetition": "repetition",
}
"""Any other, a vendor's `content_filter` for one, leaves no whole answer."""


class EndpointEngine:
    """An audio LLM behind an HTTP server."""

    def __init__(self, config: EndpointEngineConfig, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Keeps the configuration; no connection is made before `start`.

        Args:
            config: of the server.
            sleep: waits so many seconds before a busy server is asked again.

        Raises:
            JobError: the environment variable for the key is not set.
        """
        _key(config)
        self._config = config
        self._sleep = sleep
        self._client: AsyncOpenAI | None = None
        self._is_vllm = False
        self._slots = asyncio.Semaphore(config.max_concurrency)

    async def start(self) -> EngineIdentity:
        """Reaches the server and looks whether it serves the model.

        Raises:
            DependencyError: the package `openai` is not installed.
            JobError: the environment variable for the key is not set.
            ModelError: the server refuses the key, or does not serve the model.
            EngineDeadError: the server cannot be reached.
        """
        try:
            from openai import AsyncOpenAI, OpenAIError
        except ImportError:
            raise DependencyError("the endpoint engine needs the package openai; install the extra [cpu]") from None
        self._client = AsyncOpenAI(
            base_url=self._config.base_url,
            api_key=_key(self._config),
            timeout=self._config.timeout_s,
            max_retries=0,
        )
        try:
            served = [model.id async for model in self._client.models.list()]
        except OpenAIError as error:
            await self.stop()
            raise self._start_failure(error) from error
        if self._config.model not in served:
            await self.stop()
            raise ModelError(
                f"endpoint {self._config.base_url} does not serve the model {self._config.model!r}; "
                f"it has {', '.join(sorted(served)[:10]) or 'none'}"
            )
        vllm_version = await _vllm_version(self._client, self._config)
        self._is_vllm = vllm_version is not None
        return EngineIdentity(
            engine="endpoint",
            engine_version="unknown" if vllm_version is None else f"vllm {vllm_version}",
            model=self._config.model,
            model_revision=self._config.revision,
        )

    async def complete(self, request: CaptionRequest) -> tuple[Completion, ...]:
        """Answers one request; see `Engine.complete`.

        Raises:
            EngineDeadError: also of a server that is busy for longer than `busy_timeout_s`.
        """
        from openai import APIConnectionError, APITimeoutError, OpenAIError

        check_request(request)
        where = f"request {request.request_key[:12]} to {self._config.base_url}"
        if self._client is None:
            raise EngineDeadError(f"{where}: the engine is not running; call start first")
        async with self._slots:
            try:
                answer = await self._ask_until_free(self._client, self._arguments(request), where)
            except APIConnectionError as error:
                if not isinstance(error, APITimeoutError):
                    await self._check_reachable(where)
                raise _request_failure(error, where) from error
            except OpenAIError as error:
                raise _request_failure(error, where) from error
        return _completions(answer, request, where)

    async def _ask_until_free(self, client: "AsyncOpenAI", arguments: dict[str, Any], where: str) -> "ChatCompletion":
        """Waits as long as the server is busy; the place among the requests in flight is kept meanwhile.

        A limit of requests per minute meets all Segments alike: it slows the job down and fails none of them.
        """
        from openai import APIStatusError

        waited_s, wait_s = 0.0, _FIRST_BUSY_WAIT_S
        while True:
            try:
                answer: ChatCompletion = await client.chat.completions.create(**arguments)
            except APIStatusError as error:
                if error.status_code not in _BUSY:
                    raise
                pause_s = _retry_after_s(error) or wait_s
                if waited_s + pause_s > self._config.busy_timeout_s:
                    raise EngineDeadError(
                        f"{where}: HTTP {error.status_code}, and the server stays busy for longer than busy_timeout_s "
                        f"({self._config.busy_timeout_s:g} s); run the job again later, or lower max_concurrency"
                    ) from error
                await self._sleep(pause_s)
                waited_s += pause_s
                wait_s = min(2 * wait_s, _LONGEST_BUSY_WAIT_S)
            else:
                return answer

    async def _check_reachable(self, where: str) -> None:
        """Tells a broken connection from a server that is gone: an outage must not fail a whole corpus.

        Raises:
            EngineDeadError: the server does not answer at all.
        """
        from openai import APIConnectionError

        assert self._client is not None
        try:
            await self._client.models.list()
        except APIConnectionError as error:
            raise EngineDeadError(f"{where}: the server does not answer any more; bring it back and go on") from error

    async def stop(self) -> None:
        """Closes the connections."""
        if self._client is not None:
            await self._client.close()
            self._client = None

    def _arguments(self, request: CaptionRequest) -> dict[str, Any]:
        sampling = request.sampling
        arguments: dict[str, Any] = {
            "model": self._config.model,
            "messages": [{"role": "user", "content": _content(request)}],
            "n": request.num_completions,
            "seed": request.seed,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "max_tokens": sampling.max_tokens,
            "extra_body": _beyond_openai(sampling, is_vllm=self._is_vllm),
        }
        if request.json_schema is not None:
            schema = {"name": "answer", "schema": request.json_schema, "strict": True}
            arguments["response_format"] = {"type": "json_schema", "json_schema": schema}
        return arguments

    def _start_failure(self, error: "OpenAIError") -> FcapsError:
        from openai import APIStatusError

        if isinstance(error, APIStatusError) and error.status_code in _NOT_SERVED:
            return ModelError(
                f"endpoint {self._config.base_url} answers HTTP {error.status_code}; "
                "check base_url (it ends in /v1), the model's name and the variable named by api_key_env"
            )
        return EngineDeadError(
            f"endpoint {self._config.base_url} cannot be reached: {type(error).__name__}; "
            "start the server or correct base_url"
        )


async def _vllm_version(client: "AsyncOpenAI", config: EndpointEngineConfig) -> str | None:
    """What vLLM's server says of itself; None of others, who have no such address."""
    from openai import OpenAIError

    root = config.base_url.rstrip("/").removesuffix("/v1")
    try:
        answer: object = await client.get(f"{root}/version", cast_to=object)
    except OpenAIError:
        return None
    return str(answer["version"]) if isinstance(answer, dict) and "version" in answer else None


def _key(config: EndpointEngineConfig) -> str:
    if config.api_key_env is None:
        return "none"
    key = os.environ.get(config.api_key_env)
    if not key:
        raise JobError(
            f"endpoint {config.base_url}: the environment variable {config.api_key_env} is not set; "
            "export the key in it, or leave api_key_env out for a server without one"
        )
    return key


def _beyond_openai(sampling: Sampling, *, is_vllm: bool) -> dict[str, float]:
    """What OpenAI's own interface does not know.

    Vendors refuse it, so it is left out where it changes nothing. vLLM's server is always told: what a request
    leaves out, it takes from the defaults of the model.
    """
    extra: dict[str, float] = {}
    if is_vllm or sampling.top_k:
        extra["top_k"] = sampling.top_k
    if is_vllm or sampling.repetition_penalty != 1:
        extra["repetition_penalty"] = sampling.repetition_penalty
    return extra


def _content(request: CaptionRequest) -> list[dict[str, Any]]:
    audio = {"data": _wav_base64(request.audio_T), "format": "wav"}
    return [{"type": "input_audio", "input_audio": audio}, {"type": "text", "text": request.prompt}]


def _wav_base64(audio_T: np.ndarray[Any, np.dtype[np.float32]]) -> str:
    buffer = io.BytesIO()
    soundfile.write(buffer, audio_T, SAMPLE_RATE_HZ, format="WAV", subtype="PCM_16")
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def _completions(answer: "ChatCompletion", request: CaptionRequest, where: str) -> tuple[Completion, ...]:
    choices = sorted(answer.choices, key=lambda choice: choice.index)
    if len(choices) != request.num_completions:
        raise EngineRetryableError(f"{where}: expected {request.num_completions} answers, found {len(choices)}")
    usage = answer.usage
    num_output_tokens = usage.completion_tokens if usage else 0
    completions = []
    for choice in choices:
        reason = _FINISH_REASONS.get(str(choice.finish_reason))
        if reason is None:
            raise EngineRetryableError(f"{where}: the server gave up on answer {choice.index}: {choice.finish_reason}")
        completions.append(
            Completion(
                text=choice.message.content or "",
                finish_reason=reason,
                num_prompt_tokens=usage.prompt_tokens if usage else 0,
                num_output_tokens=_share(num_output_tokens, choice.index, len(choices)),
                seed=request.seed + choice.index,
            )
        )
    return tuple(completions)


def _share(total: int, index: int, count: int) -> int:
    """Servers count the tokens of all answers together; each gets an equal part, the sum stays exact."""
    return total // count + (1 if index < total % count else 0)


def _retry_after_s(error: "APIStatusError") -> float | None:
    """What the header `Retry-After` asks for, in seconds or as a date; None where it says nothing."""
    asked = error.response.headers.get("retry-after", "")
    try:
        return max(0.0, float(asked))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(asked).timestamp() - time.time())
    except ValueError:
        return None


def _request_failure(error: "OpenAIError", where: str) -> FcapsError:
    from openai import APIConnectionError, APIStatusError, APITimeoutError

    if isinstance(error, APITimeoutError):
        return EngineRetryableError(f"{where}: no answer within the time limit")
    if isinstance(error, APIConnectionError):
        return EngineRetryableError(f"{where}: the connection broke")
    if not isinstance(error, APIStatusError):
        return EngineRetryableError(f"{where}: {type(error).__name__}")
    if error.status_code in _REFUSED:
        return EngineRequestError(f"{where}: the server refuses it with HTTP {error.status_code}: {_detail(error)}")
    if error.status_code in _NOT_SERVED:
        return EngineDeadError(f"{where}: HTTP {error.status_code}; check the model's name and the key")
    return EngineRetryableError(f"{where}: HTTP {error.status_code}")


def _detail(error: "APIStatusError") -> str:
    body = error.body
    message = body.get("message", "") if isinstance(body, dict) else ""
    return " ".join(str(message).split())[:300]
