"""The whole way from nothing to a model folder: corpus, tokenizer, training, figures, card.

Enters: a `Recipe` and a work folder in which everything is kept, so that a killed run goes on where
it was. Leaves: the model folder. Progress is told to a `Watcher`; nothing is printed here.
"""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from tokenizers import Tokenizer

from fcaps_pipeline.embedded.batches import Prompts
from fcaps_pipeline.embedded.card import TrainingRun, describe_machine, read_run, write_card
from fcaps_pipeline.embedded.evaluation import (
    Listener,
    RealClip,
    read_real_clip,
    real_mels,
    score_real,
    score_synthetic,
)
from fcaps_pipeline.embedded.features import Clip, load_block
from fcaps_pipeline.embedded.grammar import fine_caption, global_caption
from fcaps_pipeline.embedded.model_folder import read_model_folder, write_model_folder
from fcaps_pipeline.embedded.recordings import RealRecording, is_held_out, write_phrase_bank
from fcaps_pipeline.embedded.scores import Score
from fcaps_pipeline.embedded.tokenizer import train_tokenizer
from fcaps_pipeline.embedded.training import StepReport, TrainingSettings, train
from fcaps_pipeline.errors import UsageError
from fcaps_pipeline.prompts import load_prompt
from fcaps_pipeline.records.base import Record
from fcaps_pipeline.synthesis.corpus import write_corpus
from fcaps_pipeline.synthesis.truth import Split

_CHECKPOINT = "checkpoint.pt"
_RECIPE_FILE = "recipe.json"
_logger = logging.getLogger(__name__)


class Recipe(Record):
    """What decides the model."""

    training_clips: int
    test_clips: int
    corpus_seed: int
    settings: TrainingSettings
    real_speakers: tuple[str, ...] = ()
    """Speakers whose recordings train, in the order of their list."""
    real_credit: str | None = None
    """Name and licence of their recordings, for the card."""


@dataclass(frozen=True)
class RealMaterial:
    """Real recordings beside the synthetic clips; all may be empty."""

    training: tuple[RealRecording, ...] = ()
    measuring: tuple[RealRecording, ...] = ()
    """Of speakers who do not train."""
    sounds: tuple[Path, ...] = ()
    """Without any speech."""


def divide(training_folder: list[RealRecording], test_folder: list[RealRecording], sounds: list[Path]) -> RealMaterial:
    """Holds one in six of the training speakers out for measuring, with all of the test folder."""
    return RealMaterial(
        training=tuple(one for one in training_folder if not is_held_out(one.speaker)),
        measuring=(*(one for one in training_folder if is_held_out(one.speaker)), *test_folder),
        sounds=tuple(sounds),
    )


class Watcher(Protocol):
    """Who is told of progress."""

    def begin(self, what: str, total: int) -> None:
        """A stage of so many units starts."""

    def advance(self, units: int, note: str = "") -> None:
        """Some of them are done."""


def make_captioner(
    recipe: Recipe, out: Path, work: Path, *, workers: int, real: RealMaterial, watcher: Watcher
) -> list[Score]:
    """Trains a captioner and writes its folder with the card.

    Raises:
        DependencyError: a synthesizer is missing.
        RecordingError: a real recording cannot be decoded.
        UsageError: the work folder belongs to another recipe.
    """
    _claim(work, recipe)
    torch.set_num_threads(workers)
    bank = write_phrase_bank(work / "recordings", list(real.training)) if real.training else None
    clips = _clips("train", recipe.training_clips, recipe, work, workers, watcher, bank)
    prompts = shipped_prompts()
    tokenizer = _tokenizer(clips, prompts, recipe.settings.seed)
    watcher.begin("training", recipe.settings.steps)
    done = 0

    def on_step(report: StepReport) -> None:
        nonlocal done
        # The first step of a resumed run stands for all that were done before.
        units, done = report.step + 1 - done, report.step + 1
        watcher.advance(units, f"caption loss {report.caption_loss:.3f}, helper loss {report.helper_loss:.3f}")

    trained = train(clips, tokenizer, prompts, recipe.settings, work / _CHECKPOINT, on_step)
    write_model_folder(out, trained.thinker, tokenizer)
    run = TrainingRun(
        machine=describe_machine(),
        training_clips=len(clips),
        training_hours=sum(clip.truth.num_samples for clip in clips) / 16_000 / 3600,
        steps=recipe.settings.steps,
        batch_clips=recipe.settings.batch_clips,
        training_minutes=trained.elapsed_s / 60,
        parameters=sum(parameter.numel() for parameter in trained.thinker.parameters()),
        corpus_seed=recipe.corpus_seed,
        training_seed=recipe.settings.seed,
        real_speakers=len(recipe.real_speakers),
        real_credit=recipe.real_credit,
    )
    write_card(out, run, [])
    return evaluate_captioner(out, recipe, work, workers=workers, real=real, watcher=watcher)


