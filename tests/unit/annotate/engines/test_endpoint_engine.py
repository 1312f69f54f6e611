"""How the endpoint engine asks, and what it makes of all that a server can say, against a small HTTP server."""

import asyncio
import base64
import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import soundfile

from fcaps_pipeline.annotate.engines.endpoint_engine import EndpointEngine
from fcaps_pipeline.annotate.engines.engine import CaptionRequest, EngineIdentity
from fcaps_pipeline.errors import (
    EngineDeadError,
    EngineRequestError,
    EngineRetryableError,
    FcapsError,
    JobError,
    ModelError,
)
from fcaps_pipeline.jobs.annotate_job import EndpointEngineConfig, parse_job
from fcaps_pipeline.records.annotations import MAX_ANSWER_CHARACTERS, Completion, Sampling
from tests.faulty_server import FaultyServer
from tests.unit.annotate.captioning.building import acoustics
from tests.unit.annotate.engines.server_scenarios import SCENARIOS, SHORT_TIMEOUT_S, Scenario

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
) -> tuple[Completion, ...]:
    return _answered(config, _request(num_completions, sampling))


def _answered(config: EndpointEngineConfig, request: CaptionRequest) -> tuple[Completion, ...]:
    async def run() -> tuple[Completion, ...]:
        engine = EndpointEngine(config)
        await engine.start()
        try:
            return await engine.complete(request)
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
    asked_T = _request().audio_T
    assert asked_T is not None
    assert np.array_equal(pcm_T, asked_T)
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


def test_without_seeds_the_server_is_told_none_and_none_are_recorded(server: FaultyServer) -> None:
    server.body = _answer("stop", "stop")

    async def run() -> tuple[Completion, ...]:
        engine = EndpointEngine(_config(server))
        await engine.start()
        try:
            return await engine.complete(replace(_request(), seeded=False))
        finally:
            await engine.stop()

    assert [one.seed for one in asyncio.run(run())] == [None, None]
    assert "seed" not in server.questions[0]


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


@pytest.fixture(scope="module")
def stranger() -> Iterator[FaultyServer]:
    with FaultyServer().serving() as running:
        yield running


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_whatever_a_server_says_is_an_answer_a_refusal_or_passing_trouble(
    stranger: FaultyServer, scenario: Scenario
) -> None:
    stranger.reply = scenario.reply
    config = _config(stranger, timeout_s=SHORT_TIMEOUT_S if scenario.is_endless else 60)
    asked = len(stranger.questions)
    if scenario.outcome == "answered":
        completions = _complete(config)
        assert [one.seed for one in completions] == [40, 41]
        assert all(len(one.text) <= MAX_ANSWER_CHARACTERS for one in completions)
        pa.array([one.text for one in completions]).validate(full=True)
    else:
        expected = EngineRequestError if scenario.outcome == "refused" else EngineRetryableError
        with pytest.raises(FcapsError) as caught:
            _complete(config)
        assert type(caught.value) is expected
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) < 600
    assert len(stranger.questions) == asked + 1


def test_the_table_names_each_way_once() -> None:
    assert len({scenario.name for scenario in SCENARIOS}) == len(SCENARIOS)


def test_what_a_text_must_not_hold_is_there_for_the_rules_to_see(stranger: FaultyServer) -> None:
    texts = {}
    for scenario in SCENARIOS:
        if scenario.name in {"lone_surrogate", "low_surrogate_first", "surrogate_pair", "escaped_backslash_before_u"}:
            stranger.reply = scenario.reply
            texts[scenario.name] = _complete(_config(stranger))[0].text
    assert texts == {
        "lone_surrogate": "A voice \ufffd speaks.",
        "low_surrogate_first": "\ufffd\ufffd",
        "surrogate_pair": "A voice \U0001f600.",
        "escaped_backslash_before_u": "\\ud800",
    }


def test_an_answer_beyond_all_bounds_counts_as_truncated(stranger: FaultyServer) -> None:
    stranger.reply = next(scenario.reply for scenario in SCENARIOS if scenario.name == "huge_text")
    first, second = _complete(_config(stranger))
    assert (len(first.text), first.finish_reason, second.finish_reason) == (MAX_ANSWER_CHARACTERS, "length", "stop")


@pytest.mark.parametrize(
    ("retry_after", "wished_s"),
    [("7", 7.0), (None, 0.0), ("soon", 0.0), ("-3", 0.0), ("date", pytest.approx(59.5, abs=30))],
)
def test_a_busy_server_may_wish_when_it_is_asked_again(
    server: FaultyServer, retry_after: str | None, wished_s: float
) -> None:
    in_a_minute = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    server.busy = [(503, in_a_minute if retry_after == "date" else retry_after)]
    with pytest.raises(EngineRetryableError, match="HTTP 503") as caught:
        _complete(_config(server))
    assert caught.value.retry_after_s == wished_s


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"data": null}', b'{"data": [{"id": 3}]}', b"\xff", b"[]"])
def test_a_server_that_lists_no_models_is_none(server: FaultyServer, body: bytes) -> None:
    server.list_body = body or b" "
    with pytest.raises(EngineDeadError, match="correct base_url"):
        _complete(_config(server))


