"""Accuracies, macro-F1 and the confusion matrix against scikit-learn; the picture is a picture."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from fcaps_pipeline.errors import OutputError, UsageError
from fcaps_pipeline.learn.evaluation.metrics.classification import draw_confusion, figures, score_classification

_LABELS = ("happy", "sad", "angry")


@given(st.lists(st.tuples(st.sampled_from(range(5)), st.sampled_from(range(5))), min_size=1, max_size=40))
def test_figures_equal_those_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    truths, predictions = [true for true, _ in pairs], [predicted for _, predicted in pairs]
    occurring = sorted(set(truths))
    confusion = metrics.confusion_matrix(truths, predictions, labels=range(5))
    expected = (
        metrics.accuracy_score(truths, predictions),
        metrics.recall_score(truths, predictions, labels=occurring, average="macro", zero_division=0),
        metrics.f1_score(truths, predictions, labels=occurring, average="macro", zero_division=0),
    )
    assert figures(confusion) == pytest.approx(expected)


def test_scores_count_by_true_and_predicted_label() -> None:
    truths = ["happy"] * 6 + ["sad"] * 2
    predictions = ["happy"] * 5 + ["angry"] + ["sad", "happy"]
    scores = score_classification(truths, predictions, _LABELS, np.random.default_rng(0))
    assert scores.confusion == ((5, 0, 1), (1, 1, 0), (0, 0, 0))
    assert scores.weighted_accuracy.value == pytest.approx(6 / 8)
    assert scores.unweighted_accuracy.value == pytest.approx((5 / 6 + 1 / 2) / 2)
    assert scores.unweighted_accuracy.low < scores.unweighted_accuracy.value < scores.unweighted_accuracy.high
    assert scores.num_clips == 8


def test_perfect_and_constant_answers() -> None:
    truths = list(_LABELS) * 10
    perfect = score_classification(truths, truths, _LABELS, np.random.default_rng(0))
    constant = score_classification(truths, ["sad"] * 30, _LABELS, np.random.default_rng(0))
    assert (perfect.macro_f1.low, perfect.macro_f1.high) == (1.0, 1.0)
    assert constant.unweighted_accuracy.value == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("truths", "predictions", "message"),
    [
        (["sad"], [], "1 true labels stand against 0"),
        (["sad"], ["bored"], "labels bored are none of happy, sad, angry"),
        ([], [], "evaluation set is empty"),
    ],
)
def test_labels_that_do_not_fit_are_refused(truths: list[str], predictions: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        score_classification(truths, predictions, _LABELS, np.random.default_rng(0))


def test_the_picture_is_a_png(tmp_path: Path) -> None:
    scores = score_classification(["happy", "sad"], ["happy", "happy"], _LABELS, np.random.default_rng(0))
    draw_confusion(scores, tmp_path / "confusion.png", "two clips")
    assert (tmp_path / "confusion.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(OutputError, match="cannot be written"):
        draw_confusion(scores, tmp_path / "none" / "confusion.png", "two clips")
