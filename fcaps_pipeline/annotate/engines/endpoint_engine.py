"""The Engine that asks an OpenAI-compatible server: `vllm serve`, or a vendor's.

An `EndpointEngineConfig` enters; Completions leave. The audio travels as a WAV file inside the
request. The key is read from the environment and stands in no message, log or record. One request
has one time limit, and one bound in bytes, for all that the server says; what it says is validated
in `server_answers`. Whatever else a server does but answer or refuse is passing trouble, left to
`patience`.
"""

import asyncio
import base64
import io
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import numpy as np
import soundfile

from fcaps_pipeline.annotate.engines.answers import excerpt
from fcaps_pipeline.annotate.engines.engine import CaptionRequest, EngineIdentity
from fcaps_pipeline.annotate.engines.request_check import check_request
from fcaps_pipeline.annotate.engines.server_answers import read_complaint, read_completions, read_models, read_version
from fcaps_pipeline.annotate.engines.statistics import EngineStatistics
from fcaps_pipeline.errors import EngineDeadError, EngineRequestError, EngineRetryableError, JobError, ModelError
from fcaps_pipeline.jobs.annotate_job import EndpointEngineConfig
from fcaps_pipeline.records.annotations import Completion, Sampling
from fcaps_pipeline.records.audio import SAMPLE_RATE_HZ

_OK = 200
_REFUSED = frozenset({400, 413, 415, 422})
_WRONG_ADDRESS = frozenset({401, 403, 404})
_TOP_LOGPROBS = 20
"""As many as OpenAI's interface tells of one token."""
_MAX_ANSWER_BYTES = 4 * 2**20
"""Of one HTTP answer; twenty candidates of the longest text are a tenth of it."""


@dataclass(frozen=True)
class _Reply:
    """What a server said, whole."""

    status: int
    body: bytes
    retry_after: str
    """Header `Retry-After`; empty where there is none."""


class EndpointEngine:
    """An audio LLM behind an HTTP server."""

    def __init__(self, config: EndpointEngineConfig) -> None:
        """Keeps the configuration; no connection is made before `start`.

        Raises:
            JobError: the environment variable for the key is not set, or holds what no header can.
        """
        self._headers = _headers(config)
        self._config = config
        self._client: httpx.AsyncClient | None = None
        self._is_vllm = False
        self._slots = asyncio.Semaphore(config.max_concurrency)

    async def start(self) -> EngineIdentity:
        """Reaches the server and looks whether it serves the model.

        Raises:
            ModelError: the server refuses the key, or does not serve the model.
            EngineDeadError: the server cannot be reached, or is none of this kind.
        """
        self._client = httpx.AsyncClient(
            headers=self._headers,
            timeout=self._config.timeout_s,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=self._config.max_concurrency),
        )
        try:
            await self._check_model()
            vllm_version = await self._vllm_version()
        except BaseException:
            await self.stop()
            raise
        self._is_vllm = vllm_version is not None
        return EngineIdentity(
            engine="endpoint",
            engine_version="unknown" if vllm_version is None else f"vllm {vllm_version}",
            model=self._config.model,
            model_revision=self._config.revision,
        )

    async def complete(self, request: CaptionRequest) -> tuple[Completion, ...]:
        """Answers one request; see `Engine.complete`."""
        check_request(request)
        where = f"request {request.request_key[:12]} to {self._config.base_url}"
        if self._client is None:
            raise EngineDeadError(f"{where}: the engine is not running; call start first")
        question = self._question(request)
        async with self._slots:
            reply = await self._exchange("POST", f"{self._base}/chat/completions", where, question)
        if reply.status in _REFUSED:
            raise EngineRequestError(
                f"{where}: the server refuses it with HTTP {reply.status}: {read_complaint(reply.body)}"
            )
        if reply.status != _OK:
            raise EngineRetryableError(f"{where}: HTTP {reply.status}", _wished_s(reply.retry_after))
        return read_completions(reply.body, request, where)

    def statistics(self) -> EngineStatistics | None:
        """None: a server keeps its load to itself."""
        return None

    async def stop(self) -> None:
        """Closes the connections."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    @property
    def _base(self) -> str:
        return self._config.base_url.rstrip("/")

    async def _check_model(self) -> None:
        where = f"endpoint {self._config.base_url}"
        try:
            served = await self._served(where)
        except EngineRetryableError as error:
            raise EngineDeadError(f"{error}; it cannot be reached: start the server or correct base_url") from error
        if self._config.model not in served:
            raise ModelError(
                f"{where} does not serve the model {self._config.model!r}; "
                f"it has {excerpt(', '.join(sorted(served)[:10])) if served else 'none'}"
            )

    async def _served(self, where: str) -> frozenset[str]:
        reply = await self._exchange("GET", f"{self._base}/models", where)
        if reply.status in _WRONG_ADDRESS:
            raise ModelError(
                f"{where} answers HTTP {reply.status}; check base_url (it ends in /v1), the model's name and the "
                "variable named by api_key_env"
            )
        if reply.status != _OK:
            raise EngineRetryableError(f"{where}: HTTP {reply.status}")
        return read_models(reply.body, where)

    async def _vllm_version(self) -> str | None:
        """What vLLM's server says of itself; None of others, who have no such address."""
        try:
            reply = await self._exchange("GET", f"{self._base.removesuffix('/v1')}/version", self._config.base_url)
        except EngineRetryableError:
            return None
        return read_version(reply.body) if reply.status == _OK else None

    async def _exchange(self, method: str, url: str, where: str, question: dict[str, Any] | None = None) -> _Reply:
        """One question and its whole answer, within the time and the bytes that one request has.

        Raises:
            EngineRetryableError: the answer does not come, not whole, not in time, or is too large.
        """
        assert self._client is not None
        async with (
            _passing_trouble(where, self._config.timeout_s),
            self._client.stream(method, url, json=question) as response,
        ):
            body = bytearray()
            async for part in response.aiter_bytes():
                body += part
                if len(body) > _MAX_ANSWER_BYTES:
                    raise EngineRetryableError(f"{where}: the answer exceeds {_MAX_ANSWER_BYTES} bytes")
            return _Reply(response.status_code, bytes(body), response.headers.get("retry-after", ""))

    def _question(self, request: CaptionRequest) -> dict[str, Any]:
        sampling = request.sampling
        question: dict[str, Any] = {
            "model": self._config.model,
            "messages": [{"role": "user", "content": _content(request)}],
            "n": request.num_completions,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "max_tokens": sampling.max_tokens,
            **_beyond_openai(sampling, is_vllm=self._is_vllm),
            **({"logprobs": True, "top_logprobs": _TOP_LOGPROBS} if request.weighed else {}),
        }
        if request.seeded:
            question["seed"] = request.seed
        if request.json_schema is not None:
            schema = {"name": "answer", "schema": request.json_schema, "strict": True}
            question["response_format"] = {"type": "json_schema", "json_schema": schema}
        return question


