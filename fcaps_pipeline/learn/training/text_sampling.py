"""Which texts the rows of a batch bring: captions, changed captions, and phrases with their times.

Enters: rows of a batch, the sections of the job, a step. Leaves: texts. What a row draws depends on
the seed, the epoch and the row alone, so that ranks, workers and restarts change nothing.

Shape suffixes: B rows, K captions of a row.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from fcaps_pipeline.attributes.flipping import flip_attribute
from fcaps_pipeline.learn.data.batches import TrainingRow
from fcaps_pipeline.learn.data.randomness import Stream, seed_sequence
from fcaps_pipeline.learn.training.caption_pairs import draw_pair, draw_task, global_and_fine_share
from fcaps_pipeline.learn.training.objective_config import OneEach, TwoTexts
from fcaps_pipeline.learn.training.phrase_clusters import PhraseBank, phrase_cluster
from fcaps_pipeline.records.captions import Granularity

Span = tuple[float, float]


@dataclass(frozen=True)
class StepContext:
    """Where in the training something is drawn."""

    seed: int
    epoch: int
    step: int
    """Over all epochs, from 0."""
    num_steps: int

    def row_generator(self, stream: Stream, row: int, *, slot: int = 0) -> np.random.Generator:
        """Draws of one row; the same whatever batch it is in."""
        return np.random.default_rng(seed_sequence(self.seed, stream, epoch=self.epoch, row=row, number=slot))


@dataclass(frozen=True)
class DrawnCaptions:
    """What the rows bring, `slots[k][b]`."""

    slots: tuple[tuple[str, ...], ...]
    weights: tuple[float, ...]
    """Share of each slot in the speech-to-text target."""
    num_substituted: int
    """Rows that lacked what the batch asked for and brought other captions."""


@dataclass(frozen=True)
class LabelledPhrase:
    """A phrase that a row is asked about."""

    phrase: str
    spans_s: tuple[Span, ...]
    """When it is heard; empty for a negative."""


def draw_captions(rows: Sequence[TrainingRow], captions: OneEach | TwoTexts, context: StepContext) -> DrawnCaptions:
    """Draws the captions of a batch."""
    if isinstance(captions, TwoTexts):
        return _draw_two(rows, captions, context)
    slots: list[tuple[str, ...]] = []
    for slot, granularity in enumerate(captions.granularities):
        choices = [_captions(row, granularity) for row in rows]
        generators = [context.row_generator(Stream.CAPTIONS, row.row, slot=slot) for row in rows]
        slots.append(tuple(c[g.integers(len(c))] for c, g in zip(choices, generators, strict=True)))
    return DrawnCaptions(tuple(slots), (1 / len(slots),) * len(slots), 0)


def draw_flips(
    rows: Sequence[TrainingRow], texts: Sequence[str], per_row: int, context: StepContext
) -> list[tuple[str, ...]]:
    """Distinct copies of the text of each row with one attribute changed; fewer, or none, where none is certain."""
    generators = [context.row_generator(Stream.FLIPS, row.row) for row in rows]
    return [_flips(text, per_row, generator) for text, generator in zip(texts, generators, strict=True)]


def draw_phrases(
    rows: Sequence[TrainingRow], bank: PhraseBank, phrases_per_row: int, context: StepContext
) -> list[tuple[LabelledPhrase, ...]]:
    """The phrases of each row with events, and others that happen elsewhere in the corpus.

    A row without events is asked nothing: what happens in it is not known.
    """
    asked: list[tuple[LabelledPhrase, ...]] = []
    for row in rows:
        phrases = _own_phrases(row)
        names = [one.phrase for one in phrases]
        count = max(0, phrases_per_row - len(names)) if names else 0
        others = bank.draw_negatives(names, count=count, generator=context.row_generator(Stream.PHRASES, row.row))
        asked.append((*phrases, *(LabelledPhrase(other, ()) for other in others)))
    return asked


def _draw_two(rows: Sequence[TrainingRow], captions: TwoTexts, context: StepContext) -> DrawnCaptions:
    share = global_and_fine_share(
        context.step, num_steps=context.num_steps, first=captions.first_share, last=captions.last_share
    )
    task = draw_task(share, np.random.default_rng(seed_sequence(context.seed, Stream.TASK, step=context.step)))
    pairs = [draw_pair(row, task, context.row_generator(Stream.CAPTIONS, row.row)) for row in rows]
    return DrawnCaptions(
        (tuple(pair.first for pair in pairs), tuple(pair.second for pair in pairs)),
        (captions.first_weight, 1 - captions.first_weight),
        sum(pair.is_substituted for pair in pairs),
    )


def _flips(text: str, count: int, generator: np.random.Generator) -> tuple[str, ...]:
    flips = [flip_attribute(text, generator) for _ in range(count)]
    return tuple(dict.fromkeys(flip.text for flip in flips if flip is not None))


def _captions(row: TrainingRow, granularity: Granularity) -> tuple[str, ...]:
    return row.global_captions if granularity is Granularity.GLOBAL else row.fine_captions


def _own_phrases(row: TrainingRow) -> tuple[LabelledPhrase, ...]:
    """One phrase per cluster, the first, with the times of all."""
    phrases: dict[Hashable, str] = {}
    spans: dict[str, list[Span]] = {}
    for event in row.events:
        phrase = phrases.setdefault(phrase_cluster(event.phrase), event.phrase)
        spans.setdefault(phrase, []).append((event.start_s, event.end_s))
    return tuple(LabelledPhrase(phrase, tuple(times)) for phrase, times in spans.items())
