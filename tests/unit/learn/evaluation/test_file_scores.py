"""Scores of files and texts equal those of embeddings made one by one."""

from pathlib import Path

import numpy as np
import pytest
import torch

from fcaps_pipeline.errors import RecordingError
from fcaps_pipeline.learn.evaluation.file_scores import rank_files, score_texts
from tests.unit.learn.training.measured import slow_file, slow_text, tiny_embedder, write_tone

TEXTS = ("A low voice.", "A high voice.", "low voice " * 60)


def test_scores_of_texts(tmp_path: Path) -> None:
    path = write_tone(tmp_path / "voice.wav", 120, 0.8)
    embedder = tiny_embedder()
    scores = score_texts(embedder, path, TEXTS)
    cosines = np.array([slow_file(embedder.model, path) @ slow_text(embedder.model, text) for text in TEXTS])
    odds = np.exp((cosines - cosines.max()) / 0.07)
    assert [one.similarity for one in scores.texts] == pytest.approx(cosines, abs=1e-5)
    assert [one.share for one in scores.texts] == pytest.approx(odds / odds.sum(), abs=1e-3)
    assert [one.probability for one in scores.texts] == [None] * 3
    assert scores.num_cut_texts == 1


def test_probabilities_are_given_once_a_sigmoid_objective_has_moved_the_bias(tmp_path: Path) -> None:
    path = write_tone(tmp_path / "voice.wav", 120, 0.8)
    embedder = tiny_embedder()
    with torch.no_grad():
        embedder.model.clip_scale.bias.fill_(-4.0)
    (score,) = score_texts(embedder, path, TEXTS[:1]).texts
    assert score.share is None
    assert score.probability == pytest.approx(1 / (1 + np.exp(4.0 - score.similarity / 0.07)), abs=1e-5)
    (ranked,) = rank_files(embedder, [path], TEXTS[0]).files
    assert ranked.probability == pytest.approx(score.probability, abs=1e-6)


def test_files_are_sorted_by_cosine_and_bad_ones_named(tmp_path: Path) -> None:
    paths = [write_tone(tmp_path / f"{number}.wav", 80 + 90 * number, 0.2 + 0.3 * number) for number in range(4)]
    embedder = tiny_embedder()
    ranking = rank_files(embedder, [tmp_path / "missing.wav", *paths], TEXTS[0])
    cosines = {
        str(path): float(slow_file(embedder.model, path) @ slow_text(embedder.model, TEXTS[0])) for path in paths
    }
    assert [one.audio for one in ranking.files] == sorted(cosines, key=lambda path: -cosines[path])
    assert [one.rank for one in ranking.files] == [1, 2, 3, 4]
    assert [one.similarity for one in ranking.files] == pytest.approx(sorted(cosines.values(), reverse=True), abs=1e-5)
    assert [item.name for item in ranking.bad_items] == [str(tmp_path / "missing.wav")]


def test_equally_good_files_keep_their_order(tmp_path: Path) -> None:
    path = write_tone(tmp_path / "voice.wav", 120, 0.8)
    same = tmp_path / "a-copy.wav"
    same.write_bytes(path.read_bytes())
    ranking = rank_files(tiny_embedder(), [path, same], TEXTS[0])
    assert [one.audio for one in ranking.files] == [str(path), str(same)]


def test_no_audio_at_all(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="none of 1 audio files"):
        score_texts(tiny_embedder(), tmp_path / "missing.wav", TEXTS)
