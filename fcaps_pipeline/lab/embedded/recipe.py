"""The whole way from nothing to a model folder: corpus, tokenizer, training, figures, card.

Enters: a `Recipe` and a work folder in which everything is kept, so that a killed run goes on where
it was. Leaves: the model folder. Progress is told to a `ProgressCallback`; nothing is printed here.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
import torch
from tokenizers import Tokenizer

from fcaps_pipeline.errors import UsageError
from fcaps_pipeline.lab.embedded.claims import JudgedClaim, untold_claims
from fcaps_pipeline.lab.embedded.evaluation import (
    ClipResult,
    mel_of,
    read_published,
    read_real_clip,
    score_candidates,
    score_clips,
    score_published,
    score_recordings,
)
from fcaps_pipeline.lab.embedded.event_scores import score_events
from fcaps_pipeline.lab.embedded.features import Clip, load_block, write_features
from fcaps_pipeline.lab.embedded.grammar import fine_caption, global_caption
from fcaps_pipeline.lab.embedded.inference import ClipCaptions, EmbeddedCaptioner
from fcaps_pipeline.lab.embedded.model_card import TrainingRun, read_run, write_model_card
from fcaps_pipeline.lab.embedded.model_folder import read_model_folder, write_model_folder
from fcaps_pipeline.lab.embedded.probe_scores import ProbedClip, claims_to_probe, score_probe
from fcaps_pipeline.lab.embedded.recordings import RealRecording, is_held_out, write_phrase_bank
from fcaps_pipeline.lab.embedded.requests import CAPTION_PROMPTS, PROMPTS, Prompts, shipped_prompts
from fcaps_pipeline.lab.embedded.scores import Score
from fcaps_pipeline.lab.embedded.signal_rule import read_signal
from fcaps_pipeline.lab.embedded.timed_events import events_answer
from fcaps_pipeline.lab.embedded.tokenizer import train_tokenizer
from fcaps_pipeline.lab.embedded.training import StepReport, TrainingSettings, train, training_device
from fcaps_pipeline.lab.synthesis.cast import RECORDED_SHARE
from fcaps_pipeline.lab.synthesis.corpus import read_truths, write_corpus
from fcaps_pipeline.lab.synthesis.truth import Split
from fcaps_pipeline.machine import describe_device
from fcaps_pipeline.records.base import Record
from fcaps_pipeline.records.progress import ProgressCallback
from fcaps_pipeline.storage.job_folder import claim

_CHECKPOINT = "checkpoint.pt"
_RECIPE_FILE = "recipe.json"
REAL_CLIPS = 1152
"""Made of the phrases of held-out real speakers."""
_SILENCE_SAMPLES = 32_000
NUM_CANDIDATES, TEMPERATURE, SAMPLED_CLIPS = 5, 0.6, 96
"""How often, and of how many clips, a fine caption is sampled."""


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
    real_licence: str | None = None
    """Identifier of the licence that their recordings ask of the weights."""
    prompts: tuple[str, ...] = PROMPTS
    """References of what it learns to answer."""


@dataclass(frozen=True)
class RealSpeech:
    """Real recordings beside the synthetic clips; all may be empty."""

    training: tuple[RealRecording, ...] = ()
    measuring: tuple[RealRecording, ...] = ()
    """Of speakers who do not train."""
    sounds: tuple[Path, ...] = ()
    """Without any speech."""
    published: Path | None = None
    """List of recordings with captions by others."""


def hold_out_speakers(
    training_folder: list[RealRecording],
    test_folder: list[RealRecording],
    sounds: list[Path],
    published: Path | None,
) -> RealSpeech:
    """Holds one in six of the training speakers out for measuring, with all of the test folder.

    Raises:
        UsageError: a speaker of the test folder would train.
    """
    trained = {one.speaker for one in training_folder if not is_held_out(one.speaker)}
    if both := sorted(trained & {one.speaker for one in test_folder}):
        raise UsageError(f"speaker {both[0]} trains and stands in the test folder; take {both[0]} out of one of them")
    return RealSpeech(
        training=tuple(one for one in training_folder if not is_held_out(one.speaker)),
        measuring=(*(one for one in training_folder if is_held_out(one.speaker)), *test_folder),
        sounds=tuple(sounds),
        published=published,
    )


def train_captioner(
    recipe: Recipe, out: Path, work: Path, *, workers: int, real: RealSpeech, callback: ProgressCallback
) -> list[Score]:
    """Trains a captioner and writes its folder with the card.

    Raises:
        DependencyError: a synthesizer is missing.
        RecordingError: a real recording cannot be decoded.
        JobError: the work folder belongs to another recipe.
    """
    # A checkpoint would be wrong for another recipe.
    claim(work / _RECIPE_FILE, recipe)
    torch.set_num_threads(workers)
    bank = write_phrase_bank(work / "recordings", list(real.training)) if real.training else None
    blocks = _blocks("train", recipe.training_clips, recipe, work / "corpus", workers, callback, bank)
    clips = _load(blocks, work / "features", workers, callback)
    prompts = shipped_prompts()
    tokenizer = _tokenizer(clips, prompts, recipe.settings.seed)
    callback.on_begin("training", recipe.settings.steps)
    done = 0

    def on_step(report: StepReport) -> None:
        nonlocal done
        # The first step of a resumed run stands for all that were done before.
        units, done = report.step + 1 - done, report.step + 1
        callback.on_advance(units, f"answer loss {report.answer_loss:.3f}, auxiliary loss {report.auxiliary_loss:.3f}")

    trained = train(clips, tokenizer, prompts, recipe.settings, work / _CHECKPOINT, on_step, workers=workers)
    write_model_folder(out, trained.thinker, tokenizer)
    run = TrainingRun(
        machine=describe_device(training_device()),
        training_clips=len(clips),
        training_hours=sum(clip.truth.num_samples for clip in clips) / 16_000 / 3600,
        steps=recipe.settings.steps,
        hearing_steps=recipe.settings.hearing_steps,
        agreeing_steps=recipe.settings.agreeing_steps,
        batch_clips=recipe.settings.batch_clips,
        peak_learning_rate=recipe.settings.peak_learning_rate,
        training_minutes=trained.elapsed_s / 60,
        parameters=sum(parameter.numel() for parameter in trained.thinker.parameters()),
        corpus_seed=recipe.corpus_seed,
        training_seed=recipe.settings.seed,
        real_speakers=len(recipe.real_speakers),
        real_credit=recipe.real_credit,
        real_licence=recipe.real_licence,
        prompts=recipe.prompts,
    )
    write_model_card(out, run, [])
    return evaluate_captioner(out, recipe, work, workers=workers, real=real, callback=callback)


def evaluate_captioner(
    folder: Path, recipe: Recipe, work: Path, *, workers: int, real: RealSpeech, callback: ProgressCallback
) -> list[Score]:
    """Measures a model folder on the test split and on real speech, and writes its card anew.

    Raises:
        DependencyError: a synthesizer is missing.
        ModelError: the folder holds no captioner of this package.
        RecordingError: a real recording cannot be decoded.
        SourceError: the published captions cannot be read.
    """
    thinker, tokenizer = read_model_folder(folder)
    run = read_run(folder)
    captioner = EmbeddedCaptioner(thinker, tokenizer, shipped_prompts())
    blocks = _blocks("test", recipe.test_clips, recipe, work / "corpus", workers, callback)
    clips = _load(blocks, work / "features", workers, callback)
    listens = run.prompts != CAPTION_PROMPTS
    scores = score_clips(_measure_clips(captioner, clips, blocks, callback))
    scores += _measure_listening(captioner, clips, callback) if listens else []
    scores += score_candidates(_candidates(captioner, clips, callback))
    if real.measuring:
        bank = write_phrase_bank(work / "held_out_recordings", list(real.measuring))
        blocks = _blocks("test", REAL_CLIPS, recipe, work / "held_out_corpus", workers, callback, bank, 1.0)
        clips = _load(blocks, work / "held_out_features", workers, callback)
        scores += score_clips(_spoken(_measure_clips(captioner, clips, blocks, callback)), "real voices: ")
        scores += _measure_listening(captioner, clips, callback, "real voices: ") if listens else []
    recordings = [read_real_clip(one.path, one.gender) for one in real.measuring]
    recordings += [read_real_clip(path, None) for path in real.sounds]
    if recordings:
        scores += score_recordings(
            recordings, _caption_recordings(captioner, [clip.audio_T for clip in recordings], callback)
        )
    if real.published is not None:
        published = read_published(real.published)
        scores += score_published(
            published, _caption_recordings(captioner, [clip.audio_T for clip in published], callback)
        )
    write_model_card(folder, run, scores)
    return scores


def _measure_clips(
    captioner: EmbeddedCaptioner, clips: list[Clip], blocks: list[Path], callback: ProgressCallback
) -> list[ClipResult]:
    """What the captioner and the signal rule say of each clip."""
    callback.on_begin("captioning held-out clips", len(clips))
    readings = captioner.caption([clip.mel_FM for clip in clips], callback.on_advance)
    callback.on_begin("signal rules", len(clips))
    heard = []
    paths = [path for block in blocks for _, path in read_truths(block)]
    for clip, path, reading in zip(clips, paths, readings, strict=True):
        heard.append(ClipResult(clip.truth, reading, read_signal(soundfile.read(path, dtype="float32")[0])))
        callback.on_advance(1)
    return heard


def _spoken(heard: list[ClipResult]) -> list[ClipResult]:
    return [clip for clip in heard if clip.truth.speech is not None]


def _caption_recordings(
    captioner: EmbeddedCaptioner, audios: list[npt.NDArray[np.float32]], callback: ProgressCallback
) -> list[ClipCaptions]:
    callback.on_begin("captioning real recordings", len(audios))
    return captioner.caption([mel_of(audio_T) for audio_T in audios], callback.on_advance)


def _candidates(
    captioner: EmbeddedCaptioner, clips: list[Clip], callback: ProgressCallback
) -> list[list[ClipCaptions]]:
    """Several sampled readings of each of the first clips with speech."""
    mels = [clip.mel_FM for clip in clips if clip.truth.speech is not None][:SAMPLED_CLIPS]
    callback.on_begin("sampling candidates", NUM_CANDIDATES * len(mels))
    passes = [
        captioner.caption(mels, callback.on_advance, temperature=TEMPERATURE, seed=seed)
        for seed in range(NUM_CANDIDATES)
    ]
    return [list(readings) for readings in zip(*passes, strict=True)]


def _measure_listening(
    captioner: EmbeddedCaptioner, clips: list[Clip], callback: ProgressCallback, about: str = ""
) -> list[Score]:
    """How the captioner judges claims and times events."""
    mels = [clip.mel_FM for clip in clips]
    callback.on_begin("timing events", len(clips))
    scores = score_events([clip.truth for clip in clips], captioner.events(mels, callback.on_advance), about)
    rng = np.random.default_rng(0)
    asked = [(clip, claims_to_probe(clip.truth, rng)) for clip in clips if clip.truth.speech is not None]
    callback.on_begin("probing claims", len(asked))
    answers = captioner.probe(
        [clip.mel_FM for clip, _ in asked],
        [[claim.sentence for claim in claims] for _, claims in asked],
        callback.on_advance,
    )
    probed = [
        ProbedClip(clip.truth.speech, tuple(zip(claims, some, strict=True)))
        for (clip, claims), some in zip(asked, answers, strict=True)
        if clip.truth.speech is not None
    ]
    sentences = list(dict.fromkeys(claim.sentence for _, claims in asked for claim in claims))
    silence = captioner.probe(
        [mel_of(np.zeros(_SILENCE_SAMPLES, np.float32))] * len(sentences), [[one] for one in sentences]
    )
    by_sentence = {sentence: some[0] for sentence, some in zip(sentences, silence, strict=True)}
    return [*scores, *score_probe(probed, by_sentence, about)]


def _blocks(
    split: Split,
    count: int,
    recipe: Recipe,
    folder: Path,
    workers: int,
    callback: ProgressCallback,
    bank: Path | None = None,
    recorded_share: float = RECORDED_SHARE,
) -> list[Path]:
    """The blocks of a split, made where they are missing."""
    callback.on_begin(f"synthesizing {split} clips", count)
    return write_corpus(
        folder,
        split,
        num_clips=count,
        seed=recipe.corpus_seed,
        workers=workers,
        bank=bank,
        recorded_share=recorded_share,
        on_block=callback.on_advance,
    )


def _load(blocks: list[Path], features: Path, workers: int, callback: ProgressCallback) -> list[Clip]:
    """The clips of blocks with their features, computed where they are missing."""
    callback.on_begin("features", len(blocks))
    write_features(blocks, features, workers=workers, on_block=callback.on_advance)
    return [clip for block in blocks for clip in load_block(block, features)]


def _tokenizer(clips: list[Clip], prompts: Prompts, seed: int) -> Tokenizer:
    """Trained on the captions, events and claims of every clip, and on the prompts."""
    rng = np.random.default_rng([seed, 2])
    texts = [prompts.fine, prompts.global_, prompts.probe, prompts.events] * 20
    untold = untold_claims()
    for clip in clips:
        truth = clip.truth
        texts += [fine_caption(truth, rng).text, global_caption(truth, rng).text, events_answer(truth).text]
        claims: list[JudgedClaim] = claims_to_probe(truth, rng) or [untold[0]]
        claim = claims[int(rng.integers(len(claims)))]
        texts += [claim.sentence, claim.answer]
    texts += [claim.sentence for claim in untold] * 20
    return train_tokenizer(texts)
