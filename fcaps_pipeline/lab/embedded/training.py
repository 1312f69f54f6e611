"""Trains the captioner: loss of its answers plus auxiliary heads, resumable after any kill.

Enters: clips, tokenizer, settings and a work folder. Leaves: a trained thinker. Batches depend on
the seed and the step alone, so that a resumed run takes the steps an uninterrupted one would.
"""

import copy
import io
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from fcaps_pipeline.lab.embedded.auxiliary_heads import AuxiliaryHeads
from fcaps_pipeline.lab.embedded.batches import Batch, BatchMaker
from fcaps_pipeline.lab.embedded.claims import ClaimDraw
from fcaps_pipeline.lab.embedded.features import Clip
from fcaps_pipeline.lab.embedded.forward import PLAIN_ATTENTION, Thinker, encode_audio, read
from fcaps_pipeline.lab.embedded.model_folder import new_thinker
from fcaps_pipeline.lab.embedded.requests import Prompts, Requests
from fcaps_pipeline.lab.synthesis.truth import ClipTruth
from fcaps_pipeline.learn.training.optimizer import build_optimizer
from fcaps_pipeline.records.base import Record
from fcaps_pipeline.storage.files import write_durably, writing

_BUCKET_BATCHES = 16
_EPSILON = 1e-8
_FACT_LOGITS = 0.5
"""What the loss multiplies the logits of facts by. It makes them certain at half their size, so that candidates
sampled at a temperature below one vary in wording, whose logits are whole, and seldom in facts."""


class TrainingSettings(Record):
    """What decides the weights besides the corpus."""

    steps: int
    """All steps, those of hearing and of agreeing included."""
    hearing_steps: int = 0
    """First steps, in which the audio tower alone learns through the auxiliary heads: a third of the cost."""
    agreeing_steps: int = 0
    """Last steps, in which the text model alone learns, and both captions state what the auxiliary heads decided after
    the audio when these steps began. Where a clip is hard to tell, the two then err alike. Claims and events stay with
    the truth."""
    batch_clips: int = 32
    peak_learning_rate: float = 1.5e-3
    warmup_steps: int = 80
    weight_decay: float = 0.05
    auxiliary_weight: float = 2.0
    clip_gradient: float = 1.0
    seed: int = 0
    checkpoint_every: int = 100

    @property
    def first_agreeing_step(self) -> int:
        """Where agreeing starts."""
        return self.steps - self.agreeing_steps


@dataclass(frozen=True)
class StepReport:
    """What one step cost."""

    step: int
    answer_loss: float
    """0 while only the audio tower learns."""
    auxiliary_loss: float
    """0 while only the text model learns."""


@dataclass(frozen=True)
class Trained:
    """A finished run."""

    thinker: Thinker
    elapsed_s: float
    """Time spent on all steps, those before a resume included."""


