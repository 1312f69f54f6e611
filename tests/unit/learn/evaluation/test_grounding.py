"""Spans and pointing equal a slow walk over the frames of single rows; the threshold is chosen on dev alone."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fcaps_pipeline.errors import ModelError, UsageError
from fcaps_pipeline.learn.dual_encoder.model import DualEncoder
from fcaps_pipeline.learn.evaluation.embedder import Embedder
from fcaps_pipeline.learn.evaluation.grounding import measure_grounding
from fcaps_pipeline.learn.evaluation.job import GroundingTask
from fcaps_pipeline.records.audio import SAMPLE_RATE_HZ
from tests.unit.learn.dual_encoder.building import TEXTS, TINY
from tests.unit.learn.training.measured import Notes, stored_rows, tiny_embedder
from tests.unit.learn.training.written_runs import Annotate, MakeAudio, RunWriter, Spoken, rewrite_shard, with_events

pytest.importorskip("sed_scores_eval")

PHRASES = ("a laugh", "a cough", "a pause", "louder speech")
Events = list[dict[str, Any]]


@pytest.fixture
def runs(make_audio: MakeAudio, annotate: Annotate) -> RunWriter:
    return RunWriter(make_audio, annotate)


def _events(num_rows: int, lengths: list[int], seed: int) -> list[Events | None]:
    """Two events in most rows; every third row has none or does not know."""
    rng = np.random.default_rng(seed)
    rows: list[Events | None] = []
    for index in range(num_rows):
        end_s = lengths[index] / SAMPLE_RATE_HZ
        times = np.sort(rng.uniform(0, end_s, 4))
        phrases = rng.choice(PHRASES[: 2 + index % 3], 2)
        both = [
            {"phrase": str(phrase), "start_s": float(times[2 * n]), "end_s": float(times[2 * n + 1])}
            for n, phrase in enumerate(phrases)
        ]
        rows.append(both if index % 3 else ([] if index % 2 else None))
    return rows


def _write(runs: RunWriter, root: Path, speaker: str, seed: int, num_rows: int = 10) -> Path:
    rng = np.random.default_rng(seed)
    lengths = [int(rng.integers(9_000, 30_000)) for _ in range(num_rows)]
    spoken = [
        Spoken(f"{speaker}-{index}", speaker, length, 1000 * seed + index) for index, length in enumerate(lengths)
    ]
    run = runs.write(root, spoken, unit_rows=num_rows)
    shard = next((run / "data").glob("*.parquet"))
    rewrite_shard(shard, with_events(_events(num_rows, lengths, seed)), 4)
    return run


def _task(splits: dict[str, Any], **changes: Any) -> GroundingTask:
    return GroundingTask.model_validate({"kind": "grounding", "splits": splits, **changes})


@torch.no_grad()
def _frame_scores(embedder: Embedder, row: dict[str, Any], phrase: str) -> list[float]:
    audio_BT = torch.from_numpy(row["pcm_T"].astype(np.float32) / 32768)[None]
    frames_BFE, _ = embedder.model.encode_frames(audio_BT, torch.tensor([audio_BT.shape[1]]))
    cosines = frames_BFE[0] @ embedder.model.encode_text([phrase])[0]
    scale, bias = embedder.model.frame_scale.scale, embedder.model.frame_scale.bias
    scores: list[float] = torch.sigmoid(scale * cosines + bias).tolist()
    return scores


@dataclass(frozen=True)
class Asked:
    """Frame scores of one phrase in one row, beside the truth."""

    scores: list[float]
    true: list[tuple[float, float]]


def _span_s(event: dict[str, Any]) -> tuple[float, float]:
    return event["start_samples"] / SAMPLE_RATE_HZ, event["end_samples"] / SAMPLE_RATE_HZ


def _ask(embedder: Embedder, run: Path) -> list[Asked]:
    return [
        Asked(
            _frame_scores(embedder, row, phrase),
            [_span_s(event) for event in row["events"] if event["phrase"] == phrase],
        )
        for row in stored_rows(run)
        for phrase in sorted({event["phrase"] for event in row["events"] or ()})
    ]


def _every_score(asked: list[Asked]) -> list[float]:
    return [score for one in asked for score in one.scores]


def _slow_pointing(asked: list[Asked]) -> float:
    centres_s = [(int(np.argmax(one.scores)) + 0.5) / 25 for one in asked]
    hits = [any(a <= s < b for a, b in one.true) for s, one in zip(centres_s, asked, strict=True)]
    return float(np.mean(hits))


def _slow_mean_iou(asked: list[Asked], threshold: float) -> float:
    """Without a median filter."""
    return float(np.mean([_slow_iou(one.scores, one.true, threshold) for one in asked]))


def _slow_iou(scores: list[float], true: list[tuple[float, float]], threshold: float) -> float:
    found: list[list[int]] = []
    for frame, score in enumerate(scores):
        if score > threshold:
            if found and found[-1][-1] == frame - 1:
                found[-1].append(frame)
            else:
                found.append([frame])
    if not found:
        return 0.0
    best = max(found, key=lambda frames: float(np.mean([scores[frame] for frame in frames])))
    start_s, end_s = best[0] / 25, (best[-1] + 1) / 25
    overlaps = []
    for left, right in true:
        both = max(0.0, min(end_s, right) - max(start_s, left))
        overlaps.append(both / (end_s - start_s + right - left - both))
    return max(overlaps)


def _slow_micro_f1(embedder: Embedder, run: Path, labels: tuple[str, ...], threshold: float) -> float:
    """Over segments of one second, which are 25 frames."""
    hits = found = true = 0
    for row in stored_rows(run):
        for label in labels if row["events"] else ():
            scores = _frame_scores(embedder, row, label)
            spans = [_span_s(event) for event in row["events"] if event["phrase"] == label]
            for segment in range(-(-len(scores) // 25)):
                is_found = max(scores[25 * segment : 25 * (segment + 1)]) > threshold
                is_true = any(start_s < segment + 1 and end_s > segment for start_s, end_s in spans)
                hits, found, true = hits + (is_found and is_true), found + is_found, true + is_true
    return 2 * hits / (found + true)


def test_figures_equal_a_slow_walk_over_frames(runs: RunWriter, tmp_path: Path) -> None:
    run = _write(runs, tmp_path / "run", "s1", 1)
    embedder = tiny_embedder()
    asked = _ask(embedder, run)
    threshold = float(np.quantile(_every_score(asked), 0.8))
    task = _task({"kind": "whole", "runs": [str(run)]}, threshold=threshold, median_frames=1, max_labels=3)
    outcome, _ = measure_grounding(embedder, task, np.random.default_rng(0))
    iou = _slow_mean_iou(asked, threshold)
    assert 0 < iou < 1
    assert outcome.scores.mean_iou.value == pytest.approx(iou, abs=1e-3)
    assert outcome.scores.pointing_accuracy.value == pytest.approx(_slow_pointing(asked))
    assert outcome.num_clips == 6
    assert outcome.detection is not None
    assert len(outcome.detection.labels) == 3
    assert outcome.detection.num_clips == 6
    micro = _slow_micro_f1(embedder, run, outcome.detection.labels, threshold)
    assert outcome.detection.segment_f1_micro.value == pytest.approx(micro)
    assert outcome.notes[0].startswith("6 of 10 rows have timed events")
    assert outcome.notes[1] == "Event detection asks for the 3 most frequent of 4 phrases."


def test_the_threshold_is_the_best_of_dev(runs: RunWriter, tmp_path: Path) -> None:
    roots = {name: _write(runs, tmp_path / name, name, seed) for seed, name in enumerate(("train", "dev", "test"), 1)}
    splits = {"kind": "runs"} | {name: [str(root)] for name, root in roots.items()}
    embedder = tiny_embedder()
    outcome, _ = measure_grounding(embedder, _task(splits, median_frames=1, max_labels=0), np.random.default_rng(0))
    chosen = outcome.scores.threshold
    dev, test = _ask(embedder, roots["dev"]), _ask(embedder, roots["test"])
    others = [_slow_mean_iou(dev, float(np.quantile(_every_score(dev), n / 20))) for n in range(1, 20)]
    assert _slow_mean_iou(dev, chosen) == pytest.approx(max(others), abs=2e-3)
    assert outcome.scores.mean_iou.value == pytest.approx(_slow_mean_iou(test, chosen), abs=1e-3)
    assert outcome.detection is None
    assert "the best on dev" in outcome.notes[0]


def test_rows_without_events_are_refused(runs: RunWriter, tmp_path: Path) -> None:
    run = runs.write(tmp_path / "run", [Spoken("a", "s", 5000)])
    task = _task({"kind": "whole", "runs": [str(run)]}, threshold=0.5)
    with pytest.raises(UsageError, match="none of 1 rows to measure has timed events"):
        measure_grounding(tiny_embedder(), task, np.random.default_rng(0))


def test_a_model_without_frames_is_refused() -> None:
    model = DualEncoder.new(TINY.model_copy(update={"frames": None}), TEXTS, seed=0).eval()
    task = _task({"kind": "whole", "runs": ["nowhere"]}, threshold=0.5)
    with pytest.raises(ModelError, match="frame projector"):
        measure_grounding(Embedder(model, Notes()), task, np.random.default_rng(0))
