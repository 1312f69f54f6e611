"""The one way in which passing trouble of an engine is waited out, whatever engine it is.

An Engine enters, an Engine leaves. A request that fails for a passing reason (a lost connection, a
server's 5xx, a lack of memory, overload, an answer that is none) is sent again as it was, at growing
and random intervals, for as long as the job's `patience_s` allows. After that a second of silence
is asked about: where even that is not answered the engine is down, and the run must stop rather
than fail all that is left of the corpus; where it is, the trouble is this request's own.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import replace

import numpy as np
from tenacity import AsyncRetrying, retry_if_exception_type, stop_before_delay, wait_exception, wait_random_exponential

from fcaps_pipeline.annotate.engines.engine import CaptionRequest, Engine, EngineIdentity
from fcaps_pipeline.annotate.engines.statistics import EngineStatistics
from fcaps_pipeline.errors import EngineDeadError, EngineRequestError, EngineRetryableError
from fcaps_pipeline.records.annotations import Completion
from fcaps_pipeline.records.audio import SAMPLE_RATE_HZ

_FIRST_WAIT_S, _LONGEST_WAIT_S = 1.0, 60.0
"""Upper ends of the random intervals, which double from the first to the longest."""
_SILENCE_T = np.zeros(SAMPLE_RATE_HZ, np.float32)
_SILENCE_TOKENS = 16


class PatientEngine:
    """An Engine that waits out passing trouble."""

    def __init__(
        self, engine: Engine, patience_s: float, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        """Wraps an engine that has not been started.

        Args:
            engine: asked again while its errors are passing ones.
            patience_s: time from the first question of a request to the last, at most.
            sleep: waits so many seconds before a request is sent again.
        """
        self._engine = engine
        self._patience_s = patience_s
        self._sleep = sleep

    async def start(self) -> EngineIdentity:
        """Starts the engine; nothing is waited out, so that a wrong address shows at once."""
        return await self._engine.start()

    async def complete(self, request: CaptionRequest) -> tuple[Completion, ...]:
        """Answers one request; see `Engine.complete`.

        Raises:
            EngineRequestError: this request is refused for good.
            EngineRetryableError: this request found nothing but trouble; others are answered.
            EngineDeadError: nothing is answered any more.
        """
        retrying = AsyncRetrying(
            sleep=self._sleep,
            stop=stop_before_delay(self._patience_s),
            wait=wait_exception(_wished_s) + wait_random_exponential(_FIRST_WAIT_S, _LONGEST_WAIT_S),
            retry=retry_if_exception_type(EngineRetryableError),
            reraise=True,
        )
        try:
            return await retrying(self._engine.complete, request)
        except EngineRetryableError as error:
            await self._check_alive(request, error)
            raise

    def statistics(self) -> EngineStatistics | None:
        """See `Engine.statistics`."""
        return self._engine.statistics()

    async def stop(self) -> None:
        """Stops the engine."""
        await self._engine.stop()

    async def _check_alive(self, request: CaptionRequest, trouble: EngineRetryableError) -> None:
        try:
            await self._engine.complete(_about_silence(request))
        except EngineRequestError:
            return
        except EngineRetryableError as error:
            raise EngineDeadError(
                f"{trouble}; this goes on for longer than patience_s ({self._patience_s:g} s) and meets other requests "
                "too; bring the engine back and run the same command again"
            ) from error


def _wished_s(error: BaseException) -> float:
    return error.retry_after_s if isinstance(error, EngineRetryableError) else 0.0


def _about_silence(request: CaptionRequest) -> CaptionRequest:
    """A short question of the same kind; one without sound stays without."""
    silence_T = None if request.audio_T is None else _SILENCE_T
    return replace(
        request,
        request_key=hashlib.sha256(f"silence {request.request_key}".encode()).hexdigest(),
        audio_sha256="" if silence_T is None else hashlib.sha256(silence_T.tobytes()).hexdigest(),
        audio_T=silence_T,
        sampling=request.sampling.model_copy(update={"max_tokens": _SILENCE_TOKENS}),
        num_completions=1,
    )
