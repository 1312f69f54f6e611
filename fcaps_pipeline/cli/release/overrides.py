"""`fcaps release overrides`: what people corrected, as the table that RELEASE.yaml takes."""

import json
from pathlib import Path
from typing import Annotated

import typer

from fcaps_pipeline.cli.console import result
from fcaps_pipeline.cli.paths import local_path


def overrides(
    made: Annotated[
        Path, typer.Argument(parser=local_path, metavar="LABELSTUDIO.json", help="JSON export of Label Studio.")
    ],
    out: Annotated[Path, typer.Option(parser=local_path, metavar="PATH", help="JSONL file to write.")],
) -> None:
    """Turn captions corrected in Label Studio into the overrides of a release."""
    from fcaps_pipeline.errors import UsageError
    from fcaps_pipeline.release.export.corrections import read_corrections
    from fcaps_pipeline.storage.files import write_durably, writing

    if out.suffix != ".jsonl":
        raise UsageError(f"{out} is written as JSONL; give --out a name that ends in .jsonl")
    if out.exists():
        raise UsageError(f"{out} exists; name another file with --out")
    lines = [f"{json.dumps(one.model_dump())}\n" for one in read_corrections(made)]
    with writing(out):
        write_durably(out, "".join(lines))
    result.say(f"{out}: {len(lines)} corrections; name it as `overrides` in RELEASE.yaml")
