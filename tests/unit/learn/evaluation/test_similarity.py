"""Correlations equal those of cosines that were made one by one."""

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from fcaps_pipeline.errors import RecordingError, SourceError
from fcaps_pipeline.learn.evaluation.job import SimilarityTask
from fcaps_pipeline.learn.evaluation.similarity import measure_similarity
from tests.unit.learn.training.measured import slow_file, slow_text, tiny_embedder, write_tone

CAPTIONS = ("A low voice.", "A high voice.", "low voice " * 50)


def _write(folder: Path, *lines: str) -> SimilarityTask:
    (folder / "ratings.csv").write_text("\n".join(["clip,caption,rating,rater", *lines]))
    return SimilarityTask(kind="similarity", ratings=str(folder / "ratings.csv"), folder=str(folder))


def _lines(num_clips: int) -> list[str]:
    """Two raters who differ a little."""
    rng = np.random.default_rng(1)
    return [
        f"{clip}.wav,{caption},{rng.integers(1, 5) + offset},{rater}"
        for clip in range(num_clips)
        for caption in CAPTIONS
        for rater, offset in (("ann", 0), ("bo", 1))
    ]


def test_correlations_equal_those_of_slow_cosines(tmp_path: Path) -> None:
    paths = [write_tone(tmp_path / f"{clip}.wav", 80 + 37 * clip, 0.3 + 0.1 * clip) for clip in range(5)]
    lines = _lines(5)
    embedder = tiny_embedder()
    outcome, _ = measure_similarity(embedder, _write(tmp_path, *lines), "ours", np.random.default_rng(0))
    ratings = np.array([float(line.split(",")[2]) for line in lines]).reshape(-1, 2).mean(axis=1)
    cosines = np.array(
        [slow_file(embedder.model, path) @ slow_text(embedder.model, one) for path in paths for one in CAPTIONS]
    )
    assert outcome.scores.pearson.value == pytest.approx(stats.pearsonr(cosines, ratings).statistic, abs=1e-4)
    assert outcome.scores.spearman.value == pytest.approx(stats.spearmanr(cosines, ratings).statistic, abs=1e-9)
    assert outcome.scores.kendall.value == pytest.approx(stats.kendalltau(cosines, ratings).statistic, abs=1e-9)
    assert outcome.scores.agreement is not None
    assert outcome.scores.agreement.num_raters == 2
    assert (outcome.num_clips, outcome.num_texts, outcome.num_cut_texts) == (5, 3, 1)
    assert len(outcome.comparisons) == 3
    assert not any(item.admissible for item in outcome.comparisons)


def test_ratings_of_missing_clips_are_left_out_and_said_so(tmp_path: Path) -> None:
    for clip in (0, 2):
        write_tone(tmp_path / f"{clip}.wav", 80 + 37 * clip, 0.3)
    outcome, _ = measure_similarity(tiny_embedder(), _write(tmp_path, *_lines(3)), "ours", np.random.default_rng(0))
    assert [item.name for item in outcome.bad_items] == [str(tmp_path / "1.wav")]
    assert (outcome.scores.num_pairs, outcome.scores.num_ratings) == (6, 12)
    assert outcome.notes == ("6 of 18 ratings were left out with the clips named below.",)


def test_mistakes_are_named(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(SourceError, match=r"ratings\.csv:3: rating must be a number"):
        measure_similarity(tiny_embedder(), _write(tmp_path, "a.wav,low,3,ann", "a.wav,high,much,ann"), "ours", rng)
    task = _write(tmp_path, "a.wav,low,3,ann", "b.wav,low,4,ann")
    with pytest.raises(RecordingError, match="none of 2 audio files"):
        measure_similarity(tiny_embedder(), task, "ours", rng)
    elsewhere = task.model_copy(update={"folder": str(tmp_path / "nowhere")})
    with pytest.raises(SourceError, match="is no folder"):
        measure_similarity(tiny_embedder(), elsewhere, "ours", rng)
