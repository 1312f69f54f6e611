"""What a training will take, before any of it is done: steps, hours of audio, days of a GPU, memory.

Enters: a job. Leaves: a `Cost`. Reads the shapes of the towers and no weights, and data only where the job counts in
epochs. Activations are not in it, because they depend on the kernels: `fcaps bench train` measures them.
"""

import math
from dataclasses import replace

import torch
from safetensors import safe_open

from fcaps_pipeline.jobs.resources import resolve_path
from fcaps_pipeline.learn.data.splits import read_splits
from fcaps_pipeline.learn.dual_encoder.config import (
    MelTowerConfig,
    SmallTextTowerConfig,
    SpeechTowerConfig,
    TextTowerConfig,
)
from fcaps_pipeline.learn.dual_encoder.config_file import read_config
from fcaps_pipeline.learn.dual_encoder.pretrained import Origin
from fcaps_pipeline.learn.dual_encoder.speech_towers import MelTower
from fcaps_pipeline.learn.dual_encoder.storage import WEIGHTS_FILE
from fcaps_pipeline.learn.training.job import TrainJob
from fcaps_pipeline.learn.training.objective_config import TwoTexts
from fcaps_pipeline.records.base import Record

_FRAMES_PER_S = 50.0
"""Of the towers that transformers has; a mel tower has half, and is reckoned with as many."""
_TOKENS_PER_TEXT = 110.0
"""Of a fine caption of FCaps under RoBERTa's tokenizer, on average."""
_SEGMENT_S = 9.3
"""Mean length in FCaps. Source: arXiv 2601.03065: 46,787 h in 18.1 M clips."""
_PEAK_FLOPS = 989e12
"""Of an H100 SXM in bfloat16, dense. Source: NVIDIA H100 data sheet."""
_USED_SHARE = 0.09
"""Of the peak; what 111 rows/s of WavLM-Large on one H100 were."""
_BYTES_PER_WEIGHT = 16
"""Weight, gradient and two moments in float32."""


class Cost(Record):
    """What a training will take."""

    num_steps: int
    audio_h: float
    """Heard in all, padding included."""
    num_weights: int
    gpu_days: float
    """Of an H100 in bfloat16, at the share of its peak that was measured with WavLM-Large."""
    state_gb: float
    """Weights, gradients, moments and averages in the memory of a GPU, before activations; of all GPUs together where
    the job divides them."""


def estimate(job: TrainJob) -> Cost:
    """Reckons by batches that are full, and captions of the length that FCaps has.

    A weight costs 2 operations a position forward and 4 backward, 2 more where gradients are cached and 2 more where
    activations are computed again.

    Raises:
        ModelError: the shape of a tower is not to be had.
        FcapsError: as the training would, where the job counts in epochs and its data is not there.

    Source: Kaplan et al., arXiv 2001.08361, section 2.1, for the operations.
    """
    settings = job.optimisation
    num_speech, num_text = _num_weights(job)
    num_steps, audio_s = _lengths(job)
    num_texts = 2 if isinstance(job.captions, TwoTexts) else len(job.captions.granularities)
    num_texts += job.objectives.flips.per_row if job.objectives.flips else 0
    rows_per_audio_s = 1 / min(_SEGMENT_S, job.data.max_s or _SEGMENT_S)
    per_weight = 6 + 2 * (settings.chunk_rows is not None) + 2 * settings.activation_checkpointing
    positions = _FRAMES_PER_S * num_speech + _TOKENS_PER_TEXT * num_texts * rows_per_audio_s * num_text
    flops = per_weight * positions * audio_s
    num_bytes = (num_speech + num_text) * (_BYTES_PER_WEIGHT + 4 * (settings.ema_decay is not None))
    return Cost(
        num_steps=num_steps,
        audio_h=audio_s / 3600,
        num_weights=num_speech + num_text,
        gpu_days=flops / (_PEAK_FLOPS * _USED_SHARE) / 86_400,
        state_gb=num_bytes / 1e9,
    )


def _lengths(job: TrainJob) -> tuple[int, float]:
    """Steps, and seconds of audio in them."""
    if job.optimisation.steps is not None:
        return job.optimisation.steps, job.optimisation.steps * job.data.batch_s
    assert job.optimisation.epochs is not None
    audio_s = read_splits(job.data.splits).train.duration_s * job.optimisation.epochs
    return math.ceil(audio_s / job.data.batch_s), audio_s


def _num_weights(job: TrainJob) -> tuple[int, int]:
    """Of the towers; what joins them is a hundredth of it."""
    if job.model is not None:
        return _in_speech(job.model.speech), _in_text(job.model.text)
    assert job.init_from is not None
    folder = resolve_path(job.init_from)
    read_config(folder)
    with safe_open(str(folder / WEIGHTS_FILE), framework="pt") as stored:
        sizes = {name: math.prod(stored.get_slice(name).get_shape()) for name in stored.keys()}  # noqa: SIM118
    towers = ("speech_tower.", "text_tower.")
    speech, text = (sum(size for name, size in sizes.items() if name.startswith(tower)) for tower in towers)
    return speech, text


def _in_speech(tower: SpeechTowerConfig) -> int:
    if isinstance(tower, MelTowerConfig):
        return sum(item.numel() for item in MelTower(tower).parameters())
    return _pretrained(tower.name, tower.revision)


def _in_text(tower: TextTowerConfig) -> int:
    if isinstance(tower, SmallTextTowerConfig):
        return tower.num_layers * 12 * tower.width**2 + tower.vocabulary_size * tower.width
    return _pretrained(tower.name, tower.revision)


def _pretrained(name: str, revision: str | None) -> int:
    origin = replace(Origin.find(name, revision), has_weights=False)
    with torch.device("meta"):
        return sum(item.numel() for item in origin.load_encoder(origin.read_config()).parameters())
