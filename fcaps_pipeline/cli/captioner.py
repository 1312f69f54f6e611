"""`fcaps captioner`: make the shipped captioner anew, measure it, make the demo speech."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import MofNCompleteColumn, TextColumn, TimeRemainingColumn

from fcaps_pipeline.cli.bars import Bar
from fcaps_pipeline.cli.console import Stream, messages, result
from fcaps_pipeline.cli.paths import local_path
from fcaps_pipeline.errors import UsageError

if TYPE_CHECKING:
    from fcaps_pipeline.lab.embedded.recipe import RealSpeech
    from fcaps_pipeline.lab.embedded.scores import Score

app = typer.Typer(no_args_is_help=True)

Work = Annotated[
    Path,
    typer.Option(parser=local_path, metavar="PATH", help="Where the corpus, its features and the checkpoint are kept."),
]
Workers = Annotated[int, typer.Option(min=1, help="Processes for synthesis and threads for training.")]
Clips = Annotated[int, typer.Option(min=1, help="Synthetic clips to train on.")]
TestClips = Annotated[int, typer.Option(min=1, help="Synthetic clips of held-out voices to measure on.")]
Steps = Annotated[int, typer.Option(min=1, help="Training steps, those of hearing and of agreeing included.")]
HearingSteps = Annotated[int, typer.Option(min=0, help="First steps, in which only the audio tower learns.")]
AgreeingSteps = Annotated[
    int, typer.Option(min=0, help="Last steps, in which both captions learn to state the same decisions.")
]
BatchClips = Annotated[int, typer.Option(min=1, help="Clips per step.")]
Rate = Annotated[float, typer.Option(help="Peak learning rate.")]
Seed = Annotated[int, typer.Option(min=0, help="Decides the corpus and, with it, the weights.")]
Real = Annotated[
    Path | None,
    typer.Option(help="Folder of real speech with speakers.csv (file, speaker, gender): five of six speakers train."),
]
RealTest = Annotated[Path | None, typer.Option(help="Folder of real speech with speakers.csv, for measuring only.")]
RealSounds = Annotated[Path | None, typer.Option(help="Folder of WAV files without speech, for measuring only.")]
Published = Annotated[
    Path | None,
    typer.Option(help="JSONL beside recordings (file, fine_caption, global_caption) to compare the captions with."),
]

_WORK = Path("captioner-work")


@app.command("train")
def train(
    out: Annotated[Path, typer.Option(parser=local_path, metavar="PATH", help="Model folder to write.")],
    work: Work = _WORK,
    clips: Clips = 12960,
    test_clips: TestClips = 480,
    steps: Steps = 7500,
    hearing_steps: HearingSteps = 4500,
    agreeing_steps: AgreeingSteps = 600,
    batch_clips: BatchClips = 20,
    learning_rate: Rate = 1.5e-3,
    seed: Seed = 1,
    workers: Workers = 2,
    real: Real = None,
    real_credit: Annotated[str | None, typer.Option(help="Name and licence of the real speech, for the card.")] = None,
    real_licence: Annotated[
        str | None, typer.Option(help="Licence that the real speech asks of the weights, such as cc-by-4.0.")
    ] = None,
    real_test: RealTest = None,
    real_sounds: RealSounds = None,
    published: Published = None,
) -> None:
    """Synthesize a corpus, train on it, measure on held-out voices, write folder and card."""
    from fcaps_pipeline.lab.embedded.recipe import Recipe, train_captioner
    from fcaps_pipeline.lab.embedded.training import TrainingSettings

    if hearing_steps + agreeing_steps >= steps:
        raise UsageError(
            f"--steps {steps} leaves none to learn captions in beside --hearing-steps {hearing_steps} and "
            f"--agreeing-steps {agreeing_steps}; give more steps, or fewer of these two"
        )
    settings = TrainingSettings(
        steps=steps,
        hearing_steps=hearing_steps,
        agreeing_steps=agreeing_steps,
        batch_clips=batch_clips,
        peak_learning_rate=learning_rate,
    )
    if len({real is None, real_credit is None, real_licence is None}) > 1:
        raise UsageError(
            "--real, --real-credit and --real-licence go together: the card names the recordings and the licence"
        )
    real_speech = _find_real(real, real_test, real_sounds, published)
    recipe = Recipe(
        training_clips=clips,
        test_clips=test_clips,
        corpus_seed=seed,
        settings=settings,
        real_speakers=tuple(dict.fromkeys(one.speaker for one in real_speech.training)),
        real_credit=real_credit,
        real_licence=real_licence,
    )
    with _StageBar(messages) as bar:
        scores = train_captioner(recipe, out, work, workers=workers, real=real_speech, callback=bar)
    _print_scores(scores)


@app.command("evaluate")
def evaluate(
    folder: Annotated[Path, typer.Argument(help="Model folder made by `train`; its card is rewritten.")],
    work: Work = _WORK,
    test_clips: TestClips = 480,
    seed: Seed = 1,
    workers: Workers = 2,
    real: Real = None,
    real_test: RealTest = None,
    real_sounds: RealSounds = None,
    published: Published = None,
) -> None:
    """Measure a captioner on held-out voices and, where given, on real recordings."""
    from fcaps_pipeline.lab.embedded.recipe import Recipe, evaluate_captioner
    from fcaps_pipeline.lab.embedded.training import TrainingSettings

    recipe = Recipe(training_clips=1, test_clips=test_clips, corpus_seed=seed, settings=TrainingSettings(steps=1))
    real_speech = _find_real(real, real_test, real_sounds, published)
    with _StageBar(messages) as bar:
        scores = evaluate_captioner(folder, recipe, work, workers=workers, real=real_speech, callback=bar)
    _print_scores(scores)


@app.command("demo-speech")
def demo_speech(
    out: Annotated[
        Path, typer.Option(parser=local_path, metavar="PATH", help="Folder to write FLAC files and manifest.jsonl to.")
    ],
    seed: Seed = 7,
) -> None:
    """Make the demo speech: short files of held-out voices, one talk, one file without speech."""
    from fcaps_pipeline.lab.synthesis.demo import write_demo_speech

    for name in write_demo_speech(out, seed):
        result.say(str(out / name))


def _find_real(real: Path | None, real_test: Path | None, sounds: Path | None, published: Path | None) -> "RealSpeech":
    from fcaps_pipeline.lab.embedded.recipe import hold_out_speakers
    from fcaps_pipeline.lab.embedded.recordings import find_recordings

    if sounds is not None and not sounds.is_dir():
        raise UsageError(f"--real-sounds {sounds} is no folder; give the folder of the WAV files")
    training, test = ([] if folder is None else find_recordings(folder) for folder in (real, real_test))
    return hold_out_speakers(training, test, [] if sounds is None else sorted(sounds.glob("*.wav")), published)


def _print_scores(scores: "list[Score]") -> None:
    from rich.table import Table

    from fcaps_pipeline.lab.embedded.model_card import score_cells

    table = Table("what", "measure", "captioner", "constant", "rule", "clips")
    for score in scores:
        table.add_row(*score_cells(score))
    result.show(table)


_NOTES_PER_STAGE = 30


class _StageBar(Bar):
    """Progress of one stage after the other, on stderr: a bar, or lines where there is no terminal."""

    def __init__(self, console: Stream) -> None:
        super().__init__(console, MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.fields[note]}"))
        self._what, self._total, self._done = "", 1, 0
        self._task = self._bar.add_task("starting", total=None, note="")

    def on_begin(self, what: str, total: int) -> None:
        """Shows a new stage."""
        self._what, self._total, self._done = what, max(1, total), 0
        self._bar.reset(self._task, description=what, total=total, note="")

    def on_advance(self, units: int, note: str = "") -> None:
        """Moves the stage on."""
        before, self._done = self._done, self._done + units
        is_due = before * _NOTES_PER_STAGE // self._total != self._done * _NOTES_PER_STAGE // self._total
        if is_due and not self._console.is_terminal:
            self._console.say(f"{self._what}: {self._done}/{self._total} {note}")
        self._bar.update(self._task, advance=units, note=note)
