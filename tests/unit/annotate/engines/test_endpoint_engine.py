"""How the endpoint engine reads a server's refusals, against a small HTTP server of this test."""

import asyncio
import base64
import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import numpy as np
import pytest
import soundfile

from fcaps_pipeline.annotate.engines.endpoint_engine import EndpointEngine
from fcaps_pipeline.annotate.engines.engine import CaptionRequest
from fcaps_pipeline.errors import (
    EngineDeadError,
    EngineRequestError,
    EngineRetryableError,
    FcapsError,
    JobError,
    ModelError,
)
from fcaps_pipeline.jobs.annotate_job import EndpointEngineConfig
from fcaps_pipeline.records.annotations import Completion, Sampling
from tests.faulty_server import FaultyServer
from tests.unit.annotate.captioning.building import acoustics

_KEY = "sk-very-secret"


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    with FaultyServer().serving() as running:
        yield running


def _config(server: FaultyServer, **changes: Any) -> EndpointEngineConfig:
    return EndpointEngineConfig(kind="endpoint", base_url=server.url, **{"model": "m", **changes})


_SAMPLING = Sampling(temperature=0.7, top_p=0.8, top_k=9, max_tokens=77, repetition_penalty=1.1)


def _request(num_completions: int = 2, sampling: Sampling = _SAMPLING) -> CaptionRequest:
    audio_T = (np.arange(-8_000, 8_000) / 32_768).astype(np.float32)
    return CaptionRequest(
        "k" * 64, "a" * 64, audio_T, acoustics(), "Describe.", sampling, 40, num_completions, {"type": "object"}
    )


def _answer(*reasons: str) -> dict[str, Any]:
    choices = [
        {"index": index, "finish_reason": reason, "message": {"role": "assistant", "content": f"text {index}"}}
        for index, reason in enumerate(reasons)
    ]
    usage = {"prompt_tokens": 30, "completion_tokens": 11, "total_tokens": 41}
    return {
        "id": "x",
        "object": "chat.completion",
        "created": 0,
        "model": "m",
        "choices": choices[::-1],
        "usage": usage,
    }


def _complete(
    config: EndpointEngineConfig,
    num_completions: int = 2,
    sampling: Sampling = _SAMPLING,
    slept: list[float] | None = None,
) -> tuple[Completion, ...]:
    async def sleep(seconds: float) -> None:
        assert slept is not None, "nothing was to be waited for"
        slept.append(seconds)

    async def run() -> tuple[Completion, ...]:
        engine = EndpointEngine(config, sleep)
        await engine.start()
        try:
            return await engine.complete(_request(num_completions, sampling))
        finally:
            await engine.stop()

    return asyncio.run(run())


def test_the_question_carries_audio_prompt_sampling_and_grammar(server: FaultyServer) -> None:
    server.body = _answer("stop", "length")
    completions = _complete(_config(server))
    assert [(one.text, one.finish_reason, one.seed, one.num_output_tokens) for one in completions] == [
        ("text 0", "stop", 40, 6),
        ("text 1", "length", 41, 5),
    ]
    (question,) = server.questions
    audio, text = question.pop("messages")[0]["content"]
    pcm_T, rate_hz = soundfile.read(io.BytesIO(base64.b64decode(audio["input_audio"]["data"])), dtype="float32")
    assert (rate_hz, text) == (16_000, {"type": "text", "text": "Describe."})
    assert np.array_equal(pcm_T, _request().audio_T)
    assert question == {
        "model": "m",
        "n": 2,
        "seed": 40,
        "temperature": 0.7,
        "top_p": 0.8,
        "top_k": 9,
        "max_tokens": 77,
        "repetition_penalty": 1.1,
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": {"type": "object"}, "strict": True},
        },
    }


