"""A whole job: what stands in the folder afterwards, and what is refused before anything is measured."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from fcaps_pipeline.errors import (
    CorruptRunError,
    FcapsError,
    JobError,
    ModelError,
    OutputError,
    SourceError,
    UsageError,
)
from fcaps_pipeline.jobs.resources import shipped_folder
from fcaps_pipeline.learn.evaluation.evaluate import evaluate
from fcaps_pipeline.learn.evaluation.job import EvaluateJob, load_evaluate_job
from fcaps_pipeline.learn.evaluation.outcomes import EvaluationReport
from fcaps_pipeline.shards.layout import RunLayout
from tests.unit.learn.training.measured import Notes, tiny_model, with_column, write_tone
from tests.unit.learn.training.written_runs import Annotate, MakeAudio, RunWriter, corpus, rewrite_shard


@pytest.fixture
def content(make_audio: MakeAudio, annotate: Annotate, tmp_path: Path) -> dict[str, Any]:
    """A job with everything it needs, as YAML would give it."""
    run = RunWriter(make_audio, annotate).write(tmp_path / "run", corpus(9), unit_rows=9)
    captions = [[f"A voice of kind {index}."] for index in range(9)]
    shard = next((run / "data").glob("*.parquet"))
    rewrite_shard(shard, lambda table: with_column(table, "fine_captions", captions), 4)
    tiny_model().save_pretrained(tmp_path / "model")
    for number in range(4):
        write_tone(tmp_path / f"speech/03-01-0{1 + number}-01-01-01-01.wav", 100 + 50 * number, 0.3)
    lines = [f"03-01-0{1 + n}-01-01-01-01.wav,A voice {n % 2}.,{n}" for n in range(4)]
    (tmp_path / "ratings.csv").write_text("\n".join(["clip,caption,rating", *lines]))
    return {
        "model": str(tmp_path / "model"),
        "device": "cpu",
        "num_workers": 0,
        "tasks": {
            "release": {"kind": "retrieval", "splits": {"kind": "whole", "runs": [str(run)]}},
            "acted": {"kind": "zero_shot", "corpus": "ravdess", "folder": str(tmp_path / "speech")},
            "rated": {
                "kind": "similarity",
                "ratings": str(tmp_path / "ratings.csv"),
                "folder": str(tmp_path / "speech"),
            },
        },
    }


def _job(content: dict[str, Any], **changes: Any) -> EvaluateJob:
    return EvaluateJob.model_validate(content | changes)


def _task(content: dict[str, Any], name: str, **changes: Any) -> EvaluateJob:
    """The job with this task alone, changed."""
    return _job(content, tasks={name: content["tasks"][name] | changes})


def test_a_job_leaves_metrics_report_and_pictures(content: dict[str, Any], tmp_path: Path) -> None:
    out = tmp_path / "out"
    report = evaluate(_job(content), out, Notes())
    assert EvaluationReport.model_validate_json((out / "metrics.json").read_bytes()) == report
    assert {path.name for path in out.iterdir()} == {
        "metrics.json",
        "report.md",
        "queries-release.parquet",
        "queries-acted.parquet",
        "queries-rated.parquet",
        "confusion-acted-ravdess-8.png",
        "confusion-acted-ravdess-gender.png",
    }
    figure = json.loads((out / "metrics.json").read_text())["outcomes"]["rated"]["scores"]["pearson"]
    assert set(figure) == {"value", "low", "high", "num_items"}
    text = (out / "report.md").read_text()
    assert "## release: retrieval" in text
    assert "| fine, speech to text | 9 |" in text
    assert "![confusion-acted-ravdess-8.png](confusion-acted-ravdess-8.png)" in text
    assert (
        "not compared with CLSP global speech to text (R@1, R@5, R@10, mAP@10), CLSP global text to speech (R@1, "
        in text
    )
    assert "- not compared with CLSP (WA, UA): clips: 1440 there, 4 here" in text
    assert "9 clips measured, 0 left out" in text
    assert report.num_bad_items == 0


def test_the_same_job_gives_the_same_figures_and_another_one_is_refused(
    content: dict[str, Any], tmp_path: Path
) -> None:
    first = evaluate(_task(content, "release"), tmp_path / "out", Notes())
    assert evaluate(_task(content, "release"), tmp_path / "out", Notes()) == first
    together = evaluate(_job(content), tmp_path / "together", Notes())
    assert together.outcomes["release"] == first.outcomes["release"]
    with pytest.raises(JobError, match="another job"):
        evaluate(_job(content), tmp_path / "out", Notes())
    with pytest.raises(UsageError, match="neither empty nor the folder of an evaluation"):
        evaluate(_job(content), tmp_path / "run", Notes())
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="it is not a folder; choose another --out"):
        evaluate(_job(content), tmp_path / "file", Notes())


def test_bad_files_are_named_in_the_report(content: dict[str, Any], tmp_path: Path) -> None:
    broken = tmp_path / "speech/03-01-02-01-01-01-01.wav"
    broken.write_text("no audio")
    report = evaluate(_task(content, "acted"), tmp_path / "out", Notes())
    text = (tmp_path / "out/report.md").read_text()
    assert report.num_bad_items == 1
    assert "1 could not be used:" in text
    assert text.count(str(broken)) == 1


def test_what_cannot_be_measured_is_one_clear_error(content: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    other = tmp_path / "other"
    tiny_model().save_pretrained(other)
    stored = json.loads((other / "config.json").read_text())
    stored["model"]["embedding_size"] = 64
    (other / "config.json").write_text(json.dumps(stored))
    nowhere = {"kind": "whole", "runs": [str(tmp_path / "nowhere")]}
    cases: list[tuple[EvaluateJob, type[FcapsError], str]] = [
        (_job(content, model=str(tmp_path / "nowhere")), ModelError, "does not exist"),
        (_job(content, model=str(other)), ModelError, "does not fit config.json"),
        (_task(content, "release", splits=nowhere), UsageError, "folder .* does not exist"),
        (_task(content, "release", splits=nowhere | {"runs": [str(tmp_path / "empty")]}), UsageError, "neither a run"),
        (_task(content, "rated", ratings=str(tmp_path / "no.csv")), SourceError, "do not exist"),
        (_task(content, "acted", folder=str(tmp_path / "empty")), SourceError, "holds no file of RAVDESS"),
    ]
    for job, kind, expected in cases:
        with pytest.raises(kind, match=expected) as raised:
            evaluate(job, tmp_path / "out", Notes())
        assert "\n" not in str(raised.value)
    assert not (tmp_path / "out").exists()


def test_another_schema_version_is_refused(content: dict[str, Any], tmp_path: Path) -> None:
    index = RunLayout(tmp_path / "run").index
    stored = json.loads(index.read_text())
    index.on_disk().write_text(json.dumps(stored | {"schema_versions": stored["schema_versions"] | {"data": 99}}))
    with pytest.raises(CorruptRunError, match="schema version 99"):
        evaluate(_task(content, "release"), tmp_path / "out", Notes())


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"tasks": {}}, "tasks"),
        ({"tasks": {"A b": {"kind": "retrieval"}}}, "tasks.A b"),
        ({"tasks": {"a": {"kind": "poem"}}}, "tasks.a"),
        (
            {"tasks": {"a": {"kind": "retrieval", "splits": {"kind": "runs", "train": ["t"], "dev": ["d"]}}}},
            "no test set",
        ),
        (
            {"tasks": {"a": {"kind": "retrieval", "splits": {"kind": "share", "runs": ["r"], "test_share": 0}}}},
            "test_share 0",
        ),
        ({"tasks": {"a": {"kind": "grounding", "splits": {"kind": "whole", "runs": ["r"]}}}}, "give threshold"),
        (
            {"tasks": {"a": {"kind": "grounding", "splits": {"kind": "share", "runs": ["r"]}, "median_frames": 4}}},
            "odd",
        ),
        (
            {
                "tasks": {
                    "a": {
                        "kind": "zero_shot",
                        "corpus": "ravdess",
                        "folder": "f",
                        "emotion": None,
                        "gender": None,
                        "age": None,
                    }
                }
            },
            "name a prompt",
        ),
        ({"modle": "x"}, "modle: unknown key"),
    ],
)
def test_mistakes_in_a_job_are_named(tmp_path: Path, changes: dict[str, Any], expected: str) -> None:
    path = tmp_path / "job.yaml"
    tasks = {"a": {"kind": "retrieval", "splits": {"kind": "whole", "runs": ["r"]}}}
    path.write_text(yaml.safe_dump({"model": "m", "tasks": tasks} | changes))
    with pytest.raises(JobError, match=expected) as raised:
        load_evaluate_job(path)
    assert "\n" not in str(raised.value)


def test_single_keys_can_be_replaced(tmp_path: Path) -> None:
    path = tmp_path / "job.yaml"
    path.write_text("model: m\ntasks: {a: {kind: zero_shot, corpus: ravdess, folder: f}}")
    job = load_evaluate_job(path, ["tasks.a.folder=g", "seed=3"])
    assert (job.tasks["a"].model_dump()["folder"], job.seed) == ("g", 3)


@pytest.mark.parametrize("path", sorted(shipped_folder("jobs").glob("evaluate_*.yaml")), ids=lambda path: path.stem)
def test_shipped_jobs_are_valid(path: Path) -> None:
    assert load_evaluate_job(path).tasks


def test_the_demo_measures_the_test_split_that_its_training_leaves_out() -> None:
    jobs = shipped_folder("jobs")
    trained = yaml.safe_load((jobs / "train_demo_cpu.yaml").read_text())["data"]["splits"]
    measured = yaml.safe_load((jobs / "evaluate_demo_cpu.yaml").read_text())["tasks"]["demo"]["splits"]
    assert measured == trained
