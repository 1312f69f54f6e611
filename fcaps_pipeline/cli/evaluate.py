"""`fcaps evaluate`, `compare`, `score` and `rerank`."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import MofNCompleteColumn

from fcaps_pipeline.cli.annotate import Overrides
from fcaps_pipeline.cli.bars import Bar
from fcaps_pipeline.cli.console import Stream, messages, result
from fcaps_pipeline.cli.paths import local_path

if TYPE_CHECKING:
    from fcaps_pipeline.learn.evaluation.embedder import BadItem, Embedder

_EXIT_NOT_WHOLE = 3
_EXIT_INTERRUPTED = 130
_BATCH_S = 120.0

Model = Annotated[str, typer.Option(help="Model folder, such as `best` of a training run.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def evaluate(
    job: Annotated[Path, typer.Argument(help="An evaluation job (.yaml); `jobs/` holds complete ones.")],
    out: Annotated[
        Path | None,
        typer.Option(
            parser=local_path, metavar="PATH", help="Folder for metrics.json and report.md; runs/NAME by default."
        ),
    ] = None,
    overrides: Overrides = None,
) -> None:
    """Measure a trained model: retrieval, zero-shot classes, human ratings, timing. Reads the test split."""
    from fcaps_pipeline.cli.kinds import job_for
    from fcaps_pipeline.learn.evaluation.job import load_evaluate_job

    with job_for("evaluate", job):
        loaded = load_evaluate_job(job, overrides or [])
    _check_model(loaded.model)
    from fcaps_pipeline.learn.evaluation.evaluate import REPORT
    from fcaps_pipeline.learn.evaluation.evaluate import evaluate as run
    from fcaps_pipeline.learn.evaluation.report import outcome_text

    out = out or Path("runs") / job.stem
    try:
        with EmbeddingBar(messages) as bar:
            report = run(loaded, out, bar)
    except KeyboardInterrupt:
        messages.say("interrupted; nothing was written, the same command starts anew")
        raise typer.Exit(_EXIT_INTERRUPTED) from None
    for name, outcome in report.outcomes.items():
        result.page(f"{name}\n\n{outcome_text(name, outcome)}")
    result.say(f"report: {out / REPORT}")
    if report.num_bad_items:
        raise typer.Exit(_EXIT_NOT_WHOLE)


def compare(
    first: Annotated[Path, typer.Argument(help="Folder of an evaluation.")],
    second: Annotated[Path, typer.Argument(help="Folder of another model's, measured by the same tasks.")],
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Say whether one model is better than another, by drawing the same speakers for both."""
    from fcaps_pipeline.learn.evaluation.comparison import compare_evaluations, difference_table

    differences = compare_evaluations(first, second)
    if as_json:
        _print_json([one.model_dump(mode="json") for one in differences])
    else:
        result.page(difference_table(differences))


def score(
    audio: Annotated[Path, typer.Argument(help="Audio file of one voice.")],
    texts: Annotated[list[str], typer.Argument(metavar="TEXT...", help="Texts to compare it with.")],
    model: Model,
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Print how well texts fit an audio file."""
    _check_model(model)
    from rich.table import Table

    from fcaps_pipeline.learn.evaluation.file_scores import score_texts

    with _embedder(model) as embedder:
        scores = score_texts(embedder, audio, texts)
    _note_cut(scores.num_cut_texts, len(texts))
    if as_json:
        _print_json(scores.model_dump(mode="json"))
        return
    table = Table("text", "similarity", "share among these", "probability")
    for one in scores.texts:
        table.add_row(one.text, f"{one.similarity:.3f}", _percent(one.share), _percent(one.probability))
    result.show(table)


def rerank(
    audio: Annotated[list[Path], typer.Argument(metavar="AUDIO...", help="Audio files to choose from.")],
    text: Annotated[str, typer.Option(help="What the voice should be like.")],
    model: Model,
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Sort audio files by how well they fit a text, the best first."""
    _check_model(model)
    from rich.table import Column, Table

    from fcaps_pipeline.learn.evaluation.file_scores import rank_files

    with _embedder(model) as embedder:
        ranking = rank_files(embedder, audio, text)
    _note_cut(ranking.num_cut_texts, 1)
    if as_json:
        _print_json(ranking.model_dump(mode="json"))
    else:
        table = Table("rank", Column("audio", no_wrap=True), "similarity", "probability")
        for one in ranking.files:
            table.add_row(f"{one.rank}", one.audio, f"{one.similarity:.3f}", _percent(one.probability))
        result.show(table)
    _exit_if_bad(ranking.bad_items, len(audio))


class EmbeddingBar(Bar):
    """What is being embedded: a bar, or one line per kind where there is no terminal."""

    def __init__(self, console: Stream) -> None:
        super().__init__(console, MofNCompleteColumn(), transient=True)
        self._task = self._bar.add_task("loading", total=None)

    def on_begin(self, what: str, total: int) -> None:
        """Starts the bar anew."""
        self._bar.reset(self._task, description=f"embedding {what}", total=total)
        if not self._console.is_terminal:
            self._console.say(f"embedding {total} {what}")

    def on_advance(self, num_items: int, note: str = "") -> None:
        """Moves the bar."""
        self._bar.update(self._task, advance=num_items)


@contextmanager
def _embedder(model: str) -> Iterator["Embedder"]:
    from fcaps_pipeline.learn.evaluation.embedder import Embedder
    from fcaps_pipeline.learn.ranks import process_group

    with EmbeddingBar(messages) as bar, process_group("auto") as context:
        yield Embedder.load(model, context.device, bar, batch_s=_BATCH_S, num_workers=0, bf16=False)


def _check_model(model: str) -> None:
    """Tells a folder that is no model before torch is loaded, which takes seconds."""
    from fcaps_pipeline.jobs.resources import resolve_path
    from fcaps_pipeline.learn.dual_encoder.config_file import read_config

    read_config(resolve_path(model))


def _exit_if_bad(bad_items: "Sequence[BadItem]", num_items: int) -> None:
    for item in bad_items:
        messages.say(f"left out: {item.reason}", style="yellow")
    if bad_items:
        messages.say(f"{len(bad_items)} of {num_items} audio files could not be used")
        raise typer.Exit(_EXIT_NOT_WHOLE)


def _note_cut(num_cut: int, num_texts: int) -> None:
    if num_cut:
        messages.say(f"{num_cut} of {num_texts} texts are longer than the text tower takes and were cut")


def _print_json(content: object) -> None:
    result.print(json.dumps(content, ensure_ascii=False, indent=1), soft_wrap=True)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"
