"""How well predicted labels agree with true ones: accuracies, macro-F1, confusion matrix and its picture.

Enters: true and predicted labels. Leaves: figures with intervals from drawing clips or speakers, counts, a PNG.
Suffixes: N clips, L labels; rows of a confusion matrix are true labels, columns predicted ones.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fcaps_pipeline.errors import OutputError, UsageError
from fcaps_pipeline.learn.evaluation.metrics.confidence import Estimate, Positions, metric_estimates
from fcaps_pipeline.learn.evaluation.metrics.plotting import new_figure
from fcaps_pipeline.records.base import Record

Counts = npt.NDArray[np.int64]


class ClassificationScores(Record):
    """Figures of one classification task."""

    labels: tuple[str, ...]
    weighted_accuracy: Estimate
    """Share of clips with the right label, so frequent labels weigh more."""
    unweighted_accuracy: Estimate
    """Mean recall over the labels that occur, also called UAR or macro recall."""
    macro_f1: Estimate
    """Mean F1 over the labels that occur."""
    confusion: tuple[tuple[int, ...], ...]
    """Clips by true label (row) and predicted label (column), both in the order of `labels`."""
    num_clips: int


def score_classification(
    truths: Sequence[str],
    predictions: Sequence[str],
    labels: Sequence[str],
    rng: np.random.Generator,
    *,
    units_N: Positions | None = None,
) -> ClassificationScores:
    """Compares predictions with truths.

    Args:
        truths: the true label of each clip.
        predictions: the predicted label of each clip.
        labels: all labels that could have been predicted, in the order of the report.
        rng: draws units for the intervals.
        units_N: unit of each clip, any numbers; None draws single clips.

    Raises:
        UsageError: no clip, lengths differ, or a label is unknown.
    """
    if len(truths) != len(predictions):
        raise UsageError(f"{len(truths)} true labels stand against {len(predictions)} predicted ones")
    number = {label: position for position, label in enumerate(labels)}
    if unknown := sorted({*truths, *predictions} - number.keys()):
        raise UsageError(f"labels {', '.join(unknown)} are none of {', '.join(labels)}")
    cells_N = np.array([number[t] * len(labels) + number[p] for t, p in zip(truths, predictions, strict=True)])
    weighted, unweighted, macro_f1 = metric_estimates(
        lambda positions: figures(_confusion(cells_N[positions], len(labels))), len(cells_N), rng, groups_N=units_N
    )
    return ClassificationScores(
        labels=tuple(labels),
        weighted_accuracy=weighted,
        unweighted_accuracy=unweighted,
        macro_f1=macro_f1,
        confusion=tuple(tuple(row) for row in _confusion(cells_N, len(labels)).tolist()),
        num_clips=len(cells_N),
    )


def label_figures(truths: Sequence[str], predictions: Sequence[str]) -> tuple[float, float, float]:
    """Weighted accuracy, unweighted accuracy and macro-F1 of some clips."""
    number = {label: position for position, label in enumerate(sorted({*truths, *predictions}))}
    cells_N = np.array([number[t] * len(number) + number[p] for t, p in zip(truths, predictions, strict=True)])
    return figures(_confusion(cells_N, len(number)))


def figures(confusion_LL: Counts) -> tuple[float, float, float]:
    """Weighted accuracy, unweighted accuracy and macro-F1 of a confusion matrix with at least one clip."""
    hits_L = np.diagonal(confusion_LL)
    true_L, predicted_L = confusion_LL.sum(axis=1), confusion_LL.sum(axis=0)
    occurs_L = true_L > 0
    recalls = hits_L[occurs_L] / true_L[occurs_L]
    f1s = 2 * hits_L[occurs_L] / (true_L + predicted_L)[occurs_L]
    return float(hits_L.sum() / true_L.sum()), float(recalls.mean()), float(f1s.mean())


def draw_confusion(scores: ClassificationScores, path: Path, title: str) -> None:
    """Writes the confusion matrix as PNG: counts in the cells, shares of the true label as shade.

    Raises:
        OutputError: the file cannot be written.
        DependencyError: matplotlib cannot be imported.
    """
    confusion_LL = np.array(scores.confusion)
    shares_LL = confusion_LL / np.maximum(confusion_LL.sum(axis=1, keepdims=True), 1)
    side_inches = 2.5 + 0.6 * len(scores.labels)
    figure = new_figure(side_inches, side_inches)
    axes = figure.add_subplot()
    axes.imshow(shares_LL, cmap="Blues", vmin=0.0, vmax=1.0)
    places = range(len(scores.labels))
    axes.set_xticks(places, scores.labels, rotation=45, ha="right")
    axes.set_yticks(places, scores.labels)
    axes.set(title=title, xlabel="predicted", ylabel="true")
    for row, column in np.ndindex(*confusion_LL.shape):
        color = "white" if shares_LL[row, column] > 0.5 else "black"
        axes.text(column, row, str(confusion_LL[row, column]), ha="center", va="center", color=color)
    try:
        figure.savefig(path, format="png", dpi=120)
    except OSError as error:
        raise OutputError(f"picture {path} cannot be written: {error.strerror}; check the folder") from error


def _confusion(cells_N: Positions, num_labels: int) -> Counts:
    return np.bincount(cells_N, minlength=num_labels**2).reshape(num_labels, num_labels)