def evaluate_captioner(
    folder: Path, recipe: Recipe, work: Path, *, workers: int, real: RealMaterial, watcher: Watcher
) -> list[Score]:
    """Measures a model folder on the test split and on real clips, and writes its card anew.

    Raises:
        ModelError: the folder holds no captioner of this package.
        RecordingError: a real recording cannot be decoded.
    """
    thinker, tokenizer = read_model_folder(folder)
    clips = _clips("test", recipe.test_clips, recipe, work, workers, watcher)
    listener = Listener(thinker, tokenizer, shipped_prompts())
    real_clips = _real_clips(real)
    watcher.begin("captioning held-out clips", len(clips) + len(real_clips))
    scores = score_synthetic(clips, listener.listen([clip.mel_FM for clip in clips], watcher.advance))
    if real_clips:
        scores += score_real(real_clips, listener.listen(real_mels(real_clips), watcher.advance))
    write_card(folder, read_run(folder), scores)
    return scores


def shipped_prompts() -> Prompts:
    """The two instructions the captioner is trained on."""
    return Prompts(fine=load_prompt("embedded_fine.v1").text, global_=load_prompt("embedded_global.v1").text)


def _claim(work: Path, recipe: Recipe) -> None:
    """A work folder serves one recipe: its checkpoint would be wrong for another."""
    stored = work / _RECIPE_FILE
    if stored.is_file():
        if Recipe.model_validate_json(stored.read_text(encoding="utf-8")) != recipe:
            raise UsageError(f"{work} belongs to another recipe ({stored}); give another --work or the same options")
        return
    work.mkdir(parents=True, exist_ok=True)
    stored.write_text(recipe.model_dump_json(indent=2) + "\n", encoding="utf-8")


def _real_clips(real: RealMaterial) -> list[RealClip]:
    spoken = [read_real_clip(one.path, one.gender) for one in real.measuring]
    return spoken + [read_real_clip(path, None) for path in real.sounds]


def _clips(
    split: Split,
    count: int,
    recipe: Recipe,
    work: Path,
    workers: int,
    watcher: Watcher,
    bank: Path | None = None,
) -> list[Clip]:
    """The clips of a split, made and turned into features where they are missing."""
    watcher.begin(f"synthesizing {split} clips", count)
    blocks = write_corpus(
        work / "corpus",
        split,
        num_clips=count,
        seed=recipe.corpus_seed,
        workers=workers,
        bank=bank,
        on_block=watcher.advance,
    )
    watcher.begin(f"features of {split} clips", len(blocks))
    clips: list[Clip] = []
    for block in blocks:
        clips += load_block(block, work / "features")
        watcher.advance(1)
    _logger.info("%s: %d clips", split, len(clips))
    return clips


def _tokenizer(clips: list[Clip], prompts: Prompts, seed: int) -> Tokenizer:
    """Trained on one caption of each granularity per clip, and on the prompts."""
    rng = np.random.default_rng([seed, 2])
    texts = [prompts.fine, prompts.global_] * 20
    for clip in clips:
        texts += [fine_caption(clip.truth, rng).text, global_caption(clip.truth, rng).text]
    return train_tokenizer(texts)
