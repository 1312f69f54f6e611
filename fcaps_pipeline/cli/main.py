"""The `fcaps` command. Commands import what they need when they run, so that `--help` is instant."""

import sys
import traceback
from typing import Annotated

import typer

from fcaps_pipeline import __version__
from fcaps_pipeline.cli import (
    annotate,
    audio,
    bench,
    captioner,
    evaluate,
    export,
    init,
    inspect,
    pack,
    release,
    report,
    status,
    synth,
    train,
)
from fcaps_pipeline.cli.console import messages, result
from fcaps_pipeline.errors import DependencyError, FcapsError

app = typer.Typer(name="fcaps", no_args_is_help=True, pretty_exceptions_enable=False)

_EXTRAS = "annotating comes with the extras [cpu] and [gpu], training with [train], releases with [release]"
_ANNOTATE, _RELEASE = "Annotate speech", "Release a dataset"
_TRAIN, _LAB = "Train and use a model", "Lab: how true, how fast"
for _panel, _commands in {
    _ANNOTATE: (
        init.init,
        annotate.annotate,
        annotate.plan,
        status.status,
        inspect.show,
        report.report,
        inspect.verify,
    ),
    _RELEASE: (pack.pack, export.export),
    _TRAIN: (train.train, evaluate.evaluate, evaluate.compare, evaluate.score, evaluate.rerank),
    _LAB: (synth.synth, inspect.schema),
}.items():
    for _command in _commands:
        app.command(rich_help_panel=_panel)(_command)
app.add_typer(audio.app, name="audio", help="Check or embed audio that rows refer to.", rich_help_panel=_ANNOTATE)
app.add_typer(
    release.app, name="release", help="Build, compare, take back, publish a release.", rich_help_panel=_RELEASE
)
app.add_typer(bench.app, name="bench", help="Measure speed and quality on this machine.", rich_help_panel=_LAB)
app.add_typer(captioner.app, name="captioner", help="Train and evaluate the embedded captioner.", rich_help_panel=_LAB)


@app.callback(invoke_without_command=True)
def fcaps(*, version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False) -> None:
    """Raw speech in, validated style-caption shards out."""
    if version:
        result.say(f"fcaps {__version__}")
        raise typer.Exit


def main() -> None:
    """Entry point: one line and an exit code for every error, a traceback for none."""
    try:
        app(prog_name="fcaps")
    except FcapsError as error:
        messages.say(f"error: {error}", style="red")
        sys.exit(error.exit_code)
    except ModuleNotFoundError as error:
        messages.say(f"error: this command needs {error.name}, which is not installed; {_EXTRAS}", style="red")
        sys.exit(DependencyError.exit_code)
    except Exception as error:  # noqa: BLE001 - the outermost border of the program
        frame = traceback.extract_tb(error.__traceback__)[-1]
        messages.say(
            f"internal error: {type(error).__name__}: {' '.join(str(error).split())} "
            f"({frame.filename}:{frame.lineno}); "
            "this is a defect, please report it",
            style="red",
        )
        sys.exit(1)
