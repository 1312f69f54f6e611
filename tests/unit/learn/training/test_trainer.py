"""Training on tones: it learns, goes on exactly, names bad rows, and stops on broken numbers."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from fcaps_pipeline.errors import JobError, TrainingError, UsageError
from fcaps_pipeline.learn.data.training_hashes import read_training_hashes
from fcaps_pipeline.learn.dual_encoder.model import DualEncoder
from fcaps_pipeline.learn.training.metrics_log import read_log
from fcaps_pipeline.learn.training.trainer import train
from tests.unit.learn.training.tones import TINY_MODEL, NotingCallback, tone_data, tone_job, write_tones
from tests.unit.learn.training.written_runs import Annotate, MakeAudio, rewrite_shard, spoil_first_rows, with_events


class _Killed(Exception):  # noqa: N818 - not an error: it stands for a kill
    pass


class _Killer(NotingCallback):
    def __init__(self, step: int) -> None:
        super().__init__()
        self._step = step

    def on_step(self, step: int, loss: float) -> None:
        if step == self._step:
            raise _Killed
        super().on_step(step, loss)


@pytest.fixture
def runs(tmp_path: Path, make_audio: MakeAudio, annotate: Annotate) -> tuple[Path, Path]:
    return (
        write_tones(tmp_path / "train", make_audio, annotate, 60, "t"),
        write_tones(tmp_path / "dev", make_audio, annotate, 10, "dev"),
    )


def _weights(out: Path, name: str = "last") -> dict[str, Any]:
    weights: dict[str, Any] = load_file(out / name / "model.safetensors")
    return weights


def _same(first: dict[str, Any], second: dict[str, Any]) -> bool:
    return first.keys() == second.keys() and all(bool((first[name] == second[name]).all()) for name in first)


_EVERYTHING: dict[str, Any] = {
    "model": {
        **TINY_MODEL,
        "speech": {**TINY_MODEL["speech"], "dropout": 0.1},
        "frames": {"num_layers": 1, "num_heads": 2},
    },
    "captions": {"kind": "two_texts"},
    "objectives": {
        "info_nce": {},
        "sigmoid": {"weight": 0.5},
        "tags": {
            "wordings": {"deep": ["a deep tone"], "loud": ["a loud tone", "strong"]},
            "max_repeats": 3,
            "positive_weight_cap": 5,
        },
        "flips": {},
        "frames": {"phrases_per_row": 4},
    },
    "optimisation": {"steps": 9, "learning_rate": 1e-3, "ema_decay": 0.9, "chunk_rows": 5, "bf16": True},
    "dev": {"every_steps": 4},
}


def _add_events(run: Path) -> None:
    phrases = [[{"phrase": f"sound {row % 3}", "start_s": 0.0, "end_s": 0.1}] if row % 2 else [] for row in range(40)]
    for shard in (run / "data").glob("*.parquet"):
        rewrite_shard(shard, lambda table: with_events(phrases[: len(table)])(table), 20)


def test_a_killed_run_goes_on_in_the_middle_of_an_epoch_to_the_same_weights(
    runs: tuple[Path, Path], tmp_path: Path
) -> None:
    _add_events(runs[0])
    job = tone_job(*runs, **_EVERYTHING, checkpoints={"every_steps": 3, "keep": 1})
    whole, killed = NotingCallback(), _Killer(8)
    train(job, tmp_path / "whole", whole)
    with pytest.raises(_Killed):
        train(job, tmp_path / "killed", killed)
    resumed = NotingCallback()
    report = train(job, tmp_path / "killed", resumed)
    assert resumed.done == 6
    assert resumed.losses == whole.losses[6:]
    assert _same(_weights(tmp_path / "whole"), _weights(tmp_path / "killed"))
    assert _same(_weights(tmp_path / "whole", "best"), _weights(tmp_path / "killed", "best"))
    assert report is not None
    assert report.state.position.epoch > 0
    logs = [read_log(tmp_path / name / "log.jsonl") for name in ("whole", "killed")]
    assert [(one["event"], one["step"]) for one in logs[0]] == [(one["event"], one["step"]) for one in logs[1]]
    assert {"info_nce", "sigmoid", "tags", "flips", "frames"} <= logs[0][0].keys()
    steps = [one for one in logs[0] if one["event"] == "train"]
    assert all(0 < one["text_s"] < one["step_s"] for one in steps)
    assert f"{report.text_share:.1%} making texts ready" in (tmp_path / "killed" / "report.md").read_text()
    assert 0 < report.text_share < 1


def test_gradient_caching_changes_nothing(runs: tuple[Path, Path], tmp_path: Path) -> None:
    losses = []
    for name, chunk_rows in (("whole", None), ("parts", 3)):
        callback = NotingCallback()
        optimisation = {"steps": 4, "learning_rate": 1e-3, "chunk_rows": chunk_rows}
        train(tone_job(*runs, optimisation=optimisation), tmp_path / name, callback)
        losses.append(callback.losses)
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_epochs_are_counted_in_real_steps(runs: tuple[Path, Path], tmp_path: Path) -> None:
    job = tone_job(*runs, optimisation={"epochs": 2, "learning_rate": 1e-3})
    callback = NotingCallback()
    report = train(job, tmp_path / "run", callback)
    assert report is not None
    assert (report.state.position.epoch, report.state.position.step) == (2, 0)
    assert report.state.num_rows == 2 * 60
    again = NotingCallback()
    train(job, tmp_path / "run", again)
    assert (again.done, again.losses) == (callback.num_steps, [])


def test_bad_rows_are_named_counted_and_left_out(runs: tuple[Path, Path], tmp_path: Path) -> None:
    for run in runs:
        spoil_first_rows(run, 3)
    callback = NotingCallback()
    job = tone_job(*runs, optimisation={"epochs": 1, "learning_rate": 1e-3})
    report = train(job, tmp_path / "run", callback)
    assert report is not None
    assert (report.state.num_bad_rows, report.state.num_rows) == (3, 57)
    assert sorted(report.bad_rows) == sorted(segment_id for _, segment_id in callback.bad)
    assert sorted(split for split, _ in callback.bad) == ["dev"] * 3 + ["train"] * 3
    text = (tmp_path / "run" / "report.md").read_text()
    for _, segment_id in callback.bad:
        assert f"- {segment_id}: " in text
    assert "6 rows could not be used; they stood 3 times" in text


def test_an_epoch_of_bad_rows_ends_the_run(runs: tuple[Path, Path], tmp_path: Path) -> None:
    spoil_first_rows(runs[0], 60)
    with pytest.raises(TrainingError, match=r"no row of a whole epoch can be used.*log.jsonl names"):
        train(tone_job(*runs), tmp_path / "run", NotingCallback())


def test_a_broken_number_stops_with_step_and_segments(runs: tuple[Path, Path], tmp_path: Path) -> None:
    job = tone_job(*runs, optimisation={"steps": 20, "learning_rate": 1e30, "clip_gradient": None})
    with pytest.raises(TrainingError, match=r"at step \d+ is (nan|inf).* on Segments t\d+-c0.*lower the learning rate"):
        train(job, tmp_path / "run", NotingCallback())


def test_a_folder_belongs_to_one_job(runs: tuple[Path, Path], tmp_path: Path) -> None:
    train(tone_job(*runs, optimisation={"steps": 1}), tmp_path / "run", NotingCallback())
    faster = {"steps": 1, "learning_rate": 1.0}
    with pytest.raises(
        JobError, match=r"optimisation.learning_rate \(was 0.0001, is 1.0\), seed \(was 0, is 5\); undo"
    ):
        train(tone_job(*runs, optimisation=faster, seed=5), tmp_path / "run", NotingCallback())
    index = runs[0] / "index.json"
    index.write_text(json.dumps(json.loads(index.read_text()) | {"fcaps_version": "9"}))
    with pytest.raises(JobError, match=r"differs in data\.splits"):
        train(tone_job(*runs, optimisation={"steps": 1}), tmp_path / "run", NotingCallback())


def test_what_does_not_decide_the_result_may_change_and_the_log_tells(runs: tuple[Path, Path], tmp_path: Path) -> None:
    rate = {"learning_rate": 1e-3, "schedule": {"kind": "constant"}}
    whole, first, second = NotingCallback(), NotingCallback(), NotingCallback()
    train(tone_job(*runs, optimisation={"steps": 5, **rate}), tmp_path / "whole", whole)
    train(tone_job(*runs, optimisation={"steps": 2, **rate}), tmp_path / "run", first)
    moved = runs[0].rename(tmp_path / "moved"), runs[1]
    longer = tone_job(*moved, optimisation={"steps": 5, "chunk_rows": 3, **rate}, dev={"every_steps": 2})
    train(longer, tmp_path / "run", second)
    assert second.done == 2
    assert [*first.losses, *second.losses] == pytest.approx(whole.losses, rel=1e-4)
    (told,) = [entry for entry in read_log(tmp_path / "run" / "log.jsonl") if entry["event"] == "changed"]
    assert told["step"] == 2
    assert [change.partition(" ")[0] for change in told["changes"]] == [
        "data.splits.train",
        "dev.every_steps",
        "optimisation.chunk_rows",
        "optimisation.steps",
    ]
    with pytest.raises(JobError, match="has taken 5 steps, the job asks for 4"):
        train(tone_job(*moved, optimisation={"steps": 4, **rate}), tmp_path / "run", NotingCallback())


def test_frozen_weights_stay_and_thawed_ones_go_on_to_the_bit(runs: tuple[Path, Path], tmp_path: Path) -> None:
    groups = [{"match": "speech_tower", "frozen_steps": 4}, {"match": "text_tower", "frozen_steps": None}]
    job = tone_job(*runs, optimisation={"steps": 6, "groups": groups}, checkpoints={"every_steps": 1, "keep": 9})
    train(job, tmp_path / "whole", NotingCallback())
    with pytest.raises(_Killed):
        train(job, tmp_path / "killed", _Killer(4))
    train(job, tmp_path / "killed", NotingCallback())
    assert _same(_weights(tmp_path / "whole"), _weights(tmp_path / "killed"))
    first, third, last = (
        load_file(tmp_path / "whole" / "checkpoints" / f"step-{step:08d}" / "model" / "model.safetensors")
        for step in (1, 3, 6)
    )
    moved = [name.partition(".")[0] for name in third if not torch.equal(third[name], last[name])]
    assert {"speech_tower", "speech_projection", "text_projection"} <= set(moved)
    assert "text_tower" not in moved
    before = [name.partition(".")[0] for name in third if not torch.equal(first[name], third[name])]
    assert not {"speech_tower", "text_tower"} & set(before)


def test_a_folder_of_something_else_is_refused(runs: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="neither empty nor"):
        train(tone_job(*runs), runs[0], NotingCallback())


def test_a_stage_starts_from_the_best_of_the_one_before(runs: tuple[Path, Path], tmp_path: Path) -> None:
    train(tone_job(*runs, optimisation={"steps": 2}), tmp_path / "one", NotingCallback())
    job = tone_job(
        *runs, model=None, init_from=str(tmp_path / "one" / "best"), optimisation={"steps": 1, "learning_rate": 1e-12}
    )
    train(job, tmp_path / "two", NotingCallback())
    first, second = _weights(tmp_path / "one", "best"), _weights(tmp_path / "two")
    assert all(float((first[name] - second[name]).abs().max()) < 1e-9 for name in first)
    assert DualEncoder.from_pretrained(tmp_path / "two" / "best").config.embedding_size == 16
    training_hashes = read_training_hashes(tmp_path / "two" / "best")
    assert training_hashes is not None
    assert (training_hashes.whole, len(training_hashes.speaker_K)) == (True, 60)


def test_a_stage_is_not_measured_on_what_the_one_before_learnt(runs: tuple[Path, Path], tmp_path: Path) -> None:
    train(tone_job(*runs, optimisation={"steps": 1}), tmp_path / "one", NotingCallback())
    stage = {"model": None, "init_from": str(tmp_path / "one" / "best"), "optimisation": {"steps": 1}}
    swapped = tone_job(*reversed(runs), **stage)
    with pytest.raises(UsageError, match=r"speaker t\d+ stands in dev .* was trained on it, as on 59 more"):
        train(swapped, tmp_path / "two", NotingCallback())
    (tmp_path / "one" / "best" / "training_hashes.safetensors").unlink()
    report = train(swapped, tmp_path / "two", NotingCallback())
    assert report is not None
    assert not report.facts.all_stages_known
    assert "not checked: whether an earlier stage" in (tmp_path / "two" / "report.md").read_text()


def test_a_run_that_goes_on_mends_links_and_sweeps_up_after_a_kill(runs: tuple[Path, Path], tmp_path: Path) -> None:
    job, out = tone_job(*runs, optimisation={"steps": 1}), tmp_path / "run"
    train(job, out, NotingCallback())
    for name in ("last", "best"):
        (out / name).unlink()
        (out / name).symlink_to("checkpoints/step-00000000/model")
    (out / "checkpoints" / ".writing-step-00000002" / "model").mkdir(parents=True)
    train(job, out, NotingCallback())
    assert [path.name for path in (out / "checkpoints").iterdir()] == ["step-00000001"]
    assert _same(_weights(out, "last"), _weights(out, "best"))


def test_short_rows_are_left_out_and_counted_in_the_report(runs: tuple[Path, Path], tmp_path: Path) -> None:
    job = tone_job(*runs, data=tone_data(*runs, min_s=0.4), optimisation={"epochs": 1, "learning_rate": 1e-3})
    report = train(job, tmp_path / "run", NotingCallback())
    assert report is not None
    assert 0 < report.facts.num_short["train"] == 60 - report.state.num_rows
    count = report.facts.num_short["dev"]
    assert f"- rows of dev left out because they are short: {count}\n" in (tmp_path / "run" / "report.md").read_text()
