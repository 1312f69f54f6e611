"""Phrase grounding: where in a clip a phrase holds, told from one score per frame.

Enters: for a phrase and a clip, one probability per frame and the true spans. Leaves: spans by threshold and median
filter, the mean IoU of the best span, and how often the highest frame lies in a true span. Frame f covers the time
from f to f + 1 hops. Suffix: F frames.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
from pydantic import model_validator
from scipy.ndimage import median_filter

from fcaps_pipeline.errors import UsageError
from fcaps_pipeline.learn.evaluation.metrics.confidence import Estimate, mean_estimates
from fcaps_pipeline.records.base import Record

Scores = npt.NDArray[np.floating]


class Span(Record):
    """A stretch of time in a clip."""

    start_s: float
    end_s: float

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if not 0 <= self.start_s < self.end_s:
            raise ValueError(
                f"a span must start at or after 0 and before its end, found {self.start_s} to {self.end_s}"
            )
        return self


@dataclass(frozen=True)
class PhraseFrames:
    """What a model says of one phrase in one clip, beside the truth."""

    clip: str
    phrase: str
    scores_F: Scores
    """Probability that the phrase holds, 0 to 1."""
    hop_s: float
    spans: tuple[Span, ...]
    """Where it truly holds, at least one."""
    unit: str | None = None
    """What is drawn for the intervals, such as the speaker; None draws the clip."""


class GroundingScores(Record):
    """Phrase grounding over a set of phrases."""

    mean_iou: Estimate
    """IoU of the best span with the true span it fits best; 0 where no frame passes."""
    pointing_accuracy: Estimate
    """Share of phrases whose highest frame has its centre in a true span."""
    pointing_chance: float
    """Pointing accuracy of a frame drawn at random."""
    num_phrases: int
    num_without_span: int
    """Phrases for which no frame passes."""
    threshold: float
    median_frames: int


def score_grounding(
    phrases: Sequence[PhraseFrames], rng: np.random.Generator, *, threshold: float, median_frames: int
) -> GroundingScores:
    """Scores the best span and the highest frame of each phrase.

    Args:
        phrases: pairs of phrase and clip.
        rng: draws units for the intervals, each with its phrases.
        threshold: what a frame must exceed; choose it on dev.
        median_frames: width of the median filter, odd.

    Raises:
        UsageError: no phrase, one without a true span, scores that are no finite frames, or an even width.
    """
    for phrase in phrases:
        _check(phrase)
    best = [_best_iou(phrase, threshold, median_frames) for phrase in phrases]
    points = [_points_right(phrase) for phrase in phrases]
    scores_NK = np.array([[iou or 0.0, float(point.max_hit)] for iou, point in zip(best, points, strict=True)])
    _, groups_N = np.unique([phrase.unit or phrase.clip for phrase in phrases], return_inverse=True)
    mean_iou, pointing = mean_estimates(scores_NK.reshape(-1, 2), rng, groups_N=groups_N)
    return GroundingScores(
        mean_iou=mean_iou,
        pointing_accuracy=pointing,
        pointing_chance=float(np.mean([point.share for point in points])),
        num_phrases=len(phrases),
        num_without_span=best.count(None),
        threshold=threshold,
        median_frames=median_frames,
    )


def score_phrases(phrases: Sequence[PhraseFrames], *, threshold: float, median_frames: int) -> Scores:
    """IoU of the best span and whether the highest frame hits, shape phrases x 2: what `score_grounding` averages."""
    rows = [
        (_best_iou(phrase, threshold, median_frames) or 0.0, float(_points_right(phrase).max_hit)) for phrase in phrases
    ]
    return np.array(rows, dtype=np.float64).reshape(-1, 2)


def frames_to_spans(scores_F: Scores, hop_s: float, *, threshold: float, median_frames: int) -> tuple[Span, ...]:
    """Runs of frames above the threshold, after a median filter over the decisions has removed blips and filled gaps.

    Args:
        scores_F: one score per frame.
        hop_s: time between frames, in seconds.
        threshold: what a frame must exceed.
        median_frames: width of the filter, odd; 1 changes nothing.

    Raises:
        UsageError: the width is even or not positive.
    """
    if median_frames < 1 or median_frames % 2 == 0:
        raise UsageError(f"the median filter needs an odd number of frames, found {median_frames}")
    active_F = median_filter((scores_F > threshold).astype(np.int8), size=median_frames, mode="nearest")
    edges = np.flatnonzero(np.diff(active_F, prepend=0, append=0))
    return tuple(
        Span(start_s=float(start * hop_s), end_s=float(end * hop_s)) for start, end in edges.reshape(-1, 2).tolist()
    )


def iou(first: Span, second: Span) -> float:
    """Time in both spans over time in either, 0 to 1."""
    both_s = max(0.0, min(first.end_s, second.end_s) - max(first.start_s, second.start_s))
    return both_s / (first.end_s - first.start_s + second.end_s - second.start_s - both_s)


@dataclass(frozen=True)
class _Pointing:
    max_hit: bool
    share: float
    """Frames that would have been right."""


def _check(phrase: PhraseFrames) -> None:
    where = f"phrase {phrase.phrase!r} of clip {phrase.clip}"
    if not phrase.spans:
        raise UsageError(f"{where} has no true span; only phrases with a time can be grounded")
    if phrase.scores_F.ndim != 1 or phrase.scores_F.size == 0 or not np.isfinite(phrase.scores_F).all():
        raise UsageError(f"{where}: expected one finite score per frame, found shape {phrase.scores_F.shape}")


def _best_iou(phrase: PhraseFrames, threshold: float, median_frames: int) -> float | None:
    """IoU of the span with the highest mean score; None where there is no span."""
    spans = frames_to_spans(phrase.scores_F, phrase.hop_s, threshold=threshold, median_frames=median_frames)
    if not spans:
        return None
    best = max(spans, key=lambda span: _mean_score(phrase, span))
    return max(iou(best, true) for true in phrase.spans)


def _mean_score(phrase: PhraseFrames, span: Span) -> float:
    start, end = round(span.start_s / phrase.hop_s), round(span.end_s / phrase.hop_s)
    return float(phrase.scores_F[start:end].mean())


def _points_right(phrase: PhraseFrames) -> _Pointing:
    """Among equally high frames the worst counts, so that constant scores are no luck."""
    centres_F = (np.arange(len(phrase.scores_F)) + 0.5) * phrase.hop_s
    right_F = np.any([(span.start_s <= centres_F) & (centres_F < span.end_s) for span in phrase.spans], axis=0)
    highest_F = phrase.scores_F == phrase.scores_F.max()
    return _Pointing(max_hit=bool(right_F[highest_F].all()), share=float(right_F.mean()))
