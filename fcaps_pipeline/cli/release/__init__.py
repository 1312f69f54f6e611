"""`fcaps release`: one verb a file."""

import typer

from fcaps_pipeline.cli.release.build import build
from fcaps_pipeline.cli.release.diff import diff
from fcaps_pipeline.cli.release.overrides import overrides
from fcaps_pipeline.cli.release.publish import publish
from fcaps_pipeline.cli.release.remove import remove

app = typer.Typer(no_args_is_help=True)
app.command()(build)
app.command()(diff)
app.command()(overrides)
app.command()(publish)
app.command()(remove)
