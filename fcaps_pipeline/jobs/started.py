"""The job that a run folder was last started with, whole, so that the folder alone is enough to go on.

`job.json` holds what decides the result; `started.json` holds every key, and the folder in which relative paths start.
"""

import os

from pydantic import ValidationError

from fcaps_pipeline.errors import CorruptRunError, MissingFileError, UsageError
from fcaps_pipeline.jobs.annotate_job import Job
from fcaps_pipeline.jobs.resources import WORKING_FOLDER, working_folder
from fcaps_pipeline.records.base import Record
from fcaps_pipeline.storage.path import StorePath


class _Started(Record):
    """Content of the file."""

    working_folder: str
    job: Job


def remember(path: StorePath, job: Job) -> None:
    """Notes a job that begins, or goes on.

    Raises:
        OutputError: the file cannot be written.
    """
    content = _Started(working_folder=str(working_folder()), job=job).model_dump_json(indent=1)
    if not path.exists() or path.read() != content.encode():
        path.put(content)


def recall(path: StorePath) -> Job:
    """The job that was noted; from now on relative paths start where they did then.

    Raises:
        UsageError: nothing was noted.
        CorruptRunError: the file is not what was written.
    """
    try:
        started = _Started.model_validate_json(path.read())
    except MissingFileError:
        raise UsageError(f"{path.parent} remembers no job; give the job file it was started with") from None
    except ValidationError as error:
        raise CorruptRunError(
            f"{path} is not a job ({error.error_count()} mistakes); give the job file that the run was started with"
        ) from error
    os.environ[WORKING_FOLDER] = started.working_folder
    return started.job
