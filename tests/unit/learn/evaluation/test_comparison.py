"""Two models on the same queries: what differs, how surely, and what is not compared."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from fcaps_pipeline.cli.main import app
from fcaps_pipeline.errors import UsageError
from fcaps_pipeline.learn.evaluation.comparison import compare_evaluations
from fcaps_pipeline.learn.evaluation.evaluate import METRICS
from fcaps_pipeline.learn.evaluation.metrics.classification import score_classification
from fcaps_pipeline.learn.evaluation.outcomes import EvaluationReport, ZeroShotOutcome
from fcaps_pipeline.learn.evaluation.queries import QuerySet, queries_file, write_queries

_LABELS = ("calm", "tense")
_NUM_SPEAKERS, _CLIPS_EACH = 12, 10


def _evaluation(folder: Path, right_S: np.ndarray[Any, Any], name: str = "a", **job: Any) -> Path:
    """An evaluation of a model that is right on this share of the clips of each speaker."""
    right = [index < round(share * _CLIPS_EACH) for share in right_S for index in range(_CLIPS_EACH)]
    truths = [_LABELS[index % 2] for index in range(len(right))]
    predictions = [t if hit else _LABELS[t == "calm"] for t, hit in zip(truths, right, strict=True)]
    outcome = ZeroShotOutcome(
        scores={"moods": score_classification(truths, predictions, _LABELS, np.random.default_rng(0))},
        sentences={},
        passed_over={},
        corpus_lines="",
        unit="speakers",
        num_clips=len(right),
        num_texts=2,
        num_cut_texts=0,
        bad_items=(),
    )
    content = {"model": name, "bf16": name == "b", "seed": 0, "tasks": {"acted": {"kind": "zero_shot"}}} | job
    report = EvaluationReport(fcaps_version="1", job=content, model_sha256="", machine="", outcomes={"acted": outcome})
    folder.mkdir()
    (folder / METRICS).write_text(report.model_dump_json())
    queries = tuple(f"clip-{index}" for index in range(len(right)))
    speakers = tuple(f"speaker-{index // _CLIPS_EACH}" for index in range(len(right)))
    columns = {"truth": np.array(truths), "prediction": np.array(predictions)}
    write_queries([QuerySet("moods", queries, speakers, columns)], queries_file(folder, "acted"))
    return folder


def test_the_same_speakers_are_drawn_for_both(tmp_path: Path) -> None:
    """A model that is a tenth better with every speaker is surely better, however unlike the speakers are."""
    shares_S = np.linspace(0.0, 0.9, _NUM_SPEAKERS).round(1)
    first = _evaluation(tmp_path / "a", shares_S)
    second = _evaluation(tmp_path / "b", shares_S + 0.1, "b")
    weighted = compare_evaluations(first, second)[0]
    assert (weighted.task, weighted.name, weighted.figure, weighted.unit) == ("acted", "moods", "WA", "speakers")
    assert weighted.first == pytest.approx(shares_S.mean())
    assert weighted.difference.value == pytest.approx(0.1)
    assert (weighted.difference.low, weighted.difference.high) == pytest.approx((0.1, 0.1))
    assert (weighted.difference.num_items, weighted.num_queries, weighted.is_apart) == (_NUM_SPEAKERS, 120, True)


def test_what_helps_one_speaker_alone_is_no_difference(tmp_path: Path) -> None:
    """Ten clips more of 120 look like something where clips are drawn; they are all of one speaker."""
    shares_S = np.full(_NUM_SPEAKERS, 0.5)
    first = _evaluation(tmp_path / "a", np.where(np.arange(_NUM_SPEAKERS) == 3, 0.0, shares_S))
    second = _evaluation(tmp_path / "b", np.where(np.arange(_NUM_SPEAKERS) == 3, 1.0, shares_S), "b")
    weighted = compare_evaluations(first, second)[0]
    assert weighted.difference.value == pytest.approx(1 / _NUM_SPEAKERS)
    assert not weighted.is_apart


def test_the_command_prints_a_table(tmp_path: Path) -> None:
    shares_S = np.full(_NUM_SPEAKERS, 0.5)
    folders = [_evaluation(tmp_path / "a", shares_S), _evaluation(tmp_path / "b", shares_S + 0.2, "b")]
    said = CliRunner().invoke(app, ["compare", *map(str, folders)])
    assert said.exit_code == 0
    assert "+0.200 [+0.200, +0.200]*" in said.stdout
    assert "12 speakers" in said.stdout


def test_what_was_measured_differently_is_not_compared(tmp_path: Path) -> None:
    shares_S = np.full(_NUM_SPEAKERS, 0.5)
    first = _evaluation(tmp_path / "a", shares_S)
    other = _evaluation(tmp_path / "b", shares_S, "b", tasks={"acted": {"kind": "zero_shot", "corpus": "crema_d"}})
    with pytest.raises(UsageError, match=r'tasks.acted.corpus is null in the first and "crema_d" in the second'):
        compare_evaluations(first, other)
    fewer = _evaluation(tmp_path / "c", shares_S[1:], "c")
    with pytest.raises(UsageError, match=r"task acted, moods: the two measured other queries \(120 and 110\)"):
        compare_evaluations(first, fewer)
    with pytest.raises(UsageError, match=r"is no folder of an evaluation: it has no metrics.json"):
        compare_evaluations(first, tmp_path / "nowhere")
    queries_file(first, "acted").unlink()
    with pytest.raises(UsageError, match=r"queries-acted.parquet: expected one row per query"):
        compare_evaluations(first, first)
