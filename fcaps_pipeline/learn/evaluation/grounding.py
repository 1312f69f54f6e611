"""When a phrase is heard: phrase grounding and event detection on rows with timed events.

Enters: a model with a frame projector, a task. Leaves: its outcome. A row without events is not asked: what happens in
it is not known. Frames score a phrase by the sigmoid of their calibrated cosine.
Shape suffixes: F frames of a clip, P phrases, U distinct phrases, C labels, E embedding.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from fcaps_pipeline.errors import ModelError, UsageError
from fcaps_pipeline.learn.data.batches import TrainingRow
from fcaps_pipeline.learn.data.catalogue import Catalogue
from fcaps_pipeline.learn.evaluation.embedder import BadItem, Embedder
from fcaps_pipeline.learn.evaluation.job import GroundingTask
from fcaps_pipeline.learn.evaluation.metrics.detection import ClipFrames, DetectionScores, Event, score_detection
from fcaps_pipeline.learn.evaluation.metrics.grounding import (
    PhraseFrames,
    Scores,
    Span,
    score_grounding,
    score_phrases,
)
from fcaps_pipeline.learn.evaluation.outcomes import GroundingOutcome
from fcaps_pipeline.learn.evaluation.queries import QuerySet
from fcaps_pipeline.learn.evaluation.rows import read_evaluation_rows
from fcaps_pipeline.learn.evaluation.units import units_of_rows

_NUM_THRESHOLDS = 19
_MAX_DEV_SCORES = 1_000_000


@dataclass(frozen=True)
class _Timed:
    """Rows with events, and how many rows have each phrase."""

    catalogue: Catalogue
    phrases: Counter[str]

    def most_frequent(self, count: int) -> tuple[str, ...]:
        return tuple(sorted(self.phrases, key=lambda phrase: (-self.phrases[phrase], phrase))[:count])


@dataclass(frozen=True)
class _Heard:
    """What the model says of one row."""

    phrases: tuple[PhraseFrames, ...]
    labels: ClipFrames
    num_late: int
    """Events after the last frame."""


@dataclass(frozen=True)
class _HeardSplit:
    """What the model says of a split."""

    rows: tuple[_Heard, ...]
    unit: str
    """What the rows are drawn by, in the plural."""
    bad_items: tuple[BadItem, ...]
    num_cut_texts: int

    @property
    def phrases(self) -> list[PhraseFrames]:
        return [phrase for row in self.rows for phrase in row.phrases]


def measure_grounding(
    embedder: Embedder, task: GroundingTask, rng: np.random.Generator
) -> tuple[GroundingOutcome, list[QuerySet]]:
    """Measures one task. The threshold holds for grounding and for the F1 of event detection.

    Args:
        embedder: the model.
        task: its rows and settings.
        rng: draws speakers for the intervals.

    Raises:
        ModelError: the model has no frame projector.
        UsageError: a split is empty or leaks, the model was trained on its rows, or it has no row with events.
        CorruptRunError: a run is not finished, of another version or damaged, or no row can be used.
        DependencyError: event detection is asked for and its package is missing.
    """
    if embedder.model.frame_projector is None:
        raise ModelError(
            "grounding needs a model with a frame projector; train one with a `frames` section in its model"
        )
    rows = read_evaluation_rows(task.splits, embedder.training_hashes)
    timed = _timed_rows(rows.test, "to measure")
    threshold = task.threshold
    if threshold is None:
        assert rows.dev is not None, "the job refuses whole runs without a threshold"
        threshold = _choose_threshold(_hear(embedder, _timed_rows(rows.dev, "of dev"), ()), task.median_frames)
    labels = timed.most_frequent(task.max_labels)
    heard = _hear(embedder, timed, labels)
    outcome = GroundingOutcome(
        scores=score_grounding(heard.phrases, rng, threshold=threshold, median_frames=task.median_frames),
        detection=_detect(heard, labels, threshold, rng) if labels else None,
        unit=heard.unit,
        num_clips=len(heard.rows),
        num_texts=len(timed.phrases),
        num_cut_texts=heard.num_cut_texts,
        bad_items=heard.bad_items,
        notes=(*_notes(task, len(rows.test), timed, heard, threshold), *rows.notes),
    )
    scored_N2 = score_phrases(heard.phrases, threshold=threshold, median_frames=task.median_frames)
    return outcome, [
        QuerySet(
            "phrases",
            tuple(f"{one.clip}: {one.phrase}" for one in heard.phrases),
            tuple(one.unit or one.clip for one in heard.phrases),
            {"iou": scored_N2[:, 0], "pointing": scored_N2[:, 1]},
        )
    ]


def _timed_rows(catalogue: Catalogue, what: str) -> _Timed:
    """Reads the events alone, so that no audio of other rows is decoded."""
    kept: list[int] = []
    phrases: Counter[str] = Counter()
    start = 0
    for table in catalogue.tables(("events",)):
        events = table["events"].to_pylist()
        kept += [start + offset for offset, one in enumerate(events) if one]
        start += len(events)
        phrases.update(
            phrase for one in events for phrase in {event["phrase"] for event in one or ()} if _says_something(phrase)
        )
    if not kept:
        raise UsageError(
            f"none of {len(catalogue)} rows {what} has timed events; "
            "give runs whose shards have the column `events`, or leave grounding out"
        )
    return _Timed(catalogue.take(np.array(kept)), phrases)


def _says_something(phrase: str | None) -> bool:
    """False for the phrase of a row that will be named as a bad one."""
    return phrase is not None and bool(phrase.strip())


def _hear(embedder: Embedder, timed: _Timed, labels: Sequence[str]) -> _HeardSplit:
    bad: list[BadItem] = []
    phrases = sorted(timed.phrases)
    texts = embedder.texts(phrases)
    number = {phrase: index for index, phrase in enumerate(phrases)}
    rows: list[TrainingRow] = []
    frames: list[Scores] = []
    for batch in embedder.batches(timed.catalogue, bad):
        with embedder.inference():
            frames_BFE, mask_BF = embedder.model.encode_frames(batch.audio_BT, batch.lengths_B)
            for row, frames_FE, num_frames in zip(batch.rows, frames_BFE, mask_BF.sum(dim=1).tolist(), strict=True):
                asked_PE = texts.text_NE[[number[phrase] for phrase in (*_own_phrases(row), *labels)]]
                rows.append(row)
                frames.append(_probabilities(embedder, frames_FE[:num_frames], asked_PE))
    units = units_of_rows(rows)
    hop_s = 1 / embedder.model.frame_rate_hz
    heard = [
        _heard(row, labels, scores_FP, unit, hop_s)
        for row, scores_FP, unit in zip(rows, frames, units.names, strict=True)
    ]
    return _HeardSplit(tuple(heard), units.word, tuple(bad), texts.num_cut)


def _probabilities(embedder: Embedder, frames_FE: Tensor, phrases_PE: Tensor) -> Scores:
    return embedder.model.frame_logits(frames_FE[None], phrases_PE)[0].sigmoid().cpu().numpy()


def _own_phrases(row: TrainingRow) -> list[str]:
    return list(dict.fromkeys(event.phrase for event in row.events))


def _heard(row: TrainingRow, labels: Sequence[str], scores_FP: Scores, unit: str, hop_s: float) -> _Heard:
    """Some towers make no frame of the last milliseconds; an event that begins there cannot be found."""
    own = _own_phrases(row)
    last_s = len(scores_FP) * hop_s
    clip = f"{row.segment_id}, row {row.row}"
    events = [event for event in row.events if event.start_s < last_s]
    spans = {
        phrase: tuple(Span(start_s=e.start_s, end_s=e.end_s) for e in events if e.phrase == phrase) for phrase in own
    }
    return _Heard(
        phrases=tuple(
            PhraseFrames(clip, phrase, scores_FP[:, column], hop_s, spans[phrase], unit)
            for column, phrase in enumerate(own)
            if spans[phrase]
        ),
        labels=ClipFrames(
            clip=clip,
            scores_FC=scores_FP[:, len(own) :],
            hop_s=hop_s,
            events=tuple(Event(label=e.phrase, start_s=e.start_s, end_s=e.end_s) for e in events if e.phrase in labels),
            unit=unit,
        ),
        num_late=len(row.events) - len(events),
    )


def _choose_threshold(dev: _HeardSplit, median_frames: int) -> float:
    """Of the quantiles of the frame scores the one with the best mean IoU; the lowest of equally good ones."""
    scores = np.concatenate([phrase.scores_F for phrase in dev.phrases])[:_MAX_DEV_SCORES]
    candidates = np.unique(np.quantile(scores, np.arange(1, _NUM_THRESHOLDS + 1) / (_NUM_THRESHOLDS + 1)))
    ious = [
        score_grounding(dev.phrases, np.random.default_rng(0), threshold=float(one), median_frames=median_frames)
        for one in candidates
    ]
    return float(candidates[int(np.argmax([one.mean_iou.value for one in ious]))])


def _detect(heard: _HeardSplit, labels: Sequence[str], threshold: float, rng: np.random.Generator) -> DetectionScores:
    return score_detection([row.labels for row in heard.rows], labels, rng, threshold=threshold)


def _notes(task: GroundingTask, num_rows: int, timed: _Timed, heard: _HeardSplit, threshold: float) -> Iterator[str]:
    chosen = "as the job says" if task.threshold is not None else "the best on dev"
    yield f"{len(timed.catalogue)} of {num_rows} rows have timed events; the threshold is {threshold:.4g}, {chosen}."
    if 0 < task.max_labels < len(timed.phrases):
        yield f"Event detection asks for the {task.max_labels} most frequent of {len(timed.phrases)} phrases."
    if late := sum(row.num_late for row in heard.rows):
        yield f"{late} events begin after the last frame and were left out."
