"""The kinds of jobs: which model describes each, and which command runs it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fcaps_pipeline.errors import JobError
from fcaps_pipeline.jobs.annotate_job import Job
from fcaps_pipeline.jobs.job_file import Section, read_job_file
from fcaps_pipeline.learn.evaluation.job import EvaluateJob
from fcaps_pipeline.learn.training.job import TrainJob

JOBS: dict[str, type[Section]] = {"annotate": Job, "train": TrainJob, "evaluate": EvaluateJob}
"""By the command that runs them."""


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
                f"{path} is a job for `fcaps {other}`, not for `fcaps {command}`; run `fcaps {other} {path}`"
            ) from error
        raise
