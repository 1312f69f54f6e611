"""Sound event detection: which events happen when, told from one score per frame and label.

Enters: per clip, a probability per frame and label, and the true events. Leaves: segment-based F1 and PSDS, which
`sed_scores_eval` computes exactly over all thresholds, with intervals from drawing clips.
Suffixes: F frames, C labels, N clips.
Sources: Mesaros et al., Metrics for Polyphonic Sound Event Detection, 2016 (segment-based F1); Bilen et al., A
Framework for the Robust Evaluation of Sound Event Detection, 2020 (PSDS); Ebbers et al., Threshold Independent
Evaluation of Sound Event Detection Scores, 2022.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final

import numpy as np

from fcaps_pipeline.errors import DependencyError, UsageError
from fcaps_pipeline.learn.evaluation.metrics.confidence import Estimate, Floats, Metrics, Positions, metric_estimates
from fcaps_pipeline.learn.evaluation.metrics.grounding import Scores, Span
from fcaps_pipeline.records.base import Record

Deltas = dict[str, dict[str, Any]]

SEGMENT_S: Final = 1.0
"""Segments of one second. Source: DCASE challenges, segment-based metrics."""
_SCENARIOS: Final[tuple[dict[str, float | None], ...]] = (
    {"dtc_threshold": 0.7, "gtc_threshold": 0.7, "cttc_threshold": None, "alpha_ct": 0.0},
    {"dtc_threshold": 0.1, "gtc_threshold": 0.1, "cttc_threshold": 0.3, "alpha_ct": 0.5},
)
_ALPHA_ST, _MAX_FALSE_PER_HOUR = 1.0, 100.0
"""Scenario 1 asks for exact times, scenario 2 for the right label. Source: DCASE 2022 challenge, task 4."""
NUM_PSDS_RESAMPLES: Final = 200


class Event(Span):
    """One true event of a clip."""

    label: str


@dataclass(frozen=True)
class ClipFrames:
    """What a model says of all labels in one clip, beside the truth."""

    clip: str
    scores_FC: Scores
    """Probability of each label, 0 to 1."""
    hop_s: float
    events: tuple[Event, ...]
    unit: str | None = None
    """What is drawn for the intervals, such as the speaker; None draws the clip."""


class DetectionScores(Record):
    """Event detection over a set of clips."""

    labels: tuple[str, ...]
    labels_without_events: tuple[str, ...]
    """Asked for but never true in these clips, so not measured."""
    segment_f1_macro: Estimate
    """Mean F1 over labels."""
    segment_f1_micro: Estimate
    psds_1: Estimate
    """PSDS with the settings of scenario 1."""
    psds_2: Estimate | None
    """PSDS with the settings of scenario 2; None for a single label, which cannot be confused with another."""
    threshold: float
    """What a frame must exceed for F1."""
    num_clips: int
    num_events: int


@dataclass(frozen=True)
class _Inputs:
    """What `sed_scores_eval` takes; labels are numbers, so that a phrase may read anything."""

    scores: dict[str, Any]
    events: dict[str, list[tuple[float, float, str]]]
    durations_s: dict[str, float]


def score_detection(
    clips: Sequence[ClipFrames],
    labels: Sequence[str],
    rng: np.random.Generator,
    *,
    threshold: float,
    num_psds_resamples: int = NUM_PSDS_RESAMPLES,
) -> DetectionScores:
    """Scores the detection of all labels that truly occur.

    Args:
        clips: with scores in the order of `labels`. Events of one label that touch or overlap count as one.
        labels: what the scores stand for.
        rng: draws units for the intervals. A label without an event in a draw counts 0 there, which can only lower
            the interval.
        threshold: for F1; choose it on dev. PSDS runs over all thresholds.
        num_psds_resamples: draws for PSDS, which cost milliseconds each.

    Raises:
        UsageError: no clip, no event, doubled clips, an unknown label, or scores of another shape or not finite.
        DependencyError: `sed_scores_eval` cannot be imported.
    """
    _check(clips, labels)
    true = {event.label for clip in clips for event in clip.events}
    columns = [column for column, label in enumerate(labels) if label in true]
    library = _library()
    inputs = _inputs(clips, labels, columns, library)
    _, units_N = np.unique([clip.unit or clip.clip for clip in clips], return_inverse=True)
    f1_metric = _f1_metric(inputs, threshold, library)
    macro, micro = metric_estimates(f1_metric, len(clips), rng, groups_N=units_N)
    draws = _Draws(units_N, rng, num_psds_resamples)
    psds = [_psds(inputs, scenario, library, draws) for scenario in _SCENARIOS[: min(2, len(columns))]]
    return DetectionScores(
        labels=tuple(labels),
        labels_without_events=tuple(label for label in labels if label not in true),
        segment_f1_macro=macro,
        segment_f1_micro=micro,
        psds_1=psds[0],
        psds_2=psds[1] if len(psds) > 1 else None,
        threshold=threshold,
        num_clips=len(clips),
        num_events=sum(map(len, inputs.events.values())),
    )


def _library() -> ModuleType:
    """Imports `sed_scores_eval`, whose dependency dcase_util still asks pkg_resources for its version."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pkg_resources warns in several classes, by version of setuptools
            import sed_scores_eval
    except ImportError as error:
        raise DependencyError(
            f"sed_scores_eval cannot be imported ({error}); install it with `setuptools<81`, which has pkg_resources"
        ) from error
    module: ModuleType = sed_scores_eval
    return module