def train(
    clips: list[Clip],
    tokenizer: Tokenizer,
    prompts: Prompts,
    settings: TrainingSettings,
    checkpoint: Path,
    on_step: Callable[[StepReport], None] = lambda _: None,
    *,
    workers: int = 1,
) -> Trained:
    """Trains from the checkpoint, or from nothing where there is none.

    Args:
        clips: the training corpus, in a fixed order.
        tokenizer: of the model.
        prompts: of the requests.
        settings: of the run; a checkpoint belongs to one of them.
        checkpoint: file that is replaced every so many steps.
        on_step: told after every step.
        workers: processes that build batches for a GPU; without one, steps and batches share the cores in turn.
    """
    device = training_device()
    thinker = new_thinker(tokenizer, seed=settings.seed).to(device)
    thinker.visual.requires_grad_(requires_grad=False)
    thinker.model.set_attn_implementation(PLAIN_ATTENTION)
    heads = AuxiliaryHeads(thinker.config.text_config.hidden_size).to(device)
    parameters = [p for p in [*thinker.parameters(), *heads.parameters()] if p.requires_grad]
    of_heads = ((f"heads.{name}", weight) for name, weight in heads.named_parameters())
    named = (*thinker.named_parameters(), *of_heads)
    optimizer = build_optimizer(named, weight_decay=settings.weight_decay, epsilon=_EPSILON)
    first, elapsed_s, decider = _resume(checkpoint, thinker, heads, optimizer)
    begun_s = time.monotonic() - elapsed_s
    thinker.train()
    steps = range(first, settings.steps)
    num_loaders = 0 if device.type == "cpu" else workers
    maker = BatchMaker(tokenizer, Requests(tokenizer, prompts), ClaimDraw([clip.truth for clip in clips]))
    lessons = _Lessons(thinker, heads, decider, maker, settings)
    batches = make_batches(clips, maker, settings, steps, num_workers=num_loaders)
    for step, (chosen, made) in zip(steps, batches, strict=True):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, settings)
        truths = [clips[index].truth for index in chosen]
        with torch.autocast(device.type, torch.bfloat16, enabled=has_bfloat16(device)):
            answer_loss, auxiliary_loss = lessons.losses(step, made, truths)
        torch.autograd.backward(answer_loss + settings.auxiliary_weight * auxiliary_loss)
        torch.nn.utils.clip_grad_norm_(parameters, settings.clip_gradient)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        elapsed_s = time.monotonic() - begun_s
        if (step + 1) % settings.checkpoint_every == 0 or step + 1 == settings.steps:
            _save(checkpoint, step + 1, elapsed_s, thinker, heads, optimizer, lessons.decider)
        on_step(StepReport(step, answer_loss.item(), auxiliary_loss.item()))
    return Trained(thinker.cpu(), elapsed_s)


@dataclass
class _Lessons:
    """What the model learns at each step: to hear, then to answer with the truth too, at last to agree with itself."""

    thinker: Thinker
    heads: AuxiliaryHeads
    decider: Thinker | None
    """The model as it was when agreeing began; None before."""
    maker: BatchMaker
    settings: TrainingSettings

    def losses(self, step: int, made: Batch, truths: list[ClipTruth]) -> tuple[torch.Tensor, torch.Tensor]:
        """Loss of the answers and auxiliary loss, 0 where the phase has none."""
        device = self.thinker.device
        if step < self.settings.first_agreeing_step:
            with_answers = step >= self.settings.hearing_steps
            return _truthful_losses(self.thinker, self.heads, made.to(device), truths, with_answers=with_answers)
        self.thinker.audio_tower.requires_grad_(requires_grad=False)
        self.decider = self.decider or _frozen(self.thinker)
        rng = np.random.default_rng([self.settings.seed, 3, step])
        loss = _agreeing_loss(self.thinker, self.decider, self.heads, self.maker, made, truths, rng, device)
        return loss, torch.zeros((), device=device)


def training_device() -> torch.device:
    """A GPU where torch sees one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def has_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies in bfloat16; a processor that does not emulates it, slower than float32."""
    if device.type != "cpu":
        return True
    return any(present for name, present in torch.cpu.get_capabilities().items() if "bf16" in name)


def learning_rate(step: int, settings: TrainingSettings) -> float:
    """Linear warm-up at the start of every phase; all but hearing end in a cosine down to a hundredth of the peak.

    Agreeing, which moves a layer that has been trained, peaks at half of it.
    """
    hearing, agreeing = step < settings.hearing_steps, step >= settings.first_agreeing_step
    peak = settings.peak_learning_rate / (2 if agreeing else 1)
    begin = settings.first_agreeing_step if agreeing else settings.hearing_steps
    into = step if hearing else step - begin
    if into < settings.warmup_steps:
        return peak * (into + 1) / settings.warmup_steps
    if hearing:
        return peak
    num_steps = (settings.steps if agreeing else settings.first_agreeing_step) - begin
    progress = (into - settings.warmup_steps) / max(1, num_steps - settings.warmup_steps)
    return peak * (0.01 + 0.99 * (1 + math.cos(math.pi * progress)) / 2)


