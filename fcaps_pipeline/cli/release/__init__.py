"""`fcaps release`: one verb a file."""

import typer

from fcaps_pipeline.cli.release.build import build

app = typer.Typer(no_args_is_help=True)
app.command()(build)
