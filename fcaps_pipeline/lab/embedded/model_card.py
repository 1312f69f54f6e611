"""Writes the model card: prose around measured figures, the settings of the run and the borders of the classes.

Enters: scores and what is known of the training run. Leaves: `README.md` in the model folder.
"""

import json
from pathlib import Path

from fcaps_pipeline.attributes.borders import PITCH_BORDERS_HZ
from fcaps_pipeline.errors import ModelError
from fcaps_pipeline.lab.embedded.requests import CAPTION_PROMPTS
from fcaps_pipeline.lab.embedded.scores import Score
from fcaps_pipeline.lab.synthesis import classes
from fcaps_pipeline.learn.evaluation.tables import plain
from fcaps_pipeline.records.base import Record

CARD_FILE = "README.md"
RUN_FILE = "training.json"


class TrainingRun(Record):
    """Facts about how the weights came to be; kept in the model folder as `training.json`."""

    machine: str
    training_clips: int
    training_hours: float
    steps: int
    """All of them."""
    hearing_steps: int
    """The first steps, in which the audio tower learns alone."""
    agreeing_steps: int
    """The last steps, in which both captions learn to state the same decisions."""
    batch_clips: int
    peak_learning_rate: float
    training_minutes: float
    parameters: int
    corpus_seed: int
    training_seed: int
    real_speakers: int = 0
    """Real people among the training voices."""
    real_credit: str | None = None
    """Whose recordings those are, and their licence."""
    real_licence: str | None = None
    """Identifier of the licence that the card gives the weights because of them."""
    prompts: tuple[str, ...] = CAPTION_PROMPTS
    """References of what it learnt to answer."""


_TEMPLATE = """---
license: {licence}
language: en
pipeline_tag: audio-text-to-text
---

# Embedded captioner of fcaps-pipeline

A demonstration captioner: a Qwen3-Omni thinker with {parameters:.1f} M parameters that ships with the package, so that
the demo, the tests and a laptop take the path of the cluster. Use a real audio LLM for data you mean to keep. It
answers these prompts about one segment of speech:

{answers}

## Figures

Greedy captions in float32 on synthetic clips of voices and sentences that training never saw, read back by the
attribute reader, with bootstrap intervals of 95 % over clips. *Constant* is the best answer that ignores the sound.
*Rule* puts one threshold on one measurement of the finished clip: median F0 (female above 165 Hz, then the borders
below), syllable nuclei per second of speech, RMS level, the voiced share, the last third or half against the first,
silences. Real voices and recordings are of speakers that training never heard: *real voices* are clips made of their
phrases as the training clips are, *real recordings* are whole files as they were recorded. Candidates are sampled
five times at temperature 0.6.{listening}

| what | measure | captioner | constant | rule | clips |
|---|---|---|---|---|---|
{rows}

## What it cannot do

- It says gender, pitch, pace, volume, their course, whispering and pauses. Age, accent, timbre and emotion are always
  `unknown`.
- Its words are those of a grammar with many paraphrases; it does not transcribe and does not describe content.
- Real speech has rows of its own where it was measured; figures on synthetic voices do not stand for it.
- Now and then it takes a sound without speech for a speaker.
- Some changes of loudness, pitch and pace are missed, and some are invented on steady speech.
- Whispers were made from voiced speech by a vocoder, not recorded.
- Several voices at once, breathy and creaky voices, laughter, singing, children and languages other than English were
  not trained.

## How it was made

- Data: synthetic speech by espeak-ng, flite and festival (Debian packages espeak-ng, flite, festival,
  festvox-kdlpc16k, festvox-italp16k, festvox-itapc16k, festvox-suopuhe-mv, festvox-suopuhe-lj,
  festvox-ca-ona-hts, festvox-czech-dita, festvox-czech-machac) with formant scaling, praat resynthesis, rooms, noise
  and level; labels are measured.
- {real}
- {training_clips} clips, {training_hours:.1f} h; training seed {training_seed}.
- {training_minutes:.0f} minutes of training on: {machine}.
- Pitch classes: men below {men_hz[0]} and above {men_hz[1]} Hz, women below {women_hz[0]} and above {women_hz[1]} Hz;
  pace: below {paces[0]} and above {paces[1]} syllables per second of speech; volume: below {volumes[0]:.0f} and above
  {volumes[1]:.0f} LUFS; a pause is a silence of {pause_s} s or more.
- Made with `fcaps captioner train --out DIR --seed {corpus_seed} --clips {training_clips} --steps {steps}
  --hearing-steps {hearing_steps} --agreeing-steps {agreeing_steps} --batch-clips {batch_clips}
  --learning-rate {peak_learning_rate}{real_options}`.
- The demo speech is our own output, CC0.
"""
_ANSWERS = {
    "embedded_fine.v1": "prose over time",
    "embedded_global.v1": "JSON of the global schema",
    "embedded_probe.v1": "whether one claim is true: `yes`, `no` or `cannot tell`, told apart by the first token",
    "embedded_events.v1": "JSON of timed events, in seconds",
}
_LISTENING = """
A *probe* asks whether a statement is true; its margin is the logarithm of the odds of yes against no, less that on two
seconds of silence. A false statement is found where its margin lies below all but 2 % of those of true ones about the
same attribute. A *flipped* course is one in the other direction, an *invented* one is said of speech that is steady. An
event is found where one of the same phrase is told whose start and end both lie within 0.3 s of its own."""
_LICENCE_OF_SYNTHETIC = "cc0-1.0"
_SYNTHETIC_ONLY = "No recordings of real people were used beyond what these voices contain."
_WITH_REAL = """Real speech: nearly half of the training clips are phrases of {speakers} people, some as recorded, some
  moved in pitch and pace, with rooms, noise and level as above: {credit}. Their syllables are estimated."""


