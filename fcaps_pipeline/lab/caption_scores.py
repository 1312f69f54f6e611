"""Holds what captions state against the known truth of synthetic speech.

Enters: per clip its `SpeechTruth` and the `StatedAttributes` of its caption. Leaves: counts per clip,
and correctness, coverage and invention with intervals. Attributes that the truth does not know, such
as an accent or a mood, are counted as unjudged and enter no share. Suffixes: N clips, K counts.
"""

from collections.abc import Iterator, Sequence
from typing import get_args

import numpy as np

from fcaps_pipeline.attributes.stated import Quantity, StatedAttributes
from fcaps_pipeline.lab.synthesis.truth import SpeechTruth
from fcaps_pipeline.learn.evaluation.metrics.confidence import Estimate, metric_estimates
from fcaps_pipeline.records.base import Record
from fcaps_pipeline.records.captions import GlobalCaption

_TRAITS = ("gender", "pitch", "rate", "volume")
_QUANTITIES: tuple[Quantity, ...] = get_args(Quantity)


class CaptionCounts(Record):
    """One caption against the truth of its clip."""

    num_stated: int = 0
    """Statements that the truth can judge."""
    num_correct: int = 0
    num_true: int
    """Attributes that are true and worth stating: the traits, a whisper, every change, pauses where there are any."""
    num_covered: int = 0
    """Of those, the ones stated correctly."""
    num_invented: int = 0
    """Changes and pauses stated that did not happen."""
    num_unjudged: int = 0
    """Statements that the truth knows nothing of."""


class CaptionScores(Record):
    """Figures of one way to caption, over all clips with speech."""

    correctness: Estimate
    """Share of the judged statements that are true."""
    coverage: Estimate
    """Share of the true attributes that are stated."""
    invention: Estimate
    """Share of the clips whose caption states a change or pause that did not happen."""
    num_clips: int
    num_without_caption: int
    """Clips whose candidates were all dropped: they cover nothing and state nothing."""
    num_unjudged: int


def stated_by_fields(caption: GlobalCaption) -> StatedAttributes:
    """What the fields of a global caption state; `unknown` states nothing."""
    known = {name: value for name in _TRAITS if (value := getattr(caption, name)) != "unknown"}
    words = {name: value for name in ("age_group", "accent") if (value := getattr(caption, name)) != "unknown"}
    return StatedAttributes(**known, **words)


def count(truth: SpeechTruth, stated: StatedAttributes | None) -> CaptionCounts:
    """Counts the statements of one caption.

    Args:
        truth: of the clip.
        stated: by its caption; None where the clip has no caption.
    """
    known = [name for name in _TRAITS if getattr(truth, name) is not None]
    whispers = truth.voice_quality == "whisper"
    num_true = len(known) + whispers + sum(1 for _ in _true_changes(truth)) + bool(truth.pauses)
    if stated is None or not stated.speech:
        return CaptionCounts(num_true=num_true, num_stated=0 if stated is None else 1)
    traits = [value == getattr(truth, name) for name in _TRAITS if (value := getattr(stated, name)) is not None]
    changes = [change in set(_true_changes(truth)) for change in _distinct_changes(stated)]
    pauses = _judged_pauses(truth, stated)
    says_whisper = "whisper" in stated.voice_qualities
    says_pause = stated.pauses is not None and stated.pauses.count != "none"
    return CaptionCounts(
        num_stated=len(traits) + says_whisper + len(changes) + len(pauses),
        num_correct=sum(traits) + (whispers and says_whisper) + sum(changes) + sum(pauses),
        num_true=num_true,
        num_covered=sum(traits) + (whispers and says_whisper) + sum(changes) + (says_pause and bool(truth.pauses)),
        num_invented=changes.count(False) + (says_pause and not truth.pauses),
        num_unjudged=_num_unjudged(stated),
    )


def summarize(counts: Sequence[CaptionCounts], num_without_caption: int, rng: np.random.Generator) -> CaptionScores:
    """Shares over all clips, with intervals from drawing clips.

    Raises:
        UsageError: there is no clip, or no caption states anything.
    """
    table_NK = np.array(
        [[c.num_correct, c.num_stated, c.num_covered, c.num_true, c.num_invented > 0] for c in counts], np.float64
    ).reshape(-1, 5)

    def shares(positions: np.ndarray) -> tuple[float, float, float]:
        correct, stated, covered, true, invented = table_NK[positions].sum(axis=0)
        return (correct / stated if stated else float("nan"), covered / true, invented / len(positions))

    correctness, coverage, invention = metric_estimates(shares, len(counts), rng)
    return CaptionScores(
        correctness=correctness,
        coverage=coverage,
        invention=invention,
        num_clips=len(counts),
        num_without_caption=num_without_caption,
        num_unjudged=sum(c.num_unjudged for c in counts),
    )


def _true_changes(truth: SpeechTruth) -> Iterator[tuple[str, str]]:
    courses = {"loudness": truth.loudness, "pitch": truth.pitch_course, "rate": truth.rate_course}
    for quantity in _QUANTITIES:
        if courses[quantity] != "steady":
            yield quantity, courses[quantity]


def _distinct_changes(stated: StatedAttributes) -> list[tuple[str, str]]:
    return list(dict.fromkeys((one.quantity, one.direction) for one in stated.courses))


def _judged_pauses(truth: SpeechTruth, stated: StatedAttributes) -> list[bool]:
    """Whether there are pauses, and, where one is placed and one is there, its place."""
    if stated.pauses is None:
        return []
    judged = [(stated.pauses.count != "none") == bool(truth.pauses)]
    if stated.pauses.place is not None and len(truth.pauses) == 1:
        judged.append(stated.pauses.place == truth.pauses[0].place)
    return judged


def _num_unjudged(stated: StatedAttributes) -> int:
    singles = (stated.age_group, stated.accent)
    qualities = [quality for quality in stated.voice_qualities if quality != "whisper"]
    many = (stated.emotions, stated.timbre, qualities, stated.sounds)
    return sum(one is not None for one in singles) + sum(len(group) for group in many)
