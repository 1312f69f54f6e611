"""`fcaps train` on shards of tones with captions that say how they sound."""

import ast
import io
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow.parquet as pq
import pytest
import torch
import yaml
from safetensors.torch import load_file

from fcaps_pipeline.audio.flac import decode_flac
from fcaps_pipeline.errors import RecordingError
from fcaps_pipeline.learn.data.value_ranges import value_ranges
from fcaps_pipeline.learn.dual_encoder.model import DualEncoder
from fcaps_pipeline.learn.training.metrics_log import read_log
from tests.conftest import Typed
from tests.integration.conftest import FCAPS, Fcaps
from tests.unit.learn.training.tones import PITCHES, TEXTS, TINY_MODEL, tone_data, write_tones
from tests.unit.learn.training.written_runs import Annotate, MakeAudio, spoil_first_rows

ROOT = Path(__file__).resolve().parents[2]
_NUM_STEPS = 120
_SMALL = {"width": 32, "num_layers": 1, "num_heads": 2}

WriteJob = Callable[..., Path]


@pytest.fixture
def runs(tmp_path: Path, make_audio: MakeAudio, annotate: Annotate) -> dict[str, Path]:
    return {
        name: write_tones(tmp_path / name, make_audio, annotate, num_rows, name)
        for name, num_rows in (("train", 100), ("dev", 30), ("test", 10))
    }


@pytest.fixture
def write_job(runs: dict[str, Path], tmp_path: Path) -> WriteJob:
    def write(**changes: Any) -> Path:
        data = tone_data(runs["train"], runs["dev"], num_workers=1)
        data["splits"]["test"] = [str(runs["test"])]
        content = {
            "data": data,
            "model": {
                "speech": {"kind": "mel", "num_mel_bins": 40, **_SMALL},
                "text": {"kind": "small", "vocabulary_size": 320, **_SMALL},
                "embedding_size": 32,
            },
            "captions": {"kind": "two_texts"},
            "objectives": {"info_nce": {}},
            "optimisation": {"steps": _NUM_STEPS, "learning_rate": 3e-3, "warmup_steps": 10, "ema_decay": 0.9},
            "dev": {"every_steps": 40},
            "checkpoints": {"every_steps": 20},
            "device": "cpu",
            **changes,
        }
        path = tmp_path / "job.yaml"
        path.write_text(yaml.safe_dump(content))
        return path

    return write


