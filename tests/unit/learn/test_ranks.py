"""Two gloo ranks train as one process does with the same global batches."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from fcaps_pipeline.errors import ResourceError
from fcaps_pipeline.learn.ranks import process_group, wait_for_all
from fcaps_pipeline.learn.training.checkpoint import read_state, require_sound
from fcaps_pipeline.learn.training.job import TrainJob
from fcaps_pipeline.learn.training.metrics_log import read_log
from fcaps_pipeline.learn.training.trainer import train
from tests.unit.learn.training.tones import TINY_MODEL, NotingCallback, tone_data, tone_job, write_tones
from tests.unit.learn.training.written_runs import Annotate, MakeAudio, rewrite_shard, with_events

_WORKER = """
import sys
from pathlib import Path
from fcaps_pipeline.learn.training.job import TrainJob
from fcaps_pipeline.cli.console import messages
from fcaps_pipeline.cli.train import TrainingBar
from fcaps_pipeline.learn.training.trainer import train
job = TrainJob.model_validate_json(Path(sys.argv[1]).read_text())
report = train(job, Path(sys.argv[2]), TrainingBar(messages))
print(report is None)
"""


@pytest.fixture
def job(tmp_path: Path, make_audio: MakeAudio, annotate: Annotate) -> TrainJob:
    runs = (
        write_tones(tmp_path / "train", make_audio, annotate, 41, "t"),
        write_tones(tmp_path / "dev", make_audio, annotate, 7, "dev"),
    )
    sounds = [[{"phrase": f"sound {row % 3}", "start_s": 0.05, "end_s": 0.15}] if row % 3 else [] for row in range(40)]
    for shard in (runs[0] / "data").glob("*.parquet"):
        rewrite_shard(shard, lambda table: with_events(sounds[: len(table)])(table), 20)
    return tone_job(
        *runs,
        data=tone_data(*runs, batch_s=6.0),
        model={
            **TINY_MODEL,
            "text": {**TINY_MODEL["text"], "max_tokens": 8},
            "frames": {"num_layers": 1, "num_heads": 2, "dropout": 0.0},
        },
        captions={"kind": "two_texts", "first_share": 0.0, "last_share": 1.0},
        objectives={
            "info_nce": {},
            "sigmoid": {},
            "tags": {"wordings": {"deep": ["a deep tone"], "loud": ["a loud tone", "strong"]}},
            "flips": {},
            "frames": {},
        },
        optimisation={"steps": 6, "learning_rate": 1e-3, "chunk_rows": 4, "ema_decay": 0.9},
        dev={"every_steps": 3},
    )


@pytest.mark.parametrize("shard", [False, True], ids=["copies", "shares"])
def test_two_ranks_have_the_losses_and_weights_of_one(job: TrainJob, tmp_path: Path, *, shard: bool) -> None:
    train(job, tmp_path / "one", NotingCallback())
    optimisation = job.optimisation.model_copy(update={"shard": shard})
    (tmp_path / "job.json").write_text(job.model_copy(update={"optimisation": optimisation}).model_dump_json())
    assert sorted(_run_ranks(tmp_path / "job.json", tmp_path / "two", 2)) == ["False", "True"]
    one, two = (read_log(tmp_path / name / "log.jsonl") for name in ("one", "two"))
    assert [entry["event"] for entry in one] == [entry["event"] for entry in two]
    for mine, theirs in zip(one, two, strict=True):
        assert _figures(mine) == pytest.approx(_figures(theirs), rel=2e-3)
    counts = [_counts(tmp_path / name) for name in ("one", "two")]
    assert counts[0] == counts[1]
    assert min(counts[0]) > 0
    require_sound(max((tmp_path / "two" / "checkpoints").glob("step-*")))
    first, second = (load_file(tmp_path / name / "last" / "model.safetensors") for name in ("one", "two"))
    for name, weight in first.items():
        torch.testing.assert_close(second[name], weight, rtol=0, atol=3e-4)


def test_one_process_is_the_first_of_one() -> None:
    with process_group("cpu") as context:
        assert (context.rank, context.world_size, context.is_main, context.device.type) == (0, 1, True, "cpu")
        wait_for_all()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_missing_gpu_is_one_clear_line() -> None:
    with pytest.raises(ResourceError, match="torch sees no GPU; set device to cpu"), process_group("cuda"):
        pass


def _figures(entry: dict[str, Any]) -> dict[str, float]:
    return {name: value for name, value in entry.items() if name not in {"event", "step_s", "wait_s", "text_s"}}


def _counts(run: Path) -> tuple[int, int]:
    state = read_state(max((run / "checkpoints").glob("step-*")))
    return state.num_truncated, state.num_substituted


def test_a_rank_that_dies_is_one_clear_line_of_the_others(job: TrainJob, tmp_path: Path) -> None:
    long = job.optimisation.model_copy(update={"steps": 5000})
    often = job.checkpoints.model_copy(update={"every_steps": 2})
    (tmp_path / "job.json").write_text(
        job.model_copy(update={"optimisation": long, "checkpoints": often}).model_dump_json()
    )
    first, second = _start_ranks(tmp_path / "job.json", tmp_path / "two", 2)
    deadline_s = time.monotonic() + 100
    while not (tmp_path / "two" / "last").exists() and first.poll() is None and time.monotonic() < deadline_s:
        time.sleep(0.05)
    second.kill()
    second.communicate()
    errors = first.communicate(timeout=100)[1]
    assert first.returncode == 1
    assert "TrainingError: another rank has ended or cannot be reached" in errors.splitlines()[-1]
    require_sound(max((tmp_path / "two" / "checkpoints").glob("step-*")))


def _run_ranks(job: Path, out: Path, num_ranks: int) -> list[str]:
    workers = _start_ranks(job, out, num_ranks)
    outputs = [worker.communicate(timeout=120) for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * num_ranks, [errors for _, errors in outputs]
    return [output.strip() for output, _ in outputs]


def _start_ranks(job: Path, out: Path, num_ranks: int) -> "list[subprocess.Popen[str]]":
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    shared = {"WORLD_SIZE": str(num_ranks), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "error", "-c", _WORKER, str(job), str(out)]
    return [
        subprocess.Popen(
            command,
            env={**os.environ, **shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(num_ranks)
    ]
