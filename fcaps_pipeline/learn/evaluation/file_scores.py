"""Compares audio files with texts: `score` for one file and several texts, `rank` for several files and one text.

Enters: a model, paths, texts. Leaves: similarities, which are cosines, and probabilities
where the model has learnt to give them.
"""

from collections.abc import Sequence
from pathlib import Path

import torch

from fcaps_pipeline.learn.dual_encoder.model import DualEncoder
from fcaps_pipeline.learn.evaluation.embedder import BadItem, Embedder
from fcaps_pipeline.records.base import Record

_BIAS_ROUNDING = 1e-3


class TextScore(Record):
    """One text beside the file."""

    text: str
    similarity: float
    """Cosine, from -1 to 1: `DualEncoder.similarity`."""
    share: float | None
    """Softmax of the scaled cosines over the texts given; None for a single text."""
    probability: float | None
    """Of text and speech belonging together; None where no sigmoid objective has calibrated the model."""


class FileScores(Record):
    """All texts beside one file, in their order."""

    audio: str
    texts: tuple[TextScore, ...]
    num_cut_texts: int
    """Texts that were longer than the text tower takes and were cut."""


class RankedFile(Record):
    """One file beside the text."""

    rank: int
    """Counted from 1, the best first."""
    audio: str
    similarity: float
    probability: float | None
    """As in `TextScore`."""


class Ranking(Record):
    """The files that could be used, best first."""

    text: str
    files: tuple[RankedFile, ...]
    bad_items: tuple[BadItem, ...]
    num_cut_texts: int


def score_texts(embedder: Embedder, audio: Path, texts: Sequence[str]) -> FileScores:
    """Compares one file with texts.

    Raises:
        RecordingError: the file cannot be used.
        UsageError: no text, an empty one, or one too long where the model refuses long texts.
    """
    embedded = embedder.texts(texts)
    speech_BE = embedder.files([audio]).speech_BE
    with torch.no_grad():
        similarities = embedder.model.similarity(speech_BE, embedded.text_NE)[0].tolist()
        logits_N = embedder.model.softmax_logits(speech_BE, embedded.text_NE)[0]
        shares = logits_N.softmax(0).tolist() if len(texts) > 1 else [None]
        probabilities = _probabilities(embedder.model, speech_BE, embedded.text_NE)[0]
    columns = zip(texts, similarities, shares, probabilities, strict=True)
    return FileScores(
        audio=str(audio),
        texts=tuple(TextScore(text=t, similarity=c, share=s, probability=p) for t, c, s, p in columns),
        num_cut_texts=embedded.num_cut,
    )


def rank_files(embedder: Embedder, paths: Sequence[Path], text: str) -> Ranking:
    """Sorts files by how well they fit a text; of equally good ones the first given stands first.

    Raises:
        RecordingError: none of the files can be used.
        UsageError: the text is empty, or too long where the model refuses long texts.

    Source: best-of-N of ParaSpeechCLAP, arXiv 2603.28737.
    """
    embedded = embedder.texts([text])
    files = embedder.files(paths)
    with torch.no_grad():
        similarities = embedder.model.similarity(files.speech_BE, embedded.text_NE)[:, 0].tolist()
        probabilities = _probabilities(embedder.model, files.speech_BE, embedded.text_NE)
    order = sorted(range(len(files.kept)), key=lambda row: -similarities[row])
    return Ranking(
        text=text,
        files=tuple(
            RankedFile(
                rank=rank,
                audio=str(paths[files.kept[row]]),
                similarity=similarities[row],
                probability=probabilities[row][0],
            )
            for rank, row in enumerate(order, start=1)
        ),
        bad_items=files.bad_items,
        num_cut_texts=embedded.num_cut,
    )


def _probabilities(
    model: DualEncoder, speech_BE: torch.Tensor, text_NE: torch.Tensor
) -> list[list[float]] | list[list[None]]:
    """Only sigmoid objectives move the bias; where it stands as it began, the sigmoid says nothing."""
    if abs(float(model.clip_scale.bias) - model.config.initial_bias) < _BIAS_ROUNDING:
        return [[None] * len(text_NE) for _ in speech_BE]
    probabilities: list[list[float]] = model.match_logits(speech_BE, text_NE).sigmoid().tolist()
    return probabilities