def _check(clips: Sequence[ClipFrames], labels: Sequence[str]) -> None:
    if len({clip.clip for clip in clips}) != len(clips):
        raise UsageError("two clips of the detection set have the same name; names must differ")
    if not any(clip.events for clip in clips):
        raise UsageError("no clip of the detection set has a true event; event detection needs timed events")
    for clip in clips:
        if clip.scores_FC.ndim != 2 or clip.scores_FC.shape[1] != len(labels) or len(clip.scores_FC) == 0:
            raise UsageError(f"clip {clip.clip}: expected frames x {len(labels)} scores, found {clip.scores_FC.shape}")
        if not np.isfinite(clip.scores_FC).all():
            raise UsageError(f"clip {clip.clip}: a frame score is not finite")
        duration_s = len(clip.scores_FC) * clip.hop_s
        for event in clip.events:
            if event.label not in labels or event.start_s >= duration_s:
                raise UsageError(
                    f"clip {clip.clip}: event {event.label!r} at {event.start_s} s is none of the {len(labels)} labels "
                    f"or starts after the last frame at {duration_s:g} s"
                )


def _inputs(clips: Sequence[ClipFrames], labels: Sequence[str], columns: Sequence[int], library: ModuleType) -> _Inputs:
    names = {labels[column]: str(column) for column in columns}
    scores, events, durations_s = {}, {}, {}
    for clip in clips:
        times_s = np.round(np.arange(len(clip.scores_FC) + 1) * clip.hop_s, 6)
        frame = library.base_modules.scores.create_score_dataframe(
            np.asarray(clip.scores_FC)[:, columns], times_s, list(names.values())
        )
        # float32, because the library (0.0.4) then copies: it cannot work on the read-only float64 views of pandas 3
        scores[clip.clip] = frame.astype(dict.fromkeys(names.values(), np.float32))
        durations_s[clip.clip] = float(times_s[-1])
        events[clip.clip] = [
            (start_s, end_s, names[label])
            for label in sorted({event.label for event in clip.events})
            for start_s, end_s in _merged([event for event in clip.events if event.label == label], float(times_s[-1]))
        ]
    return _Inputs(scores, events, durations_s)


def _merged(events: Sequence[Event], duration_s: float) -> list[tuple[float, float]]:
    """Events of one label, cut at the end of the clip; those that touch or overlap become one."""
    merged: list[tuple[float, float]] = []
    for event in sorted(events, key=lambda item: item.start_s):
        start_s, end_s = event.start_s, min(event.end_s, duration_s)
        if merged and start_s <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end_s))
        else:
            merged.append((start_s, end_s))
    return merged


def _f1_metric(inputs: _Inputs, threshold: float, library: ModuleType) -> Metrics:
    """Macro and micro F1 as a function of drawn clips, from the counts of each clip."""
    deltas: Deltas = library.segment_based.intermediate_statistics.intermediate_statistics_deltas(
        inputs.scores, inputs.events, inputs.durations_s, segment_length=SEGMENT_S
    )
    counts_N3C = np.array([_counts(deltas[clip], threshold) for clip in inputs.scores])

    def metric(positions: Positions) -> tuple[float, float]:
        hits_C, found_C, true_C = counts_N3C[positions].sum(axis=0)
        occurs_C = true_C > 0
        macro = 2 * hits_C[occurs_C] / (found_C + true_C)[occurs_C]
        if not len(macro):
            return float("nan"), float("nan")
        return float(macro.mean()), float(2 * hits_C.sum() / (found_C + true_C).sum())

    return metric


def _counts(of_labels: dict[str, Any], threshold: float) -> Floats:
    """Hits, found and true segments of one clip, one row each, one column per label."""
    columns = []
    for scores, changes in of_labels.values():
        found, true = scores > threshold, np.asarray(changes["tps"], dtype=bool)
        columns.append(((found & true).sum(), found.sum(), true.sum()))
    return np.array(columns, dtype=np.float64).T


@dataclass(frozen=True)
class _Draws:
    units_N: Positions
    rng: np.random.Generator
    count: int


def _psds(inputs: _Inputs, scenario: dict[str, float | None], library: ModuleType, draws: _Draws) -> Estimate:
    criteria = {name: scenario[name] for name in ("dtc_threshold", "gtc_threshold", "cttc_threshold")}
    deltas: Deltas = library.intersection_based.intermediate_statistics.intermediate_statistics_deltas(
        inputs.scores, inputs.events, **criteria
    )
    clips = list(inputs.scores)

    def metric(positions: Positions) -> tuple[float]:
        drawn = {f"{number}": clips[position] for number, position in enumerate(positions)}
        value, *_ = library.intersection_based.psds(
            None,
            {name: inputs.events[clip] for name, clip in drawn.items()},
            {name: inputs.durations_s[clip] for name, clip in drawn.items()},
            deltas={name: deltas[clip] for name, clip in drawn.items()},
            alpha_st=_ALPHA_ST,
            max_efpr=_MAX_FALSE_PER_HOUR,
            **scenario,
        )
        return (float(value),)

    (estimate,) = metric_estimates(metric, len(clips), draws.rng, groups_N=draws.units_N, num_resamples=draws.count)
    return estimate
