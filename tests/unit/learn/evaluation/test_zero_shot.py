"""Labels and figures equal those of a slow nearest neighbour; what a corpus does not tell is not measured."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from fcaps_pipeline.errors import RecordingError, SourceError, UsageError
from fcaps_pipeline.learn.evaluation.corpora.crema_d import CREMA_D_EMOTIONS
from fcaps_pipeline.learn.evaluation.corpora.published import (
    CREMA_D_6,
    CREMA_D_AGE,
    IEMOCAP_4,
    RAVDESS_8,
    RAVDESS_GENDER,
)
from fcaps_pipeline.learn.evaluation.corpora.ravdess import RAVDESS_EMOTIONS
from fcaps_pipeline.learn.evaluation.embedder import Embedder
from fcaps_pipeline.learn.evaluation.job import ZeroShotTask
from fcaps_pipeline.learn.evaluation.zero_shot import measure_zero_shot
from tests.unit.learn.training.measured import slow_file, slow_text, tiny_embedder, write_tone

_EMOTION = "A speaker in a {} tone."


def _task(corpus: str, folder: Path, **changes: str | None) -> ZeroShotTask:
    return ZeroShotTask.model_validate({"kind": "zero_shot", "corpus": corpus, "folder": str(folder), **changes})


def _nearest(embedder: Embedder, paths: Iterable[Path], sentences: dict[str, str]) -> list[str]:
    texts = {label: slow_text(embedder.model, sentence) for label, sentence in sentences.items()}
    speech = [slow_file(embedder.model, path) for path in paths]
    labels = list(texts)
    return [labels[int(np.argmax(np.stack(list(texts.values())) @ one))] for one in speech]


def _confusion(truths: list[str], predictions: list[str], labels: tuple[str, ...]) -> list[list[int]]:
    pairs = list(zip(truths, predictions, strict=True))
    return [[pairs.count((true, predicted)) for predicted in labels] for true in labels]


def _write_ravdess(root: Path, num_clips: int) -> dict[Path, tuple[str, str]]:
    """Emotion and gender of each file."""
    truths = {}
    for number in range(num_clips):
        emotion, actor = number % 8, 1 + number % 4
        path = root / f"Actor_{actor:02d}/03-01-{emotion + 1:02d}-01-0{1 + number // 8}-01-{actor:02d}.wav"
        write_tone(path, 90 + 17 * number, 0.3 + 0.05 * number)
        truths[path] = (RAVDESS_EMOTIONS[emotion], "male" if actor % 2 else "female")
    return truths


def test_ravdess_equals_a_slow_nearest_neighbour(tmp_path: Path) -> None:
    truths = _write_ravdess(tmp_path, 12)
    (tmp_path / "read-me.txt").write_text("hello")
    embedder = tiny_embedder()
    outcome, _ = measure_zero_shot(embedder, _task("ravdess", tmp_path), np.random.default_rng(0))
    emotions = {label: _EMOTION.format(label) for label in RAVDESS_EMOTIONS}
    genders = {label: f"A {label} speaker." for label in ("male", "female")}
    for name, labels, sentences, place in (
        (RAVDESS_8, RAVDESS_EMOTIONS, emotions, 0),
        (RAVDESS_GENDER, ("male", "female"), genders, 1),
    ):
        predicted = _nearest(embedder, truths, sentences)
        true = [truth[place] for truth in truths.values()]
        scores = outcome.scores[name]
        hits = [a == b for a, b in zip(true, predicted, strict=True)]
        recalls = [np.mean([hit for hit, t in zip(hits, true, strict=True) if t == label]) for label in sorted({*true})]
        assert [list(row) for row in scores.confusion] == _confusion(true, predicted, labels)
        assert scores.weighted_accuracy.value == pytest.approx(np.mean(hits))
        assert scores.unweighted_accuracy.value == pytest.approx(np.mean(recalls))
    assert list(outcome.scores) == [RAVDESS_8, RAVDESS_GENDER]
    assert outcome.notes == ("RAVDESS tells no age here, so age was not measured.",)
    assert outcome.passed_over == {"not a .wav file": 1}
    assert "read-me.txt" in outcome.corpus_lines
    assert [item.differences for item in outcome.comparisons] == [("clips: 1440 there, 12 here",)] * 4


def test_other_sentences_are_not_compared_with_published_figures(tmp_path: Path) -> None:
    _write_ravdess(tmp_path, 8)
    task = _task("ravdess", tmp_path, emotion="zero_shot_emotion.v2", gender=None, age=None)
    outcome, _ = measure_zero_shot(tiny_embedder(), task, np.random.default_rng(0))
    assert [item.differences for item in outcome.comparisons] == [
        ("clips: 1440 there, 8 here", "sentences: the published there, others here")
    ] * 2
    assert outcome.num_texts == 4 * 8


def test_a_file_that_does_not_decode_is_named(tmp_path: Path) -> None:
    truths = _write_ravdess(tmp_path, 9)
    broken = list(truths)[3]
    broken.write_bytes(b"RIFF and nothing else")
    embedder = tiny_embedder()
    outcome, _ = measure_zero_shot(embedder, _task("ravdess", tmp_path, age=None), np.random.default_rng(0))
    del truths[broken]
    predicted = _nearest(embedder, truths, {label: _EMOTION.format(label) for label in RAVDESS_EMOTIONS})
    true = [emotion for emotion, _ in truths.values()]
    confusion = [list(row) for row in outcome.scores[RAVDESS_8].confusion]
    assert confusion == _confusion(true, predicted, RAVDESS_EMOTIONS)
    assert [item.name for item in outcome.bad_items] == [str(broken)]
    assert outcome.num_clips == outcome.scores[RAVDESS_8].num_clips == 8


def test_crema_d_tells_gender_and_age_with_its_table(tmp_path: Path) -> None:
    ages = {1001: 18, 1002: 30, 1003: 50, 1004: 70}
    for number, actor in enumerate(ages):
        code = ("ANG", "SAD", "HAP", "NEU")[number]
        write_tone(tmp_path / f"AudioWAV/{actor}_DFA_{code}_XX.wav", 100 + 30 * number, 0.4)
    rows = [f"{actor},{age},{'Male' if actor % 2 else 'Female'}" for actor, age in ages.items()]
    (tmp_path / "VideoDemographics.csv").write_text("\n".join(["ActorID,Age,Sex", *rows]))
    outcome, _ = measure_zero_shot(tiny_embedder(), _task("crema_d", tmp_path), np.random.default_rng(0))
    assert list(outcome.scores) == [CREMA_D_6, "CREMA-D gender", CREMA_D_AGE]
    assert outcome.scores[CREMA_D_6].labels == CREMA_D_EMOTIONS
    assert [sum(row) for row in outcome.scores[CREMA_D_AGE].confusion] == [1, 1, 1, 1]
    (tmp_path / "VideoDemographics.csv").unlink()
    untold, _ = measure_zero_shot(tiny_embedder(), _task("crema_d", tmp_path), np.random.default_rng(0))
    assert list(untold.scores) == [CREMA_D_6]
    assert len(untold.notes) == 2


def test_excited_counts_as_happy_in_iemocap_4(tmp_path: Path) -> None:
    codes = ["exc", "hap", "ang", "sad", "neu", "fru"]
    lines = [f"[{n}.0 - {n}.9]\tSes01F_impro01_F00{n}\t{code}\t[2.5, 2.5, 2.5]" for n, code in enumerate(codes)]
    labels = tmp_path / "Session1/dialog/EmoEvaluation/Ses01F_impro01.txt"
    labels.parent.mkdir(parents=True)
    labels.write_text("\n".join(lines))
    paths = [
        write_tone(tmp_path / f"Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F00{n}.wav", 100 + 40 * n, 0.5)
        for n in range(6)
    ]
    embedder = tiny_embedder()
    outcome, _ = measure_zero_shot(
        embedder, _task("iemocap", tmp_path, gender=None, age=None), np.random.default_rng(0)
    )
    scores = outcome.scores[IEMOCAP_4]
    sentences = {label: _EMOTION.format(label) for label in ("angry", "happy", "sad", "neutral", "excited")}
    predicted = [label.replace("excited", "happy") for label in _nearest(embedder, paths[:5], sentences)]
    assert [list(row) for row in scores.confusion] == _confusion(
        ["happy", "happy", "angry", "sad", "neutral"], predicted, scores.labels
    )
    assert (outcome.num_clips, outcome.passed_over["emotion frustrated"]) == (5, 1)
    assert [item.differences for item in outcome.comparisons] == [("clips: 5531 there, 5 here",)] * 2


def test_mistakes_are_one_line_each(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(SourceError, match="is no folder"):
        measure_zero_shot(tiny_embedder(), _task("ravdess", tmp_path / "nowhere"), rng)
    (tmp_path / "03-01-06-01-02-01-12.wav").write_text("no audio")
    with pytest.raises(RecordingError, match="none of 1 audio files"):
        measure_zero_shot(tiny_embedder(), _task("ravdess", tmp_path), rng)
    with pytest.raises(UsageError, match=r"poem\.v1 does not exist"):
        measure_zero_shot(tiny_embedder(), _task("ravdess", tmp_path, emotion="poem.v1"), rng)
