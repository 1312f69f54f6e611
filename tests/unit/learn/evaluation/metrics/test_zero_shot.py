"""Templates become sentences, sentences become label vectors, and a clip gets the nearest label."""

from pathlib import Path

import numpy as np
import pytest
import torch

from fcaps_pipeline.errors import UsageError
from fcaps_pipeline.learn.evaluation.corpora.labelled_clips import AGE_GROUPS
from fcaps_pipeline.learn.evaluation.metrics.zero_shot import (
    LabelSentences,
    label_vectors,
    load_label_sentences,
    predict_labels,
)


def _sentences(labels: tuple[str, ...], owners: tuple[int, ...]) -> LabelSentences:
    texts = tuple(f"s{number}" for number in range(len(owners)))
    return LabelSentences(reference="x.v1", sha256="0", labels=labels, sentences=texts, owners=owners)


def test_shipped_templates_say_what_clsp_says() -> None:
    assert load_label_sentences("zero_shot_emotion.v1", ("happy", "sad")).sentences == (
        "A speaker in a happy tone.",
        "A speaker in a sad tone.",
    )
    assert load_label_sentences("zero_shot_gender.v1", ("male", "female")).sentences == (
        "A male speaker.",
        "A female speaker.",
    )
    ages = load_label_sentences("zero_shot_age.v1", AGE_GROUPS)
    assert ages.sentences[0] == "A child or young teenager speaker."
    assert ages.owners == (0, 1, 2, 3)


def test_several_templates_give_several_sentences_per_label() -> None:
    sentences = load_label_sentences("zero_shot_emotion.v2", ("happy", "sad"))
    assert sentences.owners == (0,) * 4 + (1,) * 4
    assert all("sad" in text for text in sentences.sentences[4:])


def test_both_kinds_of_lines_go_together(tmp_path: Path) -> None:
    (tmp_path / "mine.v1.txt").write_text("A {x} voice.\n\nsad: Someone close to tears: sobbing.\n")
    sentences = load_label_sentences(str(tmp_path / "mine.v1.txt"), ("happy", "sad"))
    assert sentences.sentences == ("A happy voice.", "A sad voice.", "Someone close to tears: sobbing.")
    assert sentences.owners == (0, 1, 1)


def test_lines_of_neither_kind_and_labels_without_a_sentence_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.v1.txt"
    path.write_text("happy: A happy voice.\n")
    with pytest.raises(UsageError, match="no sentence for sad, angry"):
        load_label_sentences(str(path), ("happy", "sad", "angry"))
    path.write_text("A voice.\n")
    with pytest.raises(UsageError, match=r"'A voice.' has neither \{x\} nor"):
        load_label_sentences(str(path), ("happy",))


def test_sentences_of_a_label_are_averaged_as_unit_vectors() -> None:
    sentences = np.array([[3, 0, 0], [0, 0.5, 0], [0, 0, 2]], dtype=np.float32)
    vectors = label_vectors(sentences, _sentences(("a", "b"), (0, 0, 1)))
    expected = torch.tensor([[0.5**0.5, 0.5**0.5, 0], [0, 0, 1]])
    torch.testing.assert_close(vectors, expected)


def test_a_clip_gets_the_nearest_label_the_first_of_equals_and_merged_ones_count_as_one() -> None:
    axes = np.eye(3, dtype=np.float32)
    clips = np.array([[0.1, 5, 0], [1, 0, 1], [0, 0, 0.01]], dtype=np.float32)
    labels = _sentences(("happy", "sad", "excited"), (0, 1, 2))
    assert predict_labels(clips, axes, labels, {}) == ("sad", "happy", "excited")
    assert predict_labels(clips, axes, labels, {"excited": "happy"}) == ("sad", "happy", "happy")


def test_embeddings_that_do_not_fit_are_refused() -> None:
    with pytest.raises(UsageError, match="2 embeddings were given for 3 sentences"):
        label_vectors(np.eye(2, dtype=np.float32), _sentences(("a", "b"), (0, 1, 1)))
    with pytest.raises(UsageError, match="label 0 is zero"):
        label_vectors(np.array([[1, 0], [-1, 0]], dtype=np.float32), _sentences(("a",), (0, 0)))
