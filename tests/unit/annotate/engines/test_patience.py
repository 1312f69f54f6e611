"""Passing trouble is waited out; then the request fails, or the run stops where nothing is answered any more."""

import asyncio
from collections.abc import Callable

import numpy as np
import pytest

from fcaps_pipeline.annotate.engines.answers import make_completion
from fcaps_pipeline.annotate.engines.engine import CaptionRequest, EngineIdentity
from fcaps_pipeline.annotate.engines.patience import PatientEngine
from fcaps_pipeline.annotate.engines.statistics import EngineStatistics
from fcaps_pipeline.errors import EngineDeadError, EngineRequestError, EngineRetryableError
from fcaps_pipeline.records.annotations import Completion, Sampling
from tests.unit.annotate.captioning.building import acoustics

_AUDIO_T = np.full(16_000, 0.5, np.float32)
_REQUEST = CaptionRequest("k" * 64, "a" * 64, _AUDIO_T, acoustics(), "Describe.", Sampling(), 7, 2, {"type": "object"})


class TroubledEngine:
    """Answers as a function of the request and of how many came before."""

    def __init__(self, trouble: Callable[[CaptionRequest, int], Exception | None]) -> None:
        self.requests: list[CaptionRequest] = []
        self.num_stops = 0
        self._trouble = trouble

    async def start(self) -> EngineIdentity:
        return EngineIdentity(engine="troubled", engine_version="1", model="m", model_revision="r")

    async def complete(self, request: CaptionRequest) -> tuple[Completion, ...]:
        self.requests.append(request)
        if (trouble := self._trouble(request, len(self.requests))) is not None:
            raise trouble
        return tuple(
            make_completion("A voice.", "stop", num_prompt_tokens=1, num_output_tokens=2, seed=request.seed + index)
            for index in range(request.num_completions)
        )

    def statistics(self) -> EngineStatistics | None:
        return None

    async def stop(self) -> None:
        self.num_stops += 1


def _complete(engine: TroubledEngine, patience_s: float = 600, slept: list[float] | None = None) -> list[int | None]:
    async def sleep(seconds: float) -> None:
        if slept is not None:
            slept.append(seconds)

    answers = asyncio.run(PatientEngine(engine, patience_s, sleep).complete(_REQUEST))
    return [answer.seed for answer in answers]


def _is_silence(request: CaptionRequest) -> bool:
    return request.audio_T is not None and not request.audio_T.any()


def test_the_same_request_is_sent_until_it_is_answered_at_growing_random_intervals() -> None:
    engine = TroubledEngine(lambda _, count: EngineRetryableError("HTTP 502") if count < 8 else None)
    slept: list[float] = []
    assert _complete(engine, slept=slept) == [7, 8]
    assert engine.requests == [_REQUEST] * 8
    assert len(slept) == 7
    assert all(0 <= wait_s <= min(2.0**index, 60) for index, wait_s in enumerate(slept))
    assert len(set(slept)) == 7


def test_what_a_server_wishes_is_kept_and_jitter_added() -> None:
    engine = TroubledEngine(lambda _, count: EngineRetryableError("HTTP 503", 30.0) if count == 1 else None)
    slept: list[float] = []
    assert _complete(engine, slept=slept) == [7, 8]
    assert 30 <= slept[0] <= 31


def test_a_wish_beyond_the_budget_is_not_waited_for() -> None:
    engine = TroubledEngine(lambda *_: EngineRetryableError("HTTP 429", 3_600.0))
    slept: list[float] = []
    with pytest.raises(
        EngineDeadError, match=r"HTTP 429; .* longer than patience_s \(600 s\).* run the same command again"
    ):
        _complete(engine, slept=slept)
    assert slept == []
    assert [_is_silence(request) for request in engine.requests] == [False, True]


@pytest.mark.parametrize("answer", [None, EngineRequestError("too short")], ids=["answered", "refused"])
def test_trouble_of_one_request_alone_is_its_own(answer: Exception | None) -> None:
    engine = TroubledEngine(lambda request, _: answer if _is_silence(request) else EngineRetryableError("HTTP 500"))
    with pytest.raises(EngineRetryableError, match="HTTP 500"):
        _complete(engine, patience_s=0.01)
    silence = engine.requests[-1]
    assert silence.audio_T is not None
    assert (len(silence.audio_T), silence.num_completions, silence.sampling.max_tokens) == (16_000, 1, 16)
    assert silence.request_key != _REQUEST.request_key
    assert silence.audio_sha256 != _REQUEST.audio_sha256


@pytest.mark.parametrize("error", [EngineRequestError("no"), EngineDeadError("gone")])
def test_what_does_not_pass_is_not_waited_for(error: Exception) -> None:
    engine = TroubledEngine(lambda *_: error)
    with pytest.raises(type(error), match=str(error)):
        _complete(engine)
    assert len(engine.requests) == 1


def test_an_engine_that_dies_while_it_is_waited_for_is_dead() -> None:
    engine = TroubledEngine(lambda _, count: EngineRetryableError("later") if count == 1 else EngineDeadError("gone"))
    with pytest.raises(EngineDeadError, match="gone"):
        _complete(engine)


def test_a_request_that_is_cancelled_waits_no_longer() -> None:
    async def run() -> None:
        engine = PatientEngine(TroubledEngine(lambda *_: EngineRetryableError("later", 500.0)), 600)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(engine.complete(_REQUEST), 0.05)

    asyncio.run(run())


def test_start_and_stop_are_those_of_the_engine() -> None:
    inner = TroubledEngine(lambda *_: None)
    patient = PatientEngine(inner, 1)
    assert asyncio.run(patient.start()).engine == "troubled"
    asyncio.run(patient.stop())
    assert inner.num_stops == 1
