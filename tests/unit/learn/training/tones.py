"""Runs whose captions can be heard: tones of five pitches, soft or loud, with captions that say so."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fcaps_pipeline.learn.training.job import TrainJob
from fcaps_pipeline.learn.training.trainer import TrainCallback
from fcaps_pipeline.records.annotations import Annotation, CaptionSet
from fcaps_pipeline.records.audio import SAMPLE_RATE_HZ, SegmentAudio
from tests.unit.learn.training.written_runs import Annotate, MakeAudio, RunWriter, Spoken

PITCHES = {"deep": 120.0, "low": 240.0, "medium": 480.0, "high": 960.0, "shrill": 1920.0}
LEVELS = {"soft": 0.02, "loud": 0.3}
TEXTS = [(pitch, level) for pitch in PITCHES for level in LEVELS]


class ToneWriter(RunWriter):
    """Row n has the n-th pair of pitch and level, a speaker of its own, and a little noise."""

    def audio(self, spoken: Spoken, index: int) -> SegmentAudio:
        audio = super().audio(spoken, index)
        pitch, level = TEXTS[index % len(TEXTS)]
        time_T = np.arange(spoken.num_samples) / SAMPLE_RATE_HZ
        noise_T = np.random.default_rng([index, len(spoken.recording)]).normal(0, 0.002, spoken.num_samples)
        tone_T = LEVELS[level] * np.sin(2 * np.pi * PITCHES[pitch] * time_T) + noise_T
        tagged = audio.recording.model_copy(update={"tags": (pitch, level)})
        return replace(audio, recording=tagged, pcm_T=(tone_T * 32767).astype(np.int16))


def write_tones(root: Path, make_audio: MakeAudio, annotate: Annotate, num_rows: int, prefix: str) -> Path:
    """A finished run; runs with another prefix share no speaker, Recording or audio with it."""
    lengths = np.random.default_rng(len(prefix)).integers(4000, 9600, num_rows).tolist()
    rows = [Spoken(f"{prefix}{index}", f"{prefix}{index}", length) for index, length in enumerate(lengths)]
    return ToneWriter(make_audio, annotate).write(root, rows, unit_rows=40, change=_caption)


def tone_job(train: Path, dev: Path, /, **changes: Any) -> TrainJob:
    """A tiny job without dropout; changes replace whole sections."""
    content = {
        "data": tone_data(train, dev),
        "model": TINY_MODEL,
        "captions": {"kind": "one_each", "granularities": ["fine", "global"]},
        "objectives": {"info_nce": {}},
        "optimisation": {"steps": 4, "learning_rate": 3e-3},
        "device": "cpu",
    }
    return TrainJob.model_validate(content | changes)


def tone_data(train: Path, dev: Path, /, **changes: Any) -> dict[str, Any]:
    """The section `data`."""
    splits = {"kind": "runs", "train": [str(train)], "dev": [str(dev)]}
    return {"splits": splits, "max_s": 0.4, "batch_s": 8.0, "min_rows": 4, "num_workers": 0, **changes}


TINY_MODEL: dict[str, Any] = {
    "speech": {"kind": "mel", "width": 16, "num_layers": 1, "num_heads": 2, "dropout": 0.0, "num_mel_bins": 40},
    "text": {"kind": "small", "width": 16, "num_layers": 1, "num_heads": 2, "dropout": 0.0, "vocabulary_size": 300},
    "embedding_size": 16,
}


class NotingCallback(TrainCallback):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.losses: list[float] = []
        self.bad: list[tuple[str, str]] = []
        self.metrics: dict[int, float] = {}

    def on_train_begin(self, num_steps: int, done: int) -> None:
        self.num_steps, self.done = num_steps, done

    def on_step(self, step: int, loss: float) -> None:
        self.losses.append(loss)

    def on_dev_evaluated(self, step: int, metric: str, value: float) -> None:
        self.metrics[step] = value

    def on_bad_row(self, split: str, row: Any) -> None:
        self.bad.append((split, row.segment_id))


def _caption(annotation: Annotation) -> Annotation:
    pitch, level = annotation.recording.tags
    texts = {"fine": f"A {level} tone starts and stays {pitch}.", "global": f"A {pitch}, {level} tone."}
    sets = tuple(_with_text(one, texts[one.granularity]) for one in annotation.caption_sets)
    return annotation.model_copy(update={"caption_sets": sets})


def _with_text(captions: CaptionSet, text: str) -> CaptionSet:
    candidates = tuple(
        one.model_copy(update={"text": text}) if one.verdict.kept else one for one in captions.candidates
    )
    return captions.model_copy(update={"candidates": candidates})