def write_model_card(folder: Path, run: TrainingRun, scores: list[Score]) -> None:
    """Writes the card and the facts it was made from."""
    fields = run.model_dump()
    fields["parameters"] = run.parameters / 1e6
    fields["rows"] = "\n".join(f"| {' | '.join(score_cells(score))} |" for score in scores)
    fields["answers"] = "\n".join(f"- `{reference}`: {_ANSWERS[reference]}" for reference in run.prompts)
    fields["listening"] = "" if run.prompts == CAPTION_PROMPTS else _LISTENING
    fields["men_hz"], fields["women_hz"] = (PITCH_BORDERS_HZ[gender] for gender in ("male", "female"))
    fields["paces"], fields["volumes"] = classes.RATE_BORDERS_HZ, classes.VOLUME_BORDERS_LUFS
    fields["pause_s"] = classes.PAUSE_S[1]
    fields["real"], fields["real_options"], fields["licence"] = _SYNTHETIC_ONLY, "", _LICENCE_OF_SYNTHETIC
    if run.real_speakers:
        fields["real"] = _WITH_REAL.format(speakers=run.real_speakers, credit=run.real_credit)
        fields["real_options"] = f" --real DIR --real-credit TEXT --real-licence {run.real_licence}"
        fields["licence"] = run.real_licence
    card = _TEMPLATE.format(**fields)
    (folder / CARD_FILE).write_text(card, encoding="utf-8")
    (folder / RUN_FILE).write_text(json.dumps(run.model_dump(), indent=2) + "\n", encoding="utf-8")


def read_run(folder: Path) -> TrainingRun:
    """Facts of an earlier training run, from its model folder.

    Raises:
        ModelError: they are missing or damaged.
    """
    try:
        return TrainingRun.model_validate_json((folder / RUN_FILE).read_bytes())
    except (OSError, ValueError) as error:
        raise ModelError(
            f"{folder / RUN_FILE} does not tell how the captioner was trained ({type(error).__name__}); "
            "give a folder that `fcaps captioner train` wrote"
        ) from error


def score_cells(score: Score) -> list[str]:
    """One line of the table: what, measure, captioner, constant, rule, clips."""
    constant = "" if score.constant is None else f"{score.constant:.2f}"
    rule = "" if score.rule is None else plain(score.rule, 2)
    return [score.name, score.measure, plain(score.value, 3), constant, rule, str(score.value.num_items)]
