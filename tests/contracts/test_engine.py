"""What every Engine promises, kept by all: vLLM in a child process, a real vLLM server, and the cascade.

The engines are started once each; the last test kills those that have a process. What only a model can
keep is asked of the models alone.
"""

import asyncio
import hashlib
import json
import os
import subprocess
from collections.abc import Awaitable, Coroutine, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from fcaps_pipeline.annotate.engines.build import build_engine
from fcaps_pipeline.annotate.engines.cascade_engine import CascadeEngine
from fcaps_pipeline.annotate.engines.engine import CaptionRequest, Engine, EngineIdentity
from fcaps_pipeline.annotate.engines.model_folder import folder_revision
from fcaps_pipeline.annotate.verification.probe import ProbeTrajectory, ProbeVerifier
from fcaps_pipeline.annotate.verification.verifier import Subject
from fcaps_pipeline.errors import EngineDeadError, EngineRequestError
from fcaps_pipeline.jobs.annotate_job import EndpointEngineConfig, VllmEngineConfig
from fcaps_pipeline.jobs.prompts import load_prompt
from fcaps_pipeline.jobs.resources import resolve_path, shipped_folder
from fcaps_pipeline.jobs.verification import ProbeVerifierConfig
from fcaps_pipeline.records.annotations import Claim, Completion, Sampling
from fcaps_pipeline.records.captions import MAX_CAPTION_CHARACTERS, GlobalCaption, global_caption_schema
from fcaps_pipeline.shards.layout import RunLayout
from fcaps_pipeline.shards.reader import read_rows
from tests.contracts.hosting import HostedVllmEngine, VllmServer
from tests.integration.conftest import FCAPS
from tests.unit.annotate.captioning.building import GOOD_FINE, acoustics, candidate, segment_audio

_T = TypeVar("_T")
_RATE_HZ = 16_000
of_models = pytest.mark.parametrize("running", ["vllm", "endpoint"], indirect=True)
_SMALL_SCHEMA = {
    "type": "object",
    "properties": {
        "gender": {"enum": ["female", "male", "unknown"]},
        "word": {"type": "string", "pattern": "^[a-z]{1,12}$"},
    },
    "required": ["gender", "word"],
    "additionalProperties": False,
}


class Killable(Protocol):
    """Whatever holds the model."""

    def kill(self) -> None: ...


@dataclass
class Running:
    """A started engine and the loop it lives in."""

    kind: str
    engine: Engine
    identity: EngineIdentity
    holder: Killable | None
    """None for an engine without a process."""
    runner: asyncio.Runner

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        return self.runner.run(asyncio.wait_for(work, 120))

    def complete(self, *requests: CaptionRequest) -> list[tuple[Completion, ...]]:
        async def together() -> list[tuple[Completion, ...]]:
            answers: list[Awaitable[tuple[Completion, ...]]] = [self.engine.complete(request) for request in requests]
            return list(await asyncio.gather(*answers))

        return self.run(together())


@pytest.fixture(scope="session", params=["vllm", "endpoint", "cascade"])
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with pytest.MonkeyPatch.context() as patch, asyncio.Runner() as runner:
        engine: Engine
        holder: HostedVllmEngine | VllmServer | None = None
        if request.param == "cascade":
            engine = CascadeEngine()
        elif request.param == "vllm":
            holder = engine = HostedVllmEngine(VllmEngineConfig(engine_args={"enforce_eager": True}))
        else:
            holder = server = VllmServer(tmp_path_factory.mktemp("server") / "log.txt")
            server.start()
            patch.setenv("CAPTIONER_KEY", server.key)
            config = EndpointEngineConfig(
                kind="endpoint",
                base_url=server.url,
                model="captioner",
                revision="r7",
                api_key_env="CAPTIONER_KEY",
                patience_s=3,
            )
            engine = build_engine(config)
        identity = runner.run(engine.start())
        yield Running(request.param, engine, identity, holder, runner)
        runner.run(_stop(engine))
        if isinstance(holder, VllmServer):
            holder.kill()


async def _stop(engine: Engine) -> None:
    await engine.stop()
    await engine.stop()
    # Connections that the server's death broke are closed by the loop's next rounds.
    await asyncio.sleep(0.2)


