"""How fast towers of a known size train, and what share of the GPU's arithmetic that uses.

Enters: a training job, for captions, lengths and seed. Leaves: rows per second of whole steps in bf16, the
floating point operations of a step, and their share of what the GPU can do. The weights are random, so
nothing is downloaded; the towers of the benchmark have the shapes of WavLM-large and RoBERTa-base.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from transformers import PreTrainedTokenizerFast, RobertaConfig, Wav2Vec2FeatureExtractor, WavLMConfig

from fcaps_pipeline.lab.bench.train_batch import first_batch, longest_samples, of_size
from fcaps_pipeline.learn.data.batches import TrainingBatch
from fcaps_pipeline.learn.data.splits import read_splits
from fcaps_pipeline.learn.dual_encoder.config import (
    DualEncoderConfig,
    PretrainedSpeechTowerConfig,
    PretrainedTextTowerConfig,
)
from fcaps_pipeline.learn.dual_encoder.model import DualEncoder
from fcaps_pipeline.learn.dual_encoder.speech_towers import build_speech_tower
from fcaps_pipeline.learn.dual_encoder.text_towers import build_text_tower
from fcaps_pipeline.learn.dual_encoder.tokenization import train_bpe
from fcaps_pipeline.learn.ranks import describe_machine, process_group
from fcaps_pipeline.learn.training.build import build_learner
from fcaps_pipeline.learn.training.job import TrainJob
from fcaps_pipeline.learn.training.objective_config import InfoNce, Objectives
from fcaps_pipeline.learn.training.objectives import Objective
from fcaps_pipeline.learn.training.optimisation_config import Optimisation
from fcaps_pipeline.learn.training.row_sampling import sample_captions
from fcaps_pipeline.learn.training.train_step import TrainStep
from fcaps_pipeline.records.audio import SAMPLE_RATE_HZ
from fcaps_pipeline.records.base import Record

WAVLM_LARGE = WavLMConfig(
    hidden_size=1024,
    num_hidden_layers=24,
    num_attention_heads=16,
    intermediate_size=4096,
    feat_extract_norm="layer",
    do_stable_layer_norm=True,
)
"""Source: config.json of microsoft/wavlm-large."""

ROBERTA_BASE = RobertaConfig(vocab_size=50_265, max_position_embeddings=514, type_vocab_size=1, pad_token_id=0)
"""Source: config.json of FacebookAI/roberta-base; padding is 0, as the tokenizer made here has it."""

_SPECIAL_TOKENS = {"pad_token": "<pad>", "cls_token": "<s>"}
"""As the tokenizer learnt from captions spells them."""

_MAX_TOKENS = 256
_NUM_WARMUP_STEPS = 3

_PEAK_FLOPS = {
    "H100 PCIe": 756e12,
    "H100 NVL": 835e12,
    "H100": 989e12,
    "H200 NVL": 836e12,
    "H200": 989e12,
    "A100": 312e12,
}
"""Dense bf16 on tensor cores; the first name that fits. Source: NVIDIA's data sheets, without sparsity."""


class TowerSpeed(Record):
    """Whole training steps on rows of one length."""

    machine: str
    num_parameters: int
    num_rows: int
    """Of a batch."""
    audio_s: float
    """Of each row."""
    step_s: float
    step_flops: int
    """Of matrix products and convolutions, forward and backward, nothing counted twice."""
    peak_flops: float | None
    """Of the GPU per second; None where it is not known."""

    @property
    def rows_per_s(self) -> float:
        """Rows trained on per second."""
        return self.num_rows / self.step_s

    @property
    def share_of_peak(self) -> float | None:
        """Model FLOPs utilisation. Source: Chowdhery et al. (PaLM), arXiv 2204.02311, appendix B."""
        return None if self.peak_flops is None else self.step_flops / self.step_s / self.peak_flops


