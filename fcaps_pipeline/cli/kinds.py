"""The kinds of jobs: which model describes each, and which command runs it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fcaps_pipeline.errors import JobError
from fcaps_pipeline.jobs.annotate_job import Job
from fcaps_pipeline.jobs.job_file import Section, read_job_file
from fcaps_pipeline.learn.evaluation.job import EvaluateJob
from fcaps_pipeline.learn.training.job import TrainJob
from fcaps_pipeline.release.recipe import Recipe

JOBS: dict[str, type[Section]] = {"annotate": Job, "train": TrainJob, "evaluate": EvaluateJob, "release": Recipe}
"""By the command that runs them; that of releases has verbs of its own."""


def command_for(kind: str) -> str:
    """What is typed to run a job of a kind."""
    return "fcaps release build" if kind == "release" else f"fcaps {kind}"


@contextmanager
def job_for(command: str, path: Path) -> Iterator[None]:
    """Says of a job that cannot be read whether it is one for another command.

    Raises:
        JobError: it is.
    """
    try:
        yield
    except JobError as error:
        keys = set(read_job_file(path, "sections").content)
        known = {name: len(keys & set(model.model_fields)) for name, model in JOBS.items()}
        other = max(known, key=known.__getitem__)
        if known[other] > known[command]:
            raise JobError(
                f"{path} is a job for `{command_for(other)}`, not for `{command_for(command)}`; run "
                f"`{command_for(other)} {path}`"
            ) from error
        raise
