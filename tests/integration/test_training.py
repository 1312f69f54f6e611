"""`fcaps train` on shards of tones with captions that say how they sound."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq
import pytest
import yaml
from safetensors.torch import load_file

from fcaps_pipeline.cli.main import main
from fcaps_pipeline.dual_encoder.model import DualEncoder
from fcaps_pipeline.training.log import read_log
from tests.integration.conftest import FCAPS, Fcaps
from tests.unit.training.tones import PITCHES, TEXTS, tone_data, write_tones
from tests.unit.training.written_runs import Annotate, MakeAudio

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
    for shard in (runs["test"] / "data").glob("*.parquet"):
        shard.chmod(0o400)
    before_ns = [shard.stat().st_mtime_ns for shard in (runs["test"] / "data").glob("*.parquet")]
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
    assert [shard.stat().st_mtime_ns for shard in (runs["test"] / "data").glob("*.parquet")] == before_ns
    model = DualEncoder.from_pretrained(out / "best")
    assert model.encode_text([f"A loud tone starts and stays {pitch}." for pitch in PITCHES]).shape == (5, 32)


def test_the_same_seed_gives_the_same_weights_with_and_without_workers(
    fcaps: Fcaps, write_job: WriteJob, tmp_path: Path
) -> None:
    job = write_job(optimisation={"steps": 3, "learning_rate": 1e-3})
    for name, num_workers in (("a", 0), ("b", 2)):
        done = fcaps("train", job, "--out", tmp_path / name, "--set", f"data.num_workers={num_workers}")
        assert done.returncode == 0, done.stderr
    first, second = (load_file(tmp_path / name / "last" / "model.safetensors") for name in ("a", "b"))
    assert all(bool((weight == second[name]).all()) for name, weight in first.items())


@pytest.mark.parametrize(
    ("code", "words", "overrides"),
    [
        (2, ["model.speech.pretrained.name: missing"], ["model.speech={kind: pretrained}"]),
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


def test_damaged_runs_are_one_line_with_the_next_step(refused: Callable[..., str], runs: dict[str, Path]) -> None:
    index = runs["dev"] / "index.json"
    whole = index.read_text()
    index.unlink()
    assert "has no index.json: the run is not finished" in refused(1)
    index.write_text(json.dumps(json.loads(whole) | {"schema_version": 99}))
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
def refused(
    write_job: WriteJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """Runs the command line on a wrong job and returns its one line."""

    def run(code: int, *overrides: str) -> str:
        settings = [part for one in ("data.num_workers=0", *overrides) for part in ("--set", one)]
        out = tmp_path / f"refused-{time.monotonic_ns()}"
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["fcaps", "train", str(write_job()), "--out", str(out), *settings])
        with pytest.raises(SystemExit) as stopped:
            main()
        errors = [line for line in capsys.readouterr().err.splitlines() if "error: " in line]
        assert (stopped.value.code, len(errors)) == (code, 1), errors
        return errors[0]

    return run


def _kill_after_checkpoint(job: Path, out: Path) -> None:
    command = [*FCAPS, "train", str(job), "--out", str(out)]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=dict(os.environ)
    ) as process:
        deadline_s = time.monotonic() + 120
        while not (out / "last").exists() and process.poll() is None and time.monotonic() < deadline_s:
            time.sleep(0.05)
        assert process.poll() is None, "the run ended before it could be killed"
        workers = psutil.Process(process.pid).children(recursive=True)
        assert workers
        process.kill()
    assert psutil.wait_procs(workers, timeout=60)[1] == [], "loader workers outlived the killed run"