def test_a_run_that_is_killed_and_resumed_learns_to_tell_the_tones_apart(
    fcaps: Fcaps, write_job: WriteJob, runs: dict[str, Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    _spoil_sound(runs["test"])
    _kill_after_checkpoint(write_job(), out)
    done = fcaps("train", write_job(), "--out", out)
    assert done.returncode == 0, done.stderr
    assert "going on after step" in done.stderr
    assert "recall_at_1" in done.stdout
    entries = read_log(out / "log.jsonl")
    steps = [entry for entry in entries if entry["event"] == "train"]
    assert [entry["step"] for entry in steps] == list(range(1, _NUM_STEPS + 1))
    assert steps[-1]["loss"] < 0.6 * steps[0]["loss"]
    best = max(entry["mean_recall_at_1"] for entry in entries if entry["event"] == "dev")
    assert best > 6 / len(TEXTS)
    assert {path.name for path in out.iterdir()} >= {"report.md", "loss.png", "dev.png", "best", "last", "tensorboard"}
    assert "test: 10 rows" in (out / "report.md").read_text()
    model = DualEncoder.from_pretrained(out / "best")
    assert model.encode_text([f"A loud tone starts and stays {pitch}." for pitch in PITCHES]).shape == (5, 32)


def _spoil_sound(run: Path) -> None:
    """Whoever hears a row from now on fails: training knows of its test split only who speaks in it."""
    for shard in (run / "data").glob("*.parquet"):
        content = bytearray(shard.read_bytes())
        metadata = pq.ParquetFile(shard).metadata
        for group in range(metadata.num_row_groups):
            ranges = value_ranges(io.BytesIO(content), metadata, group, "audio.bytes", shard.name)
            for start, size in zip(ranges.offset_N.tolist(), ranges.num_bytes_N.tolist(), strict=True):
                content[start : start + size] = b"\xff" * size
        shard.write_bytes(content)
        for sound in pq.read_table(shard, columns=["audio"])["audio"].to_pylist():
            with pytest.raises(RecordingError):
                decode_flac(sound["bytes"])


def test_the_readme_uses_the_model_that_the_demo_training_leaves(
    typed: Typed, runs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    splits = f"data.splits={{kind: runs, train: [{runs['train']}], dev: [{runs['dev']}]}}"
    settings = (splits, "data.num_workers=0", "optimisation.steps=2", "optimisation.warmup_steps=1")
    overrides = [part for one in settings for part in ("--set", one)]
    monkeypatch.chdir(tmp_path)
    code, _, messages = typed("train", ROOT / "jobs" / "train_demo_cpu.yaml", *overrides)
    assert code == 0, messages
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.S)
    (snippet,) = [block for block in blocks if "DualEncoder" in block]
    *statements, last = ast.parse(snippet).body
    assert isinstance(last, ast.Expr)
    names = {"samples": np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32)}
    exec(compile(ast.Module(statements, []), "README.md", "exec"), names)  # noqa: S102 - the text of this repository
    similarity = eval(compile(ast.Expression(last.value), "README.md", "eval"), names)  # noqa: S307
    assert similarity.shape == (1, 1)
    assert np.isfinite(similarity.item())


def test_the_same_seed_gives_the_same_weights_with_and_without_workers(
    fcaps: Fcaps, write_job: WriteJob, tmp_path: Path
) -> None:
    job = write_job(optimisation={"steps": 3, "learning_rate": 1e-3})
    for name, num_workers in (("a", 0), ("b", 2)):
        done = fcaps("train", job, "--out", tmp_path / name, "--set", f"data.num_workers={num_workers}")
        assert done.returncode == 0, done.stderr
    first, second = (load_file(tmp_path / name / "last" / "model.safetensors") for name in ("a", "b"))
    assert all(bool((weight == second[name]).all()) for name, weight in first.items())


def test_an_interrupted_run_can_go_on(write_job: WriteJob, tmp_path: Path) -> None:
    out = tmp_path / "out"
    job = write_job(model=TINY_MODEL, optimisation={"steps": 5000}, checkpoints={"every_steps": 5})
    command = [*FCAPS, "train", str(job), "--out", str(out)]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, preexec_fn=_hear_interrupts
    ) as process:
        _wait_for_checkpoint(process, out)
        started = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        messages = process.communicate(timeout=120)[1]
    assert process.returncode == 130, messages
    assert "the same command goes on" in messages.replace("\n", " ")
    assert psutil.wait_procs(started, timeout=60)[1] == [], "loader workers outlived the interrupted run"
    assert DualEncoder.from_pretrained(out / "last").config.embedding_size == 16
    assert [entry["step"] for entry in read_log(out / "log.jsonl") if entry["event"] == "train"][:2] == [1, 2]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's compiler warns of torch's own parts
