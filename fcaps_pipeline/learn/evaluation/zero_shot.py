"""Zero-shot classification of a labelled corpus: emotion, and gender and age where the corpus tells them.

Enters: a model, a task. Leaves: its outcome, with published figures beside it where they may stand there.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from fcaps_pipeline.jobs.resources import resolve_path
from fcaps_pipeline.learn.evaluation.corpora.crema_d import CREMA_D_EMOTIONS
from fcaps_pipeline.learn.evaluation.corpora.iemocap import IEMOCAP_4_EMOTIONS, IEMOCAP_4_MERGES
from fcaps_pipeline.learn.evaluation.corpora.labelled_clips import (
    AGE_GROUPS,
    LabelledClip,
    LabelledCorpus,
    with_emotions,
)
from fcaps_pipeline.learn.evaluation.corpora.published import Comparison, compare, zero_shot_protocol
from fcaps_pipeline.learn.evaluation.corpora.ravdess import RAVDESS_EMOTIONS
from fcaps_pipeline.learn.evaluation.corpora.readers import READERS
from fcaps_pipeline.learn.evaluation.embedder import EmbeddedFiles, EmbeddedTexts, Embedder
from fcaps_pipeline.learn.evaluation.job import ZeroShotTask
from fcaps_pipeline.learn.evaluation.metrics.classification import ClassificationScores, score_classification
from fcaps_pipeline.learn.evaluation.metrics.zero_shot import LabelSentences, load_label_sentences, predict_labels
from fcaps_pipeline.learn.evaluation.outcomes import ZeroShotOutcome
from fcaps_pipeline.learn.evaluation.queries import QuerySet
from fcaps_pipeline.learn.evaluation.tables import passed_over_lines
from fcaps_pipeline.learn.evaluation.units import SPEAKERS

_GENDERS: Final = ("male", "female")


@dataclass(frozen=True)
class _Emotions:
    labels: tuple[str, ...]
    merges: Mapping[str, str]
    """Emotions that are asked about on their own and count as another one."""


_EMOTIONS: Final = {
    "ravdess": _Emotions(RAVDESS_EMOTIONS, {}),
    "crema_d": _Emotions(CREMA_D_EMOTIONS, {}),
    "iemocap": _Emotions(IEMOCAP_4_EMOTIONS, IEMOCAP_4_MERGES),
}


@dataclass(frozen=True)
class _Question:
    name: str
    sentences: LabelSentences
    labels: tuple[str, ...]
    merges: Mapping[str, str]
    truths: dict[str, str]
    """The true label of each clip that has one, by path."""


@dataclass(frozen=True)
class _Answer:
    scores: ClassificationScores
    comparisons: tuple[Comparison, ...]
    queries: QuerySet


def measure_zero_shot(
    embedder: Embedder, task: ZeroShotTask, rng: np.random.Generator
) -> tuple[ZeroShotOutcome, list[QuerySet]]:
    """Measures one task.

    Args:
        embedder: the model.
        task: the corpus, and the sentences for its labels.
        rng: draws speakers for the intervals.

    Raises:
        UsageError: a prompt does not exist or has no sentence for a label.
        SourceError: the folder is missing or holds nothing of the corpus, or no label that was asked for.
        RecordingError: none of its files can be decoded.
    """
    corpus = READERS[task.corpus](resolve_path(task.folder))
    emotions = _EMOTIONS[task.corpus]
    if task.emotion is not None:
        corpus = with_emotions(corpus, emotions.labels, emotions.merges)
    questions = list(_questions(corpus, emotions, task))
    sentences = list(dict.fromkeys(text for one in questions for text in one.sentences.sentences))
    texts = embedder.texts(sentences)
    paths = [clip.path for clip in corpus.clips]
    files = embedder.files([Path(path) for path in paths])
    answers = {one.name: _answer(one, corpus, files, sentences, texts, rng) for one in questions}
    outcome = ZeroShotOutcome(
        unit=SPEAKERS,
        scores={name: answer.scores for name, answer in answers.items()},
        sentences={one.name: f"{one.sentences.reference} sha256:{one.sentences.sha256}" for one in questions},
        passed_over=corpus.passed_over_by_reason,
        corpus_lines=passed_over_lines(corpus),
        num_clips=len(files.kept),
        num_texts=len(sentences),
        num_cut_texts=texts.num_cut,
        bad_items=files.bad_items,
        notes=tuple(_not_told(corpus, task)),
        comparisons=tuple(item for answer in answers.values() for item in answer.comparisons),
    )
    return outcome, [answer.queries for answer in answers.values()]


def _questions(corpus: LabelledCorpus, emotions: _Emotions, task: ZeroShotTask) -> Iterator[_Question]:
    """Those that the task asks and the corpus answers."""
    if task.emotion is not None:
        asked = (*emotions.labels, *emotions.merges)
        yield _Question(
            name=f"{corpus.name}-{len(emotions.labels)}",
            sentences=load_label_sentences(task.emotion, asked),
            labels=emotions.labels,
            merges=emotions.merges,
            truths=_truths(corpus, lambda clip: clip.emotion),
        )
    for prompt, name, labels, label_of in (
        (task.gender, "gender", _GENDERS, lambda clip: clip.gender),
        (task.age, f"age-{len(AGE_GROUPS)}", AGE_GROUPS, lambda clip: clip.age_group),
    ):
        truths = _truths(corpus, label_of)
        if prompt is not None and truths:
            sentences = load_label_sentences(prompt, labels)
            yield _Question(f"{corpus.name} {name}", sentences, labels, {}, truths)


def _truths(corpus: LabelledCorpus, label_of: Callable[[LabelledClip], str | None]) -> dict[str, str]:
    return {clip.path: label for clip in corpus.clips if (label := label_of(clip)) is not None}


def _not_told(corpus: LabelledCorpus, task: ZeroShotTask) -> Iterator[str]:
    if task.gender is not None and all(clip.gender is None for clip in corpus.clips):
        yield f"{corpus.name} tells no gender here, so gender was not measured."
    if task.age is not None and all(clip.age_years is None for clip in corpus.clips):
        yield f"{corpus.name} tells no age here, so age was not measured."


def _answer(
    question: _Question,
    corpus: LabelledCorpus,
    files: EmbeddedFiles,
    sentences: Sequence[str],
    texts: EmbeddedTexts,
    rng: np.random.Generator,
) -> _Answer:
    rows = [row for row, position in enumerate(files.kept) if corpus.clips[position].path in question.truths]
    clips = [corpus.clips[files.kept[row]] for row in rows]
    truths = [question.truths[clip.path] for clip in clips]
    speakers = tuple(clip.speaker for clip in clips)
    number = {sentence: index for index, sentence in enumerate(sentences)}
    own = [number[sentence] for sentence in question.sentences.sentences]
    predictions = predict_labels(files.speech_BE[rows], texts.text_NE[own], question.sentences, question.merges)
    _, units_N = np.unique(speakers, return_inverse=True)
    scores = score_classification(truths, predictions, question.labels, rng, units_N=units_N)
    protocol = zero_shot_protocol(question.name, scores.num_clips, question.sentences)
    return _Answer(
        scores,
        (*compare("WA", scores.weighted_accuracy, protocol), *compare("UA", scores.unweighted_accuracy, protocol)),
        QuerySet(
            question.name,
            tuple(Path(clip.path).name for clip in clips),
            speakers,
            {"truth": np.array(truths), "prediction": np.array(predictions)},
        ),
    )
