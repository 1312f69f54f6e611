"""`fcaps train`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import MofNCompleteColumn, TextColumn, TimeRemainingColumn

from fcaps_pipeline.cli.annotate import Overrides
from fcaps_pipeline.cli.bars import Bar
from fcaps_pipeline.cli.console import Stream, messages, result
from fcaps_pipeline.cli.paths import local_path

if TYPE_CHECKING:
    from fcaps_pipeline.learn.data.batches import BadRow
    from fcaps_pipeline.learn.training.job import TrainJob
    from fcaps_pipeline.learn.training.report import TrainingReport

_EXIT_NOT_WHOLE = 3
_EXIT_INTERRUPTED = 130
_LINES_PER_RUN = 20


def train(
    job: Annotated[Path, typer.Argument(help="A training job (.yaml); `jobs/` holds complete ones.")],
    out: Annotated[
        Path | None,
        typer.Option(
            parser=local_path,
            metavar="PATH",
            help="Folder of the run: new, or one to go on with; runs/NAME by default.",
        ),
    ] = None,
    overrides: Overrides = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would take, and train nothing.")] = False,  # noqa: FBT002
) -> None:
    """Train a speech-text model on finished runs. Run again to go on.

    On several GPUs: torchrun --nproc-per-node 8 --no-python fcaps train JOB --out DIR
    """
    from fcaps_pipeline.cli.kinds import job_for
    from fcaps_pipeline.learn.training import trainer
    from fcaps_pipeline.learn.training.job import load_train_job

    with job_for("train", job):
        loaded = load_train_job(job, overrides or [])
    if dry_run:
        _print_cost(loaded)
        return
    out = out or Path("runs") / job.stem
    try:
        with TrainingBar(messages) as bar:
            report = trainer.train(loaded, out, bar)
    except KeyboardInterrupt:
        messages.say(f"interrupted; the same command goes on from the last checkpoint in {out}")
        raise typer.Exit(_EXIT_INTERRUPTED) from None
    if report is not None:
        _print_report(report, out)
        if report.bad_rows:
            raise typer.Exit(_EXIT_NOT_WHOLE)


class TrainingBar(Bar):
    """Steps done, loss and dev metric: a bar, or lines where there is no terminal."""

    def __init__(self, console: Stream) -> None:
        super().__init__(console, MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.fields[note]}"))
        self._num_steps = 1
        self._task = self._bar.add_task("training", total=None, note="", visible=False)

    def on_train_begin(self, num_steps: int, done: int) -> None:
        """Says what there is to do."""
        self._num_steps = num_steps
        if done == num_steps:
            self._console.say(f"nothing to do: all {num_steps} steps of this run are taken")
        elif done:
            self._console.say(f"going on after step {done} of {num_steps}")
        self._bar.update(self._task, total=num_steps, completed=done, visible=True)

    def on_step(self, step: int, loss: float) -> None:
        """Moves the bar."""
        self._bar.update(self._task, completed=step, note=f"loss {loss:.4f}")
        if not self._console.is_terminal and step % max(1, self._num_steps // _LINES_PER_RUN) == 0:
            self._console.say(f"step {step}/{self._num_steps}: loss {loss:.4f}")

    def on_dev_evaluated(self, step: int, metric: str, value: float) -> None:
        """Says what dev said."""
        self._console.say(f"dev after step {step}: {metric} {value:.4f}")

    def on_bad_row(self, split: str, row: "BadRow") -> None:
        """Names a row that could not be used."""
        self._console.say(f"bad row in {split}: {row.segment_id}: {row.reason}", style="yellow")


def _print_report(report: "TrainingReport", out: Path) -> None:
    from rich.table import Table

    state = report.state
    table = Table("dev at the best step", "value")
    for name, value in report.dev.items():
        table.add_row(name, f"{value:.4f}")
    result.show(table)
    result.say(f"steps: {state.step}, best on dev: {state.best.step if state.best else 'none'}")
    result.say(f"bad rows: {len(report.bad_rows)}, standing {state.num_bad_rows} times in a training batch")
    result.say(f"waiting for data: {report.wait_share:.1%} of the step time, for texts: {report.text_share:.1%}")
    result.say(f"model: {out / 'best'}, report: {out / 'report.md'}")


def _print_cost(job: "TrainJob") -> None:
    from fcaps_pipeline.learn.training.cost import estimate

    cost = estimate(job)
    result.say(f"steps: {cost.num_steps}, audio with padding: {cost.audio_h:,.0f} h")
    result.say(f"towers: {cost.num_weights / 1e6:,.0f} M weights")
    result.say(f"time: about {cost.gpu_days:,.2f} days of one H100, waiting and measuring left out")
    result.say(f"memory: {cost.state_gb:,.2f} GB for weights, gradients, moments and averages; activations come on top")
