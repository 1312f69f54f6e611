"""The recipes of the papers, each trained at toy size: towers, data and length are replaced, all else is as shipped."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from fcaps_pipeline.jobs.resources import shipped_folder
from fcaps_pipeline.learn.training.job import TrainJob, load_train_job
from fcaps_pipeline.learn.training.metrics_log import read_log
from fcaps_pipeline.learn.training.trainer import train
from tests.unit.learn.training.tones import TINY_MODEL, NotingCallback, tone_data, write_tones
from tests.unit.learn.training.written_runs import Annotate, MakeAudio, rewrite_shard, with_events

_JOBS = sorted(path for path in shipped_folder("jobs").glob("train_*.yaml") if "demo" not in path.name)
_TOYS: dict[str, Any] = {"speech": TINY_MODEL["speech"], "text": TINY_MODEL["text"], "embedding_size": 16}


@pytest.fixture
def runs(tmp_path: Path, make_audio: MakeAudio, annotate: Annotate) -> tuple[Path, Path]:
    sizes = (("train", 20), ("dev", 6))
    train, dev = (write_tones(tmp_path / name, make_audio, annotate, rows, name) for name, rows in sizes)
    events = [[{"phrase": f"sound {row % 3}", "start_s": 0.0, "end_s": 0.1}] if row % 2 else [] for row in range(40)]
    for shard in (train / "data").glob("*.parquet"):
        rewrite_shard(shard, lambda table: with_events(events[: len(table)])(table), 20)
    return train, dev


def _toy(path: Path, runs: tuple[Path, Path]) -> TrainJob:
    job = load_train_job(path)
    model = {**(job.model.model_dump(mode="json") if job.model else {}), **_TOYS}
    if model.get("frames"):
        model["frames"]["num_heads"] = 2
    changes: dict[str, Any] = {
        "data": tone_data(*runs),
        "model": model,
        "init_from": None,
        "optimisation.epochs": None,
        "optimisation.steps": 2,
        "optimisation.warmup_steps": 1,
        "device": "cpu",
    }
    if job.objectives.tags:
        changes["objectives.tags.wordings"] = {"deep": ["a deep tone"], "loud": ["a loud tone", "strong"]}
    return load_train_job(
        path, [f"{key}={yaml.safe_dump(value, default_flow_style=True)}" for key, value in changes.items()]
    )


@pytest.mark.parametrize("path", _JOBS, ids=lambda path: path.stem)
def test_a_published_recipe_trains(path: Path, runs: tuple[Path, Path], tmp_path: Path) -> None:
    job = _toy(path, runs)
    report = train(job, tmp_path / "run", NotingCallback())
    assert report is not None
    assert report.state.step == 2
    first = read_log(tmp_path / "run" / "log.jsonl")[0]
    named = {name for name in ("info_nce", "sigmoid", "tags", "flips", "frames") if getattr(job.objectives, name)}
    assert named <= first.keys()
    assert 0 <= first["ignored_share"] < 1


def test_there_are_the_recipes_of_three_papers() -> None:
    assert [path.stem for path in _JOBS] == [
        "train_clsp_stage1_8xh100",
        "train_clsp_stage2_8xh100",
        "train_clsp_stage3_8xh100",
        "train_finelap_speech_4xh100",
        "train_paraspeechclap_intrinsic_4xh100",
    ]


@pytest.mark.parametrize("path", _JOBS, ids=lambda path: path.stem)
def test_each_key_of_a_recipe_has_its_source(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    unsourced = [
        line
        for line in text.splitlines()
        if ": " in line and not line.startswith("#") and "#" not in line and not line.startswith("      ")
    ]
    assert [line.split(":")[0].strip() for line in unsourced if "runs" not in line and "kind" not in line] == []
    assert "Differs from the" in text