def make_batches(
    clips: list[Clip], maker: BatchMaker, settings: TrainingSettings, steps: range, *, num_workers: int
) -> "DataLoader[tuple[list[int], Batch]]":
    """The positions of the clips and the batch of each step, the same for any number of worker processes."""
    return DataLoader(_Batches(clips, maker, settings), sampler=steps, batch_size=None, num_workers=num_workers)


class _Batches(Dataset[tuple[list[int], Batch]]):
    """The clips and the batch of each step."""

    def __init__(self, clips: list[Clip], maker: BatchMaker, settings: TrainingSettings) -> None:
        self._clips, self._maker, self._settings = clips, maker, settings
        self._lengths = tuple(len(clip.mel_FM) for clip in clips)

    def __getitem__(self, step: int) -> tuple[list[int], Batch]:
        chosen = choose_clips(self._lengths, step, self._settings)
        rng = np.random.default_rng([self._settings.seed, 1, step])
        # Heads tell the pace of a stretched clip, which makes them decide hard ones; the truth of it is lost.
        agreeing = step >= self._settings.first_agreeing_step
        # Hearing needs no answers, and agreeing tells them anew.
        answers = self._settings.hearing_steps <= step < self._settings.first_agreeing_step
        clips = [self._clips[index] for index in chosen]
        return chosen, self._maker.batch(clips, rng, augment=True, stretch=agreeing, answers=answers)


