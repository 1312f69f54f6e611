"""`fcaps init`: a job to begin with."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from fcaps_pipeline.cli.console import messages, result
from fcaps_pipeline.cli.paths import local_path
from fcaps_pipeline.errors import UsageError


class Kind(StrEnum):
    """Jobs, by the command that runs them."""

    ANNOTATE = "annotate"
    TRAIN = "train"
    EVALUATE = "evaluate"
    RELEASE = "release"


def init(
    kind: Annotated[Kind, typer.Argument(help="The command that the job is for.")] = Kind.ANNOTATE,
    out: Annotated[
        Path | None, typer.Option(parser=local_path, metavar="PATH", help="File to write; KIND.yaml by default.")
    ] = None,
) -> None:
    """Write a job with every key explained, those that need not be set as comments."""
    from fcaps_pipeline.cli.kinds import JOBS, command_for
    from fcaps_pipeline.cli.schemas import schema_path
    from fcaps_pipeline.jobs.commented import commented
    from fcaps_pipeline.jobs.job_yaml import read_value
    from fcaps_pipeline.jobs.resources import shipped_folder
    from fcaps_pipeline.storage.files import write_durably, writing

    path = out or Path(f"{kind}.yaml")
    if path.exists():
        raise UsageError(f"{path} exists; name another file with --out")
    shipped = shipped_folder("jobs") / f"{kind}_demo_cpu.yaml"
    content = read_value(shipped.read_text(encoding="utf-8"))
    if kind is Kind.ANNOTATE:
        content["source"] = {"kind": "folder", "path": "speech"}
    with writing(path):
        write_durably(path, commented(JOBS[kind], content, str(schema_path(f"{kind}_job"))))
    result.say(str(path))
    messages.say(f"next: edit it, then run `{command_for(kind)} {path}`")
