"""Segment F1 and PSDS: what the package computes, what perfect, random and missing detections score."""

import subprocess
import sys

import numpy as np
import pytest

from fcaps_pipeline.errors import UsageError
from fcaps_pipeline.learn.evaluation.metrics import detection
from fcaps_pipeline.learn.evaluation.metrics.detection import ClipFrames, Event, score_detection

_LABELS = ("grows louder", "onset", "a \\ pause")
_HOP_S = 0.1


def _clip(name: str, noise: float, rng: np.random.Generator, num_labels: int = 3) -> ClipFrames:
    scores = noise * rng.random((50, num_labels))
    events = []
    for column in range(num_labels):
        start = int(rng.integers(0, 25))
        end = start + int(rng.integers(10, 25))
        scores[start:end, column] += 1 - noise
        events.append(Event(label=_LABELS[column], start_s=start * _HOP_S, end_s=end * _HOP_S))
    return ClipFrames(clip=name, scores_FC=scores, hop_s=_HOP_S, events=tuple(events))


def _clips(noise: float, num_labels: int = 3) -> list[ClipFrames]:
    rng = np.random.default_rng(0)
    return [_clip(f"c{number}", noise, rng, num_labels) for number in range(12)]


def test_exact_scores_are_perfect() -> None:
    scores = score_detection(_clips(0.0), _LABELS, np.random.default_rng(0), threshold=0.5, num_psds_resamples=5)
    assert scores.psds_2 is not None
    for estimate in (scores.segment_f1_macro, scores.segment_f1_micro, scores.psds_1, scores.psds_2):
        assert (estimate.value, estimate.low, estimate.high) == pytest.approx((1, 1, 1))
    assert (scores.num_clips, scores.num_events) == (12, 36)


def test_noise_lowers_everything_and_opens_the_interval() -> None:
    scores = score_detection(_clips(0.8), _LABELS, np.random.default_rng(0), threshold=0.7, num_psds_resamples=20)
    assert scores.psds_1.value < 0.5
    assert 0.2 < scores.segment_f1_macro.low < scores.segment_f1_macro.value < scores.segment_f1_macro.high < 1


def test_segment_f1_equals_a_slow_count() -> None:
    clips = _clips(0.7)
    scores = score_detection(clips, _LABELS, np.random.default_rng(0), threshold=0.6, num_psds_resamples=2)
    hits, found, true = np.zeros(3), np.zeros(3), np.zeros(3)
    for clip in clips:
        for column, label in enumerate(_LABELS):
            for second in range(5):
                said = (clip.scores_FC[second * 10 : second * 10 + 10, column] > 0.6).any()
                holds = any(e.label == label and e.start_s < second + 1 and e.end_s > second for e in clip.events)
                hits[column] += said and holds
                found[column] += said
                true[column] += holds
    assert scores.segment_f1_macro.value == pytest.approx((2 * hits / (found + true)).mean())
    assert scores.segment_f1_micro.value == pytest.approx(2 * hits.sum() / (found + true).sum())


def test_figures_equal_what_the_package_says_of_the_same_scores() -> None:
    clips, library = _clips(0.7), detection._library()
    scores = score_detection(clips, _LABELS, np.random.default_rng(0), threshold=0.6, num_psds_resamples=2)
    names = ["p", "q", "r"]
    frames, events, durations_s = {}, {}, {}
    for clip in clips:
        times_s = np.round(np.arange(51) * _HOP_S, 6)
        frame = library.base_modules.scores.create_score_dataframe(clip.scores_FC, times_s, names)
        frames[clip.clip] = frame.astype(dict.fromkeys(names, np.float32))
        events[clip.clip] = [(e.start_s, e.end_s, names[_LABELS.index(e.label)]) for e in clip.events]
        durations_s[clip.clip] = 5.0
    f1s, *_ = library.segment_based.fscore(frames, events, durations_s, 0.6, segment_length=1.0)
    assert scores.segment_f1_macro.value == pytest.approx(f1s["macro_average"])
    assert scores.segment_f1_micro.value == pytest.approx(f1s["micro_average"])
    first, *_ = library.intersection_based.psds(
        frames, events, durations_s, dtc_threshold=0.7, gtc_threshold=0.7, alpha_st=1.0, max_efpr=100.0
    )
    second, *_ = library.intersection_based.psds(
        frames,
        events,
        durations_s,
        dtc_threshold=0.1,
        gtc_threshold=0.1,
        cttc_threshold=0.3,
        alpha_ct=0.5,
        alpha_st=1.0,
        max_efpr=100.0,
    )
    assert scores.psds_2 is not None
    assert (scores.psds_1.value, scores.psds_2.value) == pytest.approx((first, second))


def test_labels_without_events_are_named_and_one_label_has_no_second_scenario() -> None:
    clips = [
        ClipFrames(clip.clip, np.concatenate([clip.scores_FC, clip.scores_FC], axis=1), clip.hop_s, clip.events)
        for clip in _clips(0.0, num_labels=1)
    ]
    scores = score_detection(
        clips, ("grows louder", "never"), np.random.default_rng(0), threshold=0.5, num_psds_resamples=2
    )
    assert scores.labels_without_events == ("never",)
    assert scores.psds_2 is None
    assert scores.psds_1.value == pytest.approx(1.0)


def test_events_that_touch_overlap_or_pass_the_end_are_joined_and_cut() -> None:
    scores = np.zeros((50, 1))
    scores[10:] = 1.0
    events = ((1.0, 3.0), (2.0, 2.5), (3.0, 9.0))
    clip = ClipFrames("c", scores, _HOP_S, tuple(Event(label="x", start_s=s, end_s=e) for s, e in events))
    found = score_detection([clip], ("x",), np.random.default_rng(0), threshold=0.5, num_psds_resamples=2)
    assert found.num_events == 1
    assert (found.psds_1.value, found.segment_f1_macro.value) == (1.0, 1.0)


def test_inputs_that_do_not_fit_are_refused() -> None:
    rng = np.random.default_rng(0)
    clip = _clip("c", 0.5, rng)
    silent = ClipFrames("c", clip.scores_FC, _HOP_S, ())
    late = ClipFrames("c", clip.scores_FC, _HOP_S, (Event(label="onset", start_s=5.0, end_s=6.0),))
    broken = ClipFrames("c", clip.scores_FC * np.nan, _HOP_S, clip.events)
    for clips, labels, message in (
        ([clip, clip], _LABELS, "same name"),
        ([silent], _LABELS, "no clip of the detection set has a true event"),
        ([], _LABELS, "no clip of the detection set has a true event"),
        ([clip], _LABELS[:2], "expected frames x 2 scores"),
        ([clip], ("grows louder", "onset", "other"), "none of the 3 labels"),
        ([late], _LABELS, "starts after the last frame"),
        ([broken], _LABELS, "not finite"),
    ):
        with pytest.raises(UsageError, match=message):
            score_detection(clips, labels, rng, threshold=0.5)


def test_the_package_is_imported_without_a_warning_and_only_when_it_is_needed() -> None:
    code = (
        "import sys, fcaps_pipeline.learn.evaluation.metrics.detection as d\n"
        "assert 'sed_scores_eval' not in sys.modules\n"
        "d._library()\n"
        "assert 'sed_scores_eval' in sys.modules"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