def choose_clips(lengths: tuple[int, ...], step: int, settings: TrainingSettings) -> list[int]:
    """Clips of one step: every epoch shuffles, then sorts within buckets so that a batch pads little."""
    epoch, place = divmod(step, max(1, len(lengths) // settings.batch_clips))
    return _epoch(lengths, epoch, settings)[place]


@lru_cache(maxsize=1)
def _epoch(lengths: tuple[int, ...], epoch: int, settings: TrainingSettings) -> list[list[int]]:
    """The clips of all steps of an epoch."""
    rng = np.random.default_rng([settings.seed, 0, epoch])
    order = rng.permutation(len(lengths))
    bucket_size = _BUCKET_BATCHES * settings.batch_clips
    batches: list[list[int]] = []
    for start in range(0, len(order), bucket_size):
        bucket = sorted(order[start : start + bucket_size].tolist(), key=lambda index: lengths[index])
        batches += [bucket[at : at + settings.batch_clips] for at in range(0, len(bucket), settings.batch_clips)]
    return [batches[place] for place in rng.permutation(len(batches))]


def _truthful_losses(
    thinker: Thinker, heads: AuxiliaryHeads, batch: Batch, truths: list[ClipTruth], *, with_answers: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Loss of the answers, 0 without them, and auxiliary loss against the truth."""
    audio_BAD, mask_BA = encode_audio(thinker, batch.mel_BFM, batch.lengths_B)
    heard = heads.heard(audio_BAD, mask_BA, truths)
    if not with_answers:
        return torch.zeros((), device=heard.device), heard
    answers, inner_BTD = _answers_loss(thinker, batch, audio_BAD, mask_BA)
    audio_ND = inner_BTD[batch.tokens_BT == thinker.config.audio_token_id]
    return answers, heard + heads.understood(inner_BTD[batch.after_audio()], audio_ND, mask_BA, truths)


def _frozen(thinker: Thinker) -> Thinker:
    """A copy of the model that decides as it does now, whatever it learns from here."""
    return copy.deepcopy(thinker).requires_grad_(requires_grad=False)


def _agreeing_loss(
    thinker: Thinker,
    decider: Thinker,
    heads: AuxiliaryHeads,
    maker: BatchMaker,
    made: Batch,
    truths: list[ClipTruth],
    rng: np.random.Generator,
    device: torch.device,
) -> torch.Tensor:
    """Loss of the answers, captions told as the heads decide in the decider, whose audio tower is the thinker's."""
    batch = made.to(device)
    with torch.no_grad():
        audio_BAD, mask_BA = encode_audio(thinker, batch.mel_BFM, batch.lengths_B)
        shared = batch.shared()
        _, inner_BTD = _read(decider, shared, audio_BAD, mask_BA)
        decisions = heads.decided(inner_BTD[shared.after_audio()], truths)
    retold = maker.retold(made, decisions, truths, rng).to(device)
    return _answers_loss(thinker, retold, audio_BAD, mask_BA)[0]


def _answers_loss(
    thinker: Thinker, batch: Batch, audio_BAD: torch.Tensor, mask_BA: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Loss of all answers, and the states `(B, T, D)` before the last layer."""
    hidden_BTD, inner_BTD = _read(thinker, batch, audio_BAD, mask_BA)
    # The first token of an answer follows its own request, so the place before it lies in the same branch.
    predicted = batch.weight_BT[:, 1:] > 0
    logits = thinker.lm_head(hidden_BTD[:, :-1][predicted]).float()
    loss = answer_loss(
        logits,
        batch.tokens_BT[:, 1:][predicted],
        batch.weight_BT[:, 1:][predicted],
        batch.fact_BT[:, 1:][predicted],
    )
    return loss, inner_BTD


def _read(
    thinker: Thinker, batch: Batch, audio_BAD: torch.Tensor, mask_BA: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    return read(thinker, batch.tokens_BT, batch.allowed(), batch.positions_BT, audio_BAD, mask_BA)


def answer_loss(
    logits_NV: torch.Tensor, tokens_N: torch.Tensor, weights_N: torch.Tensor, facts_N: torch.Tensor
) -> torch.Tensor:
    """Weighted mean of the cross entropy over N answer tokens, with the logits of facts halved.

    Args:
        logits_NV: float, over V words.
        tokens_N: what follows.
        weights_N: of the tokens, not all zero.
        facts_N: bool, whether a token carries a fact.
    """
    logits_NV = torch.where(facts_N[:, None], _FACT_LOGITS * logits_NV, logits_NV)
    losses_N = functional.cross_entropy(logits_NV, tokens_N, reduction="none")
    return (losses_N * weights_N).sum() / weights_N.sum()


def _resume(
    checkpoint: Path, thinker: Thinker, heads: AuxiliaryHeads, optimizer: torch.optim.Optimizer
) -> tuple[int, float, Thinker | None]:
    """Loads a checkpoint and gives the step to go on from, the seconds spent so far, and the decider of agreeing."""
    if not checkpoint.is_file():
        return 0, 0.0, None
    state = torch.load(checkpoint, weights_only=True, map_location="cpu")
    thinker.load_state_dict(state["thinker"])
    heads.load_state_dict(state["heads"])
    optimizer.load_state_dict(state["optimizer"])
    decider = None
    if state["decider"] is not None:
        decider = _frozen(thinker)
        decider.load_state_dict(state["decider"])
    return int(state["step"]), float(state["elapsed_s"]), decider


def _save(
    checkpoint: Path,
    step: int,
    elapsed_s: float,
    thinker: Thinker,
    heads: AuxiliaryHeads,
    optimizer: torch.optim.Optimizer,
    decider: Thinker | None,
) -> None:
    state = {
        "step": step,
        "elapsed_s": elapsed_s,
        "thinker": thinker.state_dict(),
        "heads": heads.state_dict(),
        "optimizer": optimizer.state_dict(),
        "decider": None if decider is None else decider.state_dict(),
    }
    # In memory: on a full disk torch itself would report a failed stream.
    buffer = io.BytesIO()
    torch.save(state, buffer)
    with writing(checkpoint):
        write_durably(checkpoint, buffer.getvalue())
