"""Frames become spans, and the best span and the highest frame are judged as documented."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fcaps_pipeline.errors import UsageError
from fcaps_pipeline.learn.evaluation.metrics.grounding import PhraseFrames, Span, frames_to_spans, iou, score_grounding


def _span(start_s: float, end_s: float) -> Span:
    return Span(start_s=start_s, end_s=end_s)


def _phrase(scores: list[float], *spans: Span, clip: str = "c") -> PhraseFrames:
    return PhraseFrames(clip=clip, phrase="grows louder", scores_F=np.array(scores), hop_s=0.5, spans=spans)


@given(st.lists(st.booleans(), min_size=1, max_size=30), st.sampled_from([1, 3, 5]))
def test_spans_are_the_runs_of_filtered_frames(active: list[bool], median_frames: int) -> None:
    reach = median_frames // 2
    padded = [active[0]] * reach + active + [active[-1]] * reach
    filtered = [sum(padded[f : f + median_frames]) > reach for f in range(len(active))]
    spans = frames_to_spans(np.array(active, dtype=float), 0.25, threshold=0.5, median_frames=median_frames)
    inside = [any(span.start_s <= f * 0.25 < span.end_s for span in spans) for f in range(len(active))]
    assert inside == filtered
    assert all(first.end_s < second.start_s for first, second in itertools.pairwise(spans))


def test_a_frame_at_the_threshold_does_not_pass_and_even_filters_are_refused() -> None:
    assert frames_to_spans(np.array([0.5, 0.6]), 1.0, threshold=0.5, median_frames=1) == (_span(1, 2),)
    for width in (0, 2):
        with pytest.raises(UsageError, match="odd number of frames"):
            frames_to_spans(np.array([0.5]), 1.0, threshold=0.5, median_frames=width)


def test_iou_counts_shared_over_joint_time() -> None:
    assert iou(_span(0, 2), _span(1, 4)) == 0.25
    assert iou(_span(0, 1), _span(1, 2)) == 0.0
    assert iou(_span(0, 1), _span(0, 1)) == 1.0
    with pytest.raises(ValueError, match="before its end"):
        _span(2, 2)


def test_the_best_span_has_the_highest_mean_and_meets_the_true_span_it_fits() -> None:
    phrase = _phrase([0.6, 0.6, 0, 0, 0.9, 0.8, 0, 0], _span(2, 4), _span(0, 1))
    scores = score_grounding([phrase], np.random.default_rng(0), threshold=0.5, median_frames=1)
    assert scores.mean_iou.value == pytest.approx(0.5)
    assert scores.pointing_accuracy.value == 1.0
    assert scores.pointing_chance == pytest.approx(6 / 8)


def test_no_span_is_no_overlap_and_constant_scores_point_nowhere() -> None:
    phrases = [_phrase([0.3] * 8, _span(1, 2)), _phrase([0, 0, 1, 1, 0, 0, 0, 0], _span(1, 2), clip="d")]
    scores = score_grounding(phrases, np.random.default_rng(0), threshold=0.5, median_frames=1)
    assert (scores.mean_iou.value, scores.pointing_accuracy.value) == (0.5, 0.5)
    assert (scores.num_without_span, scores.num_phrases, scores.mean_iou.num_items) == (1, 2, 2)


@pytest.mark.parametrize(
    ("phrases", "message"),
    [
        ([], "evaluation set is empty"),
        ([_phrase([0.1])], "has no true span"),
        ([_phrase([], _span(0, 1))], "one finite score per frame"),
        ([_phrase([float("nan")], _span(0, 1))], "one finite score per frame"),
    ],
)
def test_phrases_that_cannot_be_judged_are_refused(phrases: list[PhraseFrames], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        score_grounding(phrases, np.random.default_rng(0), threshold=0.5, median_frames=1)