def measure_towers(
    job: TrainJob, speech: WavLMConfig, text: RobertaConfig, *, num_rows: int, num_steps: int
) -> TowerSpeed:
    """Trains towers of these shapes by InfoNCE, in bf16, all rows of a batch at once.

    Args:
        job: gives captions, the length of the rows, seed and device; its model and losses are not used.
        speech: shape of the speech tower.
        text: shape of the text tower, with an entry for each id of its tokenizer.
        num_rows: rows of a batch.
        num_steps: steps to time, after a few that are not.

    Raises:
        FcapsError: as `train` raises of the job and its shards.
    """
    train = read_splits(job.data.splits).train
    num_samples = longest_samples(job, train)
    batch = of_size(first_batch(job, train), num_rows=num_rows, num_samples=num_samples, seed=job.seed)
    with tempfile.TemporaryDirectory() as folder, process_group(job.device) as context:
        random_model(Path(folder), speech, text, sample_captions(train, job.seed), seed=job.seed)
        same = job.model_copy(
            update={
                "model": None,
                "init_from": folder,
                "objectives": Objectives(info_nce=InfoNce()),
                "optimisation": Optimisation(steps=num_steps, bf16=True),
            }
        )
        learner = build_learner(same, train, None, context)
        objective = Objective(learner.model, same, tag_weight_G=None)
        train_step = TrainStep(same, learner, objective, num_steps=num_steps, rank=context.rank)
        step_flops = count_flops(lambda: train_step.run(batch, 0))
        step_s = _time(train_step, batch, num_steps, context.device)
        name = torch.cuda.get_device_name(context.device) if context.device.type == "cuda" else ""
        return TowerSpeed(
            machine=describe_machine(context),
            num_parameters=sum(one.numel() for one in learner.model.parameters()),
            num_rows=num_rows,
            audio_s=num_samples / SAMPLE_RATE_HZ,
            step_s=step_s,
            step_flops=step_flops,
            peak_flops=peak_flops(name),
        )


def count_flops(compute: Callable[[], object]) -> int:
    """Floating point operations of the matrix products and convolutions, backward passes included.

    Attention is taken apart into its products meanwhile, because fused kernels are not counted on every
    device, and compute some of them twice.
    """
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        compute()
    return int(counter.get_total_flops())


def peak_flops(device_name: str) -> float | None:
    """What a GPU can do per second in bf16; None where this program does not know, as of parts of a GPU."""
    if "MIG" in device_name:
        return None
    return next((flops for name, flops in _PEAK_FLOPS.items() if name in device_name), None)


def random_model(folder: Path, speech: WavLMConfig, text: RobertaConfig, captions: list[str], *, seed: int) -> None:
    """Writes a dual encoder with random weights, and a tokenizer learnt from captions."""
    with tempfile.TemporaryDirectory() as shapes:
        speech_shape, text_shape = Path(shapes) / "speech", Path(shapes) / "text"
        speech.save_pretrained(speech_shape)
        Wav2Vec2FeatureExtractor(do_normalize=True, return_attention_mask=True).save_pretrained(speech_shape)
        text.save_pretrained(text_shape)
        PreTrainedTokenizerFast(
            tokenizer_object=train_bpe(captions, text.vocab_size),
            **_SPECIAL_TOKENS,
            model_max_length=text.max_position_embeddings - 2,
        ).save_pretrained(text_shape)
        max_tokens = min(_MAX_TOKENS, text.max_position_embeddings - 2)
        config = DualEncoderConfig(
            speech=PretrainedSpeechTowerConfig(kind="pretrained", name="random"),
            text=PretrainedTextTowerConfig(kind="pretrained", name="random", max_tokens=max_tokens),
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            speech_tower = build_speech_tower(config.speech, speech_shape)
            text_tower = build_text_tower(config.text, long_texts=config.long_texts, stored=text_shape)
            DualEncoder(config, speech_tower, text_tower).save_pretrained(folder)


def _time(train_step: TrainStep, batch: TrainingBatch, num_steps: int, device: torch.device) -> float:
    """Seconds per step; the GPU is waited for at both ends."""
    for step in range(_NUM_WARMUP_STEPS):
        train_step.run(batch, step)
    _wait(device)
    begun_s = time.perf_counter()
    for step in range(num_steps):
        train_step.run(batch, step)
    _wait(device)
    return (time.perf_counter() - begun_s) / num_steps


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
