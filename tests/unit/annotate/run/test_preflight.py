"""What keeps a job from running is known before anything starts, within three seconds."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fcaps_pipeline.annotate.run.preflight import check_before_start, shortcomings
from fcaps_pipeline.errors import EngineDeadError, ModelError, ResourceError, UsageError
from fcaps_pipeline.jobs.annotate_job import Job, parse_job
from tests.faulty_server import FaultyServer

_CASCADE = {"kind": "cascade"}
_COMMIT = "0123456789abcdef0123456789abcdef01234567"


def _job(engine: dict[str, Any], prompt: str = "embedded_fine.v1", **resources: Any) -> Job:
    content = {
        "source": {"kind": "folder", "path": "speech"},
        "engines": {"e": engine},
        "captions": {"fine": {"engine": "e", "prompt": prompt}},
        "resources": {"num_segmenters": 1, **resources},
    }
    return parse_job(content, "the test")


def _endpoint(url: str, model: str = "m") -> dict[str, Any]:
    return {"kind": "endpoint", "base_url": url, "model": model}


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    with FaultyServer().serving() as server:
        yield server


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
    return port


def test_a_job_that_can_run_passes(server: FaultyServer) -> None:
    check_before_start(_job(_CASCADE))
    check_before_start(_job(_endpoint(server.url)))
    check_before_start(_job({"kind": "vllm"}))


@pytest.mark.parametrize(
    ("engine", "error", "expected"),
    [
        ({"kind": "vllm", "device": "gpu", "model": "package:captioner"}, ResourceError, "has no GPU"),
        ({"kind": "vllm", "cpus_per_replica": 5000}, ResourceError, "lower engines.e.cpus_per_replica"),
        ({"kind": "vllm", "model": "./nowhere"}, ModelError, "nowhere does not exist"),
        ({"kind": "endpoint", "base_url": "http://x/v1", "model": "m", "api_key_env": "NO_KEY"}, UsageError, "NO_KEY"),
    ],
)
def test_what_the_machine_lacks_is_named(
    engine: dict[str, Any], error: type[Exception], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(error, match=expected):
        check_before_start(_job(engine))


def test_lowering_is_no_answer_where_there_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    [line] = shortcomings(_job({"kind": "vllm", "device": "gpu"}))
    assert "lower" not in line
    assert "engines.e has device: gpu, and the machine has no GPU" in line


def test_a_cluster_is_not_judged_by_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    check_before_start(_job({"kind": "vllm", "device": "gpu"}, ray_address="auto"))


def test_a_missing_prompt_is_named() -> None:
    with pytest.raises(UsageError, match=r"captions\.fine\.prompt: prompt embeded_fine\.v1 .*mean 'embedded_fine\.v1'"):
        check_before_start(_job(_CASCADE, prompt="embeded_fine.v1"))


def test_a_server_that_is_not_there_is_named(closed_port: int) -> None:
    with pytest.raises(
        EngineDeadError, match=f"engines.e: endpoint http://127.0.0.1:{closed_port}/v1 cannot be reached"
    ):
        check_before_start(_job(_endpoint(f"http://127.0.0.1:{closed_port}/v1")))


def _probed(url: str, prompt: str = "probe.v1") -> Job:
    content = _job(_CASCADE).model_dump(mode="json")
    content["engines"]["ears"] = _endpoint(url)
    content["verification"]["verifiers"].append({"kind": "probe", "engine": "ears", "prompt": prompt})
    return parse_job(content, "the test")


def test_a_server_that_tells_no_log_probabilities_is_no_probe(server: FaultyServer) -> None:
    choice: dict[str, Any] = {"index": 0, "finish_reason": "length", "message": {"content": "no"}}
    server.body = {"choices": [choice]}
    with pytest.raises(ModelError, match=r"engines\.ears: endpoint http.* tells no log probabilities of yes and no"):
        check_before_start(_probed(server.url))
    likely = [{"token": "no", "logprob": -0.1}, {"token": "yes", "logprob": -2.5}]
    choice["logprobs"] = {"content": [{"top_logprobs": likely}]}
    check_before_start(_probed(server.url))


def test_a_probe_needs_a_prompt_with_a_place_for_the_claim(server: FaultyServer) -> None:
    expected = r"verification\.verifiers\.1\.prompt: expected \{claim\} in the text of embedded_fine\.v1, found none"
    with pytest.raises(UsageError, match=expected):
        check_before_start(_probed(server.url, "embedded_fine.v1"))


def test_a_model_that_a_server_does_not_have_is_named(server: FaultyServer) -> None:
    with pytest.raises(ModelError, match="does not serve the model 'other'"):
        check_before_start(_job(_endpoint(server.url, "other")))


def test_a_server_that_is_silent_is_left_to_the_engine() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        begun_s = time.monotonic()
        check_before_start(_job(_endpoint(f"http://127.0.0.1:{silent.getsockname()[1]}/v1")))
        assert time.monotonic() - begun_s < 30


def test_a_model_in_the_cache_of_the_hub_needs_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = tmp_path / "models--owner--name" / "snapshots" / _COMMIT
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text("{}")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    check_before_start(_job({"kind": "vllm", "model": "owner/name", "revision": _COMMIT}))


@pytest.mark.parametrize("revision", [None, "main", "v1.0", "a2bd106"])
def test_a_model_of_the_hub_is_pinned_by_its_commit(revision: str | None) -> None:
    with pytest.raises(
        ModelError, match=r"engines\.e: model owner/name is no folder here, and of a model on the hub the commit"
    ):
        check_before_start(_job({"kind": "vllm", "model": "owner/name", "revision": revision}))


def test_a_model_that_can_be_had_nowhere_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ModelError, match="model owner/nothing is not in the cache of the hub"):
        check_before_start(_job({"kind": "vllm", "model": "owner/nothing", "revision": _COMMIT}))


def test_a_model_of_text_writes_no_captions(tmp_path: Path) -> None:
    for name in ("model.safetensors", "tokenizer.json"):
        (tmp_path / name).touch()
    (tmp_path / "config.json").write_text('{"architectures": ["LlamaForCausalLM"]}')
    with pytest.raises(ModelError, match=r"engines\.e: model folder .* holds a model of text"):
        check_before_start(_job({"kind": "vllm", "model": str(tmp_path)}))