@asynccontextmanager
async def _passing_trouble(where: str, timeout_s: float) -> AsyncIterator[None]:
    """Bounds what happens inside in time, and names what can go wrong with a connection."""
    try:
        async with asyncio.timeout(timeout_s):
            yield
    except TimeoutError as error:
        raise EngineRetryableError(f"{where}: no whole answer within timeout_s ({timeout_s:g} s)") from error
    except (httpx.HTTPError, httpx.StreamError) as error:
        raise EngineRetryableError(f"{where}: {type(error).__name__}: {excerpt(error)}") from error


def _headers(config: EndpointEngineConfig) -> dict[str, str]:
    """An answer must not swell on arrival, so none is asked for in compressed form."""
    headers = {"Accept-Encoding": "identity", "User-Agent": "fcaps"}
    if config.api_key_env is None:
        return headers
    key = os.environ.get(config.api_key_env, "")
    if not key or not key.isascii() or not key.isprintable():
        state = "holds characters that no HTTP header can" if key else "is not set"
        raise JobError(
            f"endpoint {config.base_url}: the environment variable {config.api_key_env} {state}; "
            "export the key in it, or leave api_key_env out for a server without one"
        )
    return {**headers, "Authorization": f"Bearer {key}"}


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


def _content(request: CaptionRequest) -> str | list[dict[str, Any]]:
    """Plain text without sound: servers of text models know nothing of parts."""
    if request.audio_T is None:
        return request.prompt
    audio = {"data": _wav_base64(request.audio_T), "format": "wav"}
    return [{"type": "input_audio", "input_audio": audio}, {"type": "text", "text": request.prompt}]


def _wav_base64(audio_T: np.ndarray[Any, np.dtype[np.float32]]) -> str:
    buffer = io.BytesIO()
    soundfile.write(buffer, audio_T, SAMPLE_RATE_HZ, format="WAV", subtype="PCM_16")
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def _wished_s(retry_after: str) -> float:
    """What the header asks for, in seconds or as a date; 0 where it says nothing that can be read."""
    try:
        wished_s = float(retry_after)
    except ValueError:
        try:
            wished_s = parsedate_to_datetime(retry_after).timestamp() - time.time()
        except (ValueError, TypeError, OverflowError):
            return 0.0
    return max(0.0, wished_s) if np.isfinite(wished_s) else 0.0