@pytest.mark.parametrize("version", ["0.32.0\x1b[2J", "v" * 500, ""])
def test_a_version_that_is_none_is_not_written_down(server: FaultyServer, version: str) -> None:
    server.version = version
    assert asyncio.run(_identity(_config(server))).engine_version == "unknown"


async def _identity(config: EndpointEngineConfig) -> EngineIdentity:
    engine = EndpointEngine(config)
    try:
        return await engine.start()
    finally:
        await engine.stop()


@pytest.mark.parametrize(
    "base_url",
    [
        "http://user:sesame@host/v1",
        "https://sesame@host/v1",
        "https://host/v1?key=sesame",
        "https://host/v1#sesame",
        "host:8000/v1",
        "ftp://sesame/v1",
        "http://",
        "http://host:99999/v1/sesame",
        "http://[sesame/v1",
        "http://host/v1\x1b[2Jsesame",
        "http://host/sesame v1",
    ],
)
def test_an_address_holds_no_secret_and_is_one(base_url: str) -> None:
    engines = {"server": {"kind": "endpoint", "base_url": base_url, "model": "m"}}
    captions = {"fine": {"engine": "server", "prompt": "captioner_fine.v1"}}
    with pytest.raises(JobError, match=r"engines\.server\.base_url: (expected http|must hold no)") as caught:
        parse_job({"source": {"kind": "folder", "path": "x"}, "engines": engines, "captions": captions}, "j.yaml")
    assert "sesame" not in str(caught.value)


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


@pytest.mark.parametrize("key", ["two\nlines", "pass\u00e9", "tab\tbed"])
def test_a_key_that_no_header_can_hold_is_not_shown(
    server: FaultyServer, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("CAPTION_KEY", key)
    with pytest.raises(JobError, match="CAPTION_KEY holds characters that no HTTP header can") as caught:
        _complete(_config(server, api_key_env="CAPTION_KEY"))
    assert key not in str(caught.value)


def test_an_engine_that_was_not_started_answers_nothing(server: FaultyServer) -> None:
    with pytest.raises(EngineDeadError, match="call start first"):
        asyncio.run(EndpointEngine(_config(server)).complete(_request()))


_YES_NO = replace(_request(1, Sampling(temperature=0, max_tokens=1)), json_schema=None, weighed=("yes", "no"))


def _likely(**log_probabilities: float) -> dict[str, Any]:
    """A whole answer whose first token could have been one of these; `_` stands for a space before it."""
    top = [
        {"token": key.replace("_", " "), "logprob": value, "bytes": None} for key, value in log_probabilities.items()
    ]
    answer = _answer("length")
    answer["choices"][0]["logprobs"] = {"content": [{"token": "yes", "logprob": -0.1, "top_logprobs": top}]}
    return answer


def test_log_probabilities_are_asked_for_where_answers_are_weighed(server: FaultyServer) -> None:
    server.body = _likely(yes=-0.5, no=-1.0)
    (answer,) = _answered(_config(server), _YES_NO)
    assert answer.log_probabilities == pytest.approx((-0.5, -1.0))
    assert (server.questions[0]["logprobs"], server.questions[0]["top_logprobs"]) == (True, 20)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"yes": -1.0, "Yes": -1.0, "_no": -2.0}, (-1.0 + np.log(2), -2.0)),
        ({"Yes": -0.1, "perhaps": -3.0, "maybe": -6.0}, (-0.1, -6.0)),
        ({"perhaps": -0.1}, None),
    ],
    ids=["spellings are one answer", "an answer that is not told is at most as likely as the last", "neither is told"],
)
def test_answers_are_found_among_the_likeliest_tokens(
    server: FaultyServer, told: dict[str, float], expected: tuple[float, ...] | None
) -> None:
    server.body = _likely(**told)
    (answer,) = _answered(_config(server), _YES_NO)
    assert answer.log_probabilities == (None if expected is None else pytest.approx(expected))


@pytest.mark.parametrize(
    "logprobs",
    [
        None,
        {},
        {"content": []},
        {"content": [{"top_logprobs": []}]},
        {"content": [{"top_logprobs": [{"token": "yes"}]}]},
    ],
)
def test_a_server_that_tells_no_log_probabilities_is_believed_in_the_rest(server: FaultyServer, logprobs: Any) -> None:
    server.body = _answer("length")
    server.body["choices"][0]["logprobs"] = logprobs
    (answer,) = _answered(_config(server), _YES_NO)
    assert (answer.text, answer.log_probabilities) == ("text 0", None)


def test_a_question_without_sound_is_plain_text(server: FaultyServer) -> None:
    server.body = _answer("stop")
    _answered(_config(server), replace(_YES_NO, audio_T=None, audio_sha256="", weighed=()))
    (question,) = server.questions
    assert question["messages"] == [{"role": "user", "content": "Describe."}]
    assert "logprobs" not in question