@pytest.mark.parametrize(
    ("version", "told"), [("0.32.0", {"top_k": 0, "repetition_penalty": 1.0}), (None, {})], ids=["vllm", "vendor"]
)
def test_vllm_is_told_what_a_vendor_would_refuse(
    server: FaultyServer, version: str | None, told: dict[str, float]
) -> None:
    server.version = version
    server.body = _answer("stop")
    _complete(_config(server), 1, Sampling(temperature=0.7, top_p=0.8, top_k=0, max_tokens=77))
    (question,) = server.questions
    assert {key: question[key] for key in ("top_k", "repetition_penalty") if key in question} == told


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, EngineRequestError),
        (413, EngineRequestError),
        (422, EngineRequestError),
        (401, EngineDeadError),
        (404, EngineDeadError),
        (408, EngineRetryableError),
        (500, EngineRetryableError),
    ],
)
def test_every_refusal_has_its_class_and_is_asked_once(
    server: FaultyServer, status: int, expected: type[FcapsError]
) -> None:
    server.status, server.body = status, {"error": {"message": "bad\n audio", "code": status}}
    with pytest.raises(expected, match=f"HTTP {status}"):
        _complete(_config(server))
    assert len(server.questions) == 1


def test_a_busy_server_is_asked_again_when_it_wishes(server: FaultyServer) -> None:
    in_a_minute = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    server.busy = [(429, "7"), (503, None), (503, in_a_minute), (429, "soon"), (503, "0")]
    server.body = _answer("stop", "stop")
    slept: list[float] = []
    assert [one.text for one in _complete(_config(server), slept=slept)] == ["text 0", "text 1"]
    assert slept == [7.0, 2.0, pytest.approx(59.5, abs=5), 8.0, 16.0]
    assert len(server.questions) == 6


@pytest.mark.parametrize(("retry_after", "waits"), [(None, [1.0, 2.0, 4.0]), ("3600", [])])
def test_a_server_that_stays_busy_stops_the_job_and_fails_no_segment(
    server: FaultyServer, retry_after: str | None, waits: list[float]
) -> None:
    server.busy = [(429, retry_after)] * 9
    slept: list[float] = []
    with pytest.raises(EngineDeadError, match=r"HTTP 429, .* busy for longer than busy_timeout_s \(10 s\)"):
        _complete(_config(server, busy_timeout_s=10), slept=slept)
    assert slept == waits


def test_a_slow_server_is_worth_another_try(server: FaultyServer) -> None:
    server.delay_s = 5
    with pytest.raises(EngineRetryableError, match="no answer within the time limit"):
        _complete(_config(server, timeout_s=0.2))


@pytest.mark.parametrize(
    "reasons", [("stop",), ("stop", "stop", "stop"), ("stop", "error"), ("stop", "content_filter")]
)
def test_incomplete_answers_are_worth_another_try(server: FaultyServer, reasons: tuple[str, ...]) -> None:
    server.body = _answer(*reasons)
    with pytest.raises(EngineRetryableError):
        _complete(_config(server))


def test_a_model_the_server_lacks_is_named_with_those_it_has(server: FaultyServer) -> None:
    with pytest.raises(ModelError, match="does not serve the model 'other'; it has m"):
        _complete(_config(server, model="other"))


def test_a_server_that_is_not_there(server: FaultyServer) -> None:
    config = _config(server).model_copy(update={"base_url": "http://127.0.0.1:9/v1"})
    with pytest.raises(EngineDeadError, match="cannot be reached"):
        _complete(config)


def test_the_key_comes_from_the_environment_and_shows_nowhere(
    server: FaultyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAPTION_KEY", _KEY)
    server.list_status = 401
    config = _config(server, api_key_env="CAPTION_KEY")
    with pytest.raises(ModelError, match="HTTP 401") as caught:
        _complete(config)
    assert server.keys[0] == f"Bearer {_KEY}"
    assert _KEY not in f"{caught.value!r} {config!r} {EndpointEngine(config)!r}"


def test_a_key_that_is_not_set_is_asked_for_by_name(server: FaultyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CAPTION_KEY", raising=False)
    with pytest.raises(JobError, match="the environment variable CAPTION_KEY is not set"):
        _complete(_config(server, api_key_env="CAPTION_KEY"))


def test_an_engine_that_was_not_started_answers_nothing(server: FaultyServer) -> None:
    with pytest.raises(EngineDeadError, match="call start first"):
        asyncio.run(EndpointEngine(_config(server)).complete(_request()))