def test_compiled_towers_learn_as_plain_ones_do(
    typed: Typed, write_job: WriteJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Up to the graphs that torch makes of the towers; the C++ that it makes of those takes a minute and is its own."""
    compile_module = torch.nn.Module.compile
    monkeypatch.setattr(torch.nn.Module, "compile", lambda *of, **how: compile_module(*of, backend="aot_eager", **how))
    job = write_job(model=TINY_MODEL, optimisation={"steps": 3, "learning_rate": 1e-3})
    for name, is_compiled in (("plain", "false"), ("compiled", "true")):
        settings = ("--set", "data.num_workers=0", "--set", f"optimisation.compile={is_compiled}")
        code, _, messages = typed("train", job, "--out", tmp_path / name, *settings)
        assert code == 0, messages
    assert len(_losses(tmp_path / "plain")) == 3
    assert _losses(tmp_path / "compiled") == pytest.approx(_losses(tmp_path / "plain"), rel=1e-4)
    assert DualEncoder.from_pretrained(tmp_path / "compiled" / "best").encode_text(["A tone."]).shape == (1, 16)


@pytest.mark.parametrize(
    ("code", "words", "overrides"),
    [
        (2, ["model.speech.name: missing"], ["model.speech={kind: pretrained}"]),
        (2, ["/towers/none"], ["model.speech={kind: pretrained, name: /towers/none}"]),
        (2, ["none does not exist; give one that `fcaps train` wrote"], ["model=", "init_from=none"]),
        (2, ["longer than the 4 tokens"], ["model.text.max_tokens=4", "model.long_texts=refuse"]),
        (2, ["split dev is empty", "change shares"], ["data.splits={kind: share, runs: [train], dev_share: 1.0e-9}"]),
        (2, ["stands in train and in dev (Segment train"], ["data.splits={kind: runs, train: [train], dev: [train2]}"]),
        (2, ["runs/none does not exist"], ["data.splits={kind: runs, train: [runs/none], dev: [dev]}"]),
        (2, ["min_rows", "batch_s"], ["data.min_rows=90"]),
        (1, ["at step", "on Segments train", "init_from"], ["optimisation.learning_rate=1.0e+30"]),
    ],
    ids=lambda value: value[0][:30] if isinstance(value, list) else str(value),
)
def test_bad_input_is_one_line_with_the_next_step(
    refused: Callable[..., str], runs: dict[str, Path], code: int, words: list[str], overrides: list[str]
) -> None:
    shutil.copytree(runs["train"], runs["train"].with_name("train2"))
    message = refused(code, *overrides)
    assert all(word in message for word in words), message


def test_a_run_with_bad_rows_is_finished_but_not_whole(
    typed: Typed, write_job: WriteJob, runs: dict[str, Path], tmp_path: Path
) -> None:
    spoil_first_rows(runs["train"], 2)
    job = write_job(optimisation={"epochs": 2, "learning_rate": 1e-3})
    for expected in ("bad row in train", "nothing to do"):
        code, printed, messages = typed("train", job, "--out", tmp_path / "out", "--set", "data.num_workers=0")
        assert (code, expected in messages) == (3, True), messages
        assert "bad rows: 2, standing 4 times in a training batch" in printed
    assert "2 rows could not be used" in (tmp_path / "out" / "report.md").read_text()


def test_damaged_runs_are_one_line_with_the_next_step(refused: Callable[..., str], runs: dict[str, Path]) -> None:
    index = runs["dev"] / "index.json"
    whole = index.read_text()
    index.unlink()
    assert "has no index.json: the run is not finished" in refused(1)
    index.write_text(json.dumps(json.loads(whole) | {"schema_versions": {"data": 99}}))
    assert "schema version 99" in refused(1)
    index.write_text(whole)
    shard = next((runs["train"] / "data").glob("*.parquet"))
    content = shard.read_bytes()
    start = pq.ParquetFile(shard).metadata.row_group(0).column(0).data_page_offset
    shard.write_bytes(content[:start] + bytes(50) + content[start + 50 :])
    message = refused(1)
    assert "row group 0 cannot be read" in message
    assert "fcaps verify" in message


@pytest.fixture
def refused(typed: Typed, write_job: WriteJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Runs the command line on a wrong job and returns its one line."""

    def run(code: int, *overrides: str) -> str:
        settings = [part for one in ("data.num_workers=0", *overrides) for part in ("--set", one)]
        out = tmp_path / "refused"
        monkeypatch.chdir(tmp_path)
        found, _, messages = typed("train", write_job(), "--out", out, *settings)
        errors = [line for line in messages.splitlines() if "error: " in line]
        assert (found, len(errors)) == (code, 1), errors
        return errors[0]

    return run


def _losses(run: Path) -> list[float]:
    return [entry["loss"] for entry in read_log(run / "log.jsonl") if entry["event"] == "train"]


def _hear_interrupts() -> None:
    """Where the tests run in the background, interrupts are ignored, and children inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _wait_for_checkpoint(process: "subprocess.Popen[Any]", out: Path) -> None:
    deadline_s = time.monotonic() + 180
    while not (out / "last").exists() and process.poll() is None and time.monotonic() < deadline_s:
        time.sleep(0.05)
    assert process.poll() is None, "the run ended before it could be stopped"


def _kill_after_checkpoint(job: Path, out: Path) -> None:
    command = [*FCAPS, "train", str(job), "--out", str(out)]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=dict(os.environ)
    ) as process:
        _wait_for_checkpoint(process, out)
        workers = psutil.Process(process.pid).children(recursive=True)
        assert workers
        process.kill()
    assert psutil.wait_procs(workers, timeout=60)[1] == [], "loader workers outlived the killed run"