def _tone_T(hz: float, seconds: float = 2.0) -> npt.NDArray[np.float32]:
    wave_T = 0.5 * np.sin(2 * np.pi * hz * np.arange(round(seconds * _RATE_HZ)) / _RATE_HZ)
    return (np.round(wave_T * 32_768) / 32_768).astype(np.float32)


def _noise_T(seed: int, seconds: float = 2.0) -> npt.NDArray[np.float32]:
    wave_T = np.random.default_rng(seed).uniform(-0.5, 0.5, round(seconds * _RATE_HZ))
    return (np.round(wave_T * 32_768) / 32_768).astype(np.float32)


def _speech_T(index: int) -> npt.NDArray[np.float32]:
    path = sorted(resolve_path("package:demo_speech").glob("*.flac"))[index]
    speech_T, rate_hz = soundfile.read(path, frames=2 * _RATE_HZ, dtype="float32")
    assert rate_hz == _RATE_HZ
    return cast("npt.NDArray[np.float32]", speech_T)


def _request(sound_T: npt.NDArray[np.float32], **changes: Any) -> CaptionRequest:
    digest = hashlib.sha256(sound_T.tobytes() + repr(changes).encode()).hexdigest()
    plain = CaptionRequest(
        request_key=digest,
        audio_sha256=hashlib.sha256(sound_T.tobytes()).hexdigest(),
        audio_T=sound_T,
        acoustics=acoustics(),
        prompt=load_prompt("embedded_fine.v1").render(),
        sampling=Sampling(temperature=1.0, top_p=1.0, top_k=0, max_tokens=60),
        seed=7,
    )
    return replace(plain, **changes)


def _texts(answers: tuple[Completion, ...]) -> list[str]:
    return [answer.text for answer in answers]


def test_an_engine_tells_its_load_where_it_counts_it(running: Running) -> None:
    running.complete(_request(_tone_T(330.0)))
    load = running.engine.statistics()
    if running.kind == "vllm":
        assert load is not None
        assert 0 <= load.kv_cache_share <= 1
        assert load.preemptions == 0
    else:
        assert load is None


def test_the_engine_says_who_it_is(running: Running) -> None:
    if running.kind == "vllm":
        folder = resolve_path("package:captioner")
        assert (running.identity.model, running.identity.model_revision) == (
            "package:captioner",
            folder_revision(folder),
        )
        assert running.identity.engine_version[0].isdigit()
    elif running.kind == "cascade":
        assert running.identity.model == "package:cascade_templates"
        assert len(running.identity.model_revision) == len("sha256:") + 64
    else:
        assert (running.identity.model, running.identity.model_revision) == ("captioner", "r7")
        assert running.identity.engine_version.startswith("vllm ")


def test_n_completions_come_in_the_order_of_their_seeds(running: Running) -> None:
    (answers,) = running.complete(_request(_noise_T(0), num_completions=4))
    assert [answer.seed for answer in answers] == [7, 8, 9, 10]
    assert len(set(_texts(answers))) > 1
    assert all(answer.num_output_tokens > 0 for answer in answers)


def test_a_completion_of_many_is_the_one_its_seed_gives_alone(running: Running) -> None:
    (many,) = running.complete(_request(_noise_T(0), num_completions=3))
    (alone,) = running.complete(_request(_noise_T(0), seed=9))
    assert _texts(many)[2] == _texts(alone)[0]


def test_the_same_seed_gives_the_same_text_again(running: Running) -> None:
    first, second = (running.complete(_request(_noise_T(1), num_completions=2))[0] for _ in range(2))
    assert _texts(first) == _texts(second)


@of_models
def test_answers_under_a_grammar_are_valid_whatever_the_weights_say(running: Running) -> None:
    requests = [
        _request(_noise_T(seed), seed=seed * 10, num_completions=4, json_schema=_SMALL_SCHEMA) for seed in range(8)
    ]
    answers = [json.loads(answer.text) for answers in running.complete(*requests) for answer in answers]
    assert len(answers) == 32
    assert all(set(answer) == {"gender", "word"} and answer["word"].isalpha() for answer in answers)


