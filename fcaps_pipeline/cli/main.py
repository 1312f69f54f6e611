"""The `fcaps` command. Commands import what they need when they run, so that `--help` is instant."""

import sys
import traceback

import typer

from fcaps_pipeline.cli import annotate, bench, captioner, evaluate, inspect, report, status, synth, train
from fcaps_pipeline.cli.console import messages
from fcaps_pipeline.errors import FcapsError

app = typer.Typer(
    name="fcaps",
    help="Raw speech in, validated style-caption shards out.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command("annotate")(annotate.annotate)
app.command("plan")(annotate.plan)
app.command("status")(status.status)
app.command("verify")(inspect.verify)
app.command("show")(inspect.show)
app.command("report")(report.report)
app.command("schema")(inspect.schema)
app.command("synth")(synth.synth)
app.command("train")(train.train)
app.command("evaluate")(evaluate.evaluate)
app.command("score")(evaluate.score)
app.command("rerank")(evaluate.rerank)
app.add_typer(captioner.app, name="captioner", help="Train and evaluate the embedded captioner.")
app.add_typer(bench.app, name="bench", help="Measure speed and quality on this machine.")


def main() -> None:
    """Entry point: one line and an exit code for every error, a traceback for none."""
    try:
        app()
    except FcapsError as error:
        messages.say(f"error: {error}", style="red")
        sys.exit(error.exit_code)
    except Exception as error:  # noqa: BLE001 - the outermost border of the program
        frame = traceback.extract_tb(error.__traceback__)[-1]
        messages.say(
            f"internal error: {type(error).__name__}: {' '.join(str(error).split())} "
            f"({frame.filename}:{frame.lineno}); "
            "this is a defect, please report it",
            style="red",
        )
        sys.exit(1)
