"""Training jobs: what is accepted, and the one line each mistake gives."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fcaps_pipeline.errors import JobError
from fcaps_pipeline.jobs.job_file import JobText, validate_job
from fcaps_pipeline.jobs.resources import shipped_folder
from fcaps_pipeline.learn.training.job import TrainJob, load_train_job
from fcaps_pipeline.records.captions import Granularity


def _content(**changes: Any) -> dict[str, Any]:
    content: dict[str, Any] = {
        "data": {"splits": {"kind": "share", "runs": ["runs/demo"]}},
        "model": {},
        "objectives": {"info_nce": {}},
        "optimisation": {"steps": 10},
    }
    return {name: value for name, value in (content | changes).items() if value is not ...}


@pytest.mark.parametrize("path", sorted(shipped_folder("jobs").glob("train_*.yaml")), ids=lambda path: path.stem)
def test_shipped_jobs_are_valid(path: Path) -> None:
    assert load_train_job(path).objectives


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"stage": 2}, "stage: unknown key"),
        ({"data": ...}, "data: missing"),
        ({"model": ...}, "give either model"),
        ({"init_from": "runs/a/best"}, "give either model"),
        ({"objectives": {}}, "name info_nce or sigmoid"),
        ({"objectives": {"info_nce": {}, "frames": {}}}, "objectives.frames needs model.frames"),
        ({"objectives": {"info_nce": {}, "tags": {"wordings": {"deep": ["deep"]}}}}, "wordings"),
        ({"objectives": {"info_nce": {}, "flips": {"weight": 0, "in_batch": False}}}, "leave flips out"),
        ({"optimisation": {}}, "give either steps or epochs"),
        ({"optimisation": {"steps": 3, "epochs": 1}}, "give either steps or epochs"),
        ({"optimisation": {"steps": 10, "warmup_steps": 10}}, "warmup_steps 10 must be below steps 10"),
        ({"captions": {"kind": "one_each", "granularities": ["fine", "fine"]}}, "names one twice"),
        ({"captions": {"kind": "two_texts", "first_weight": 1.0}}, "first_weight"),
        ({"data": {"splits": {"runs": ["a"], "dev_share": 0.6, "test_share": 0.5, "kind": "share"}}}, "leave nothing"),
        ({"data": {"splits": {"kind": "runs", "train": ["a"], "dev": []}}}, "dev"),
        ({"device": "tpu"}, "found 'tpu'"),
    ],
)
def test_a_mistake_is_named_in_one_line(changes: dict[str, Any], expected: str) -> None:
    with pytest.raises(JobError) as raised:
        validate_job(TrainJob, JobText("job.yaml", _content(**changes), {}))
    assert expected in str(raised.value)
    assert "\n" not in str(raised.value)


def test_overrides_replace_single_keys(tmp_path: Path) -> None:
    path = tmp_path / "job.yaml"
    path.write_text(
        "{data: {splits: {kind: share, runs: [a]}}, model: {}, objectives: {sigmoid: {}}, optimisation: {}}"
    )
    job = load_train_job(path, ["optimisation.epochs=2", "data.batch_s=40"])
    assert (job.optimisation.epochs, job.data.batch_s) == (2, 40.0)


def test_where_it_runs_is_not_what_it_is() -> None:
    job = TrainJob.model_validate(_content())
    moved = TrainJob.model_validate(
        _content(device="cpu", checkpoints={"keep": 9}, data={**_content()["data"], "num_workers": 0})
    )
    other = TrainJob.model_validate(_content(seed=1))
    assert job.content() == moved.content() != other.content()


def test_captions_say_what_rows_need_and_dev_measures() -> None:
    one, two = (TrainJob.model_validate(_content(captions={"kind": kind})) for kind in ("one_each", "two_texts"))
    assert one.granularities == {Granularity.FINE}
    assert one.dev_granularities == (Granularity.FINE,)
    assert not two.granularities
    assert set(two.dev_granularities) == set(Granularity)


def test_reading_a_job_imports_no_torch() -> None:
    code = "import sys, fcaps_pipeline.learn.training.job; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