def test_global_captions_that_come_to_an_end_are_valid(running: Running) -> None:
    request = _request(
        _noise_T(2),
        prompt=load_prompt("embedded_global.v1").render(),
        sampling=Sampling(temperature=1.0, top_p=1.0, top_k=0, max_tokens=300),
        num_completions=16,
        json_schema=global_caption_schema(),
    )
    (answers,) = running.complete(request)
    assert all(answer.text.startswith('{"gender":"') for answer in answers)
    ended = [json.loads(answer.text) for answer in answers if answer.finish_reason == "stop"]
    assert ended
    for answer in ended:
        # The length of the prose is no part of the grammar: a draw from all words may ramble on.
        GlobalCaption.model_validate(answer | {"caption": answer["caption"][:MAX_CAPTION_CHARACTERS]})


@of_models
def test_an_answer_cut_off_says_so(running: Running) -> None:
    sampling = Sampling(temperature=0, max_tokens=3)
    ((answer,),) = running.complete(_request(_noise_T(0), sampling=sampling, json_schema=_SMALL_SCHEMA))
    assert (answer.finish_reason, answer.num_output_tokens) == ("length", 3)


@of_models
def test_the_prompt_is_the_audio_and_the_text_as_given(running: Running) -> None:
    """Every second of audio is 13 tokens, and a longer instruction adds its own tokens only."""
    word, words = "slow", "slow slow slow"
    requests = [
        _request(_tone_T(200, seconds), prompt=prompt) for seconds, prompt in ((2, word), (4, word), (2, words))
    ]
    base, longer_audio, longer_text = (answers[0].num_prompt_tokens for answers in running.complete(*requests))
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(resolve_path("package:captioner"))
    rendered = [
        tokenizer.apply_chat_template(
            [{"role": "user", "content": [{"type": "audio"}, {"type": "text", "text": text}]}],
            add_generation_prompt=True,
            tokenize=False,
        )
        for text in (word, words)
    ]
    num_tokens = [len(tokenizer(text).input_ids) for text in rendered]
    assert longer_audio - base == 26
    assert base == num_tokens[0] - 1 + 26
    assert longer_text == num_tokens[1] - 1 + 26


@of_models
def test_encoded_audio_is_reused_for_the_same_sound_only(running: Running) -> None:
    """Sounds of one length with one prompt and one seed differ in nothing but what is heard."""
    sounds = [_noise_T(11), *(_speech_T(index) for index in range(3))]
    alone = [_texts(running.complete(_request(sound, num_completions=4))[0]) for sound in sounds]
    again = [_texts(running.complete(_request(sound, num_completions=4))[0]) for sound in reversed(sounds)]
    assert again[::-1] == alone
    assert len({tuple(texts) for texts in alone}) == len(sounds)


@pytest.mark.parametrize(
    "audio_T",
    [
        np.zeros(0, np.float32),
        np.zeros(31 * _RATE_HZ, np.float32),
        np.full(_RATE_HZ, np.nan, np.float32),
        np.zeros((2, _RATE_HZ), np.float32),
    ],
    ids=["empty", "31 s", "NaN", "stereo"],
)
def test_bad_audio_is_refused_and_the_engine_goes_on(running: Running, audio_T: npt.NDArray[np.float32]) -> None:
    with pytest.raises(EngineRequestError):
        running.complete(_request(audio_T))
    assert running.complete(_request(_noise_T(0)))


@of_models
def test_a_prompt_beyond_the_model_is_refused_and_the_engine_goes_on(running: Running) -> None:
    with pytest.raises(EngineRequestError):
        running.complete(_request(_noise_T(0), prompt="slow " * 5_000))
    assert running.complete(_request(_noise_T(0)))


@of_models
def test_the_log_probabilities_of_answers_are_told_and_the_likeliest_is_what_it_says(running: Running) -> None:
    one_token = Sampling(temperature=0, max_tokens=1)
    ((said,),) = running.complete(_request(_speech_T(0), sampling=one_token))
    assert said.log_probabilities is None
    weighed = ("no", said.text.strip(), "yes")
    ((answer,),) = running.complete(_request(_speech_T(0), sampling=one_token, weighed=weighed))
    assert answer.text == said.text
    assert answer.log_probabilities is not None
    no, likeliest, yes = answer.log_probabilities
    assert max(no, yes) < likeliest <= 1e-3
    assert np.exp([no, likeliest, yes]).sum() <= 1.001


