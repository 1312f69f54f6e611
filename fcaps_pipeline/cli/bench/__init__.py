"""`fcaps bench`: speed on this machine, how true captions are, what training is worth, what damage is outlived."""

import typer

from fcaps_pipeline.cli.bench import (
    annotate,
    captions,
    events,
    plan,
    readers,
    release,
    retrieval,
    reuse,
    rules,
    scale,
    speakers,
    storage,
    train,
    verification,
)

app = typer.Typer(no_args_is_help=True)
for _command in (
    annotate.annotate,
    scale.scale,
    plan.plan,
    storage.storage,
    release.release,
    reuse.reuse,
    rules.rules,
    events.events,
    verification.verification,
    captions.captions,
    speakers.speakers,
    retrieval.retrieval,
    readers.readers,
    train.train,
):
    app.command()(_command)