@of_models
def test_a_probe_asks_about_a_claim_on_the_clip_and_on_silence(running: Running) -> None:
    """What it decides is the model's affair."""
    config = ProbeVerifierConfig(kind="probe", engine="e", prompt="embedded_probe.v1")
    probe = ProbeVerifier(running.engine, running.identity, config, load_prompt(config.prompt))
    claim = Claim(attribute="gender", value="female", result="unverifiable")
    captioned = candidate(GOOD_FINE).model_copy(update={"claims": (claim,)})
    opinion = running.run(probe.verify(Subject(segment_audio(), captioned)))
    (evidence,) = opinion.claims[0].evidence
    assert evidence.tool == "probe:e"
    assert opinion.trajectory is not None
    (probed,) = ProbeTrajectory.model_validate_json(opinion.trajectory).probes
    assert probed.clip.request_key != probed.silence.request_key
    if running.kind == "vllm":  # a server tells the likeliest alone
        assert probed.clip.log_probabilities is not None
        assert probed.clip.log_probabilities != probed.silence.log_probabilities


@of_models
def test_a_question_without_sound_is_answered_from_its_text(running: Running) -> None:
    sampling = Sampling(temperature=0, max_tokens=5)
    with_sound, without = (
        running.complete(_request(_tone_T(200), sampling=sampling, **changes))[0][0]
        for changes in ({}, {"audio_T": None, "audio_sha256": ""})
    )
    assert without.num_output_tokens > 0
    assert with_sound.num_prompt_tokens - without.num_prompt_tokens == 26 + 2, "two seconds between two marks"


@pytest.mark.parametrize("running", ["cascade"], indirect=True)
def test_an_engine_that_only_measures_refuses_a_question_without_sound(running: Running) -> None:
    with pytest.raises(EngineRequestError, match="what was measured in a sound, and there is none"):
        running.complete(_request(_tone_T(200), audio_T=None, audio_sha256=""))


def test_the_shortest_audio_is_answered(running: Running) -> None:
    ((answer,),) = running.complete(_request(_noise_T(0, 0.1)))
    assert answer.num_output_tokens > 0


def test_many_requests_are_in_flight_at_once(running: Running) -> None:
    sampling = Sampling(temperature=1.0, max_tokens=30)
    answers = running.complete(*(_request(_noise_T(seed), sampling=sampling) for seed in range(40)))
    assert [len(each) for each in answers] == [1] * 40


@pytest.mark.parametrize("running", ["vllm", "cascade"], indirect=True)
def test_long_clips_with_seeds_share_the_steps_of_an_engine(running: Running) -> None:
    """Their prompts together are longer than a step, so that some are split; a plain server of vLLM dies of it."""
    sampling = Sampling(temperature=1.0, max_tokens=8)
    answers = running.complete(
        *(_request(_noise_T(seed, 28.0), seed=seed, sampling=sampling, num_completions=2) for seed in range(24))
    )
    assert [len(each) for each in answers] == [2] * 24


@pytest.mark.parametrize("running", ["endpoint"], indirect=True)
def test_the_shipped_job_for_servers_annotates_from_the_one_that_the_shipped_script_started(
    running: Running, tmp_path: Path
) -> None:
    server = running.holder
    assert isinstance(server, VllmServer)
    sound = sorted(resolve_path("package:demo_speech").glob("man-*.flac"))[0]
    settings = [f"source.path={sound}", "resources.num_segmenters=1", "resources.cpus_per_segmenter=0.5"]
    for engine, granularity in (("omni_captioner", "fine"), ("instruct", "global")):
        settings += [f"engines.{engine}.base_url={server.url}", f"engines.{engine}.model=captioner"]
        settings += [f"captions.{granularity}.prompt=embedded_{granularity}.v1"]
    job, run = shipped_folder("jobs") / "annotate_qwen3omni_endpoint.yaml", tmp_path / "run"
    done = subprocess.run(
        [*FCAPS, "annotate", str(job), f"--out={run}", *(f"--set={one}" for one in settings)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "VLLM_API_KEY": server.key},
    )
    assert done.returncode == 0, done.stderr
    (row,) = read_rows(RunLayout(run), "data")
    assert row["fine_captions"]
    assert row["global_captions"]


@of_models
def test_a_model_that_died_is_told_of(running: Running) -> None:
    assert running.holder is not None
    running.holder.kill()
    with pytest.raises(EngineDeadError):
        running.complete(*(_request(_noise_T(seed)) for seed in range(20)))
