"""Opens a run folder: creates it, or finds that it belongs to the same Job and goes on.

One process at a time works in a run folder.
"""

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fcaps_pipeline.config import Job
from fcaps_pipeline.errors import UsageError
from fcaps_pipeline.files import write_durably, writing
from fcaps_pipeline.job_folder import locked, refuse_strangers, require_same_job
from fcaps_pipeline.prompts import load_prompt
from fcaps_pipeline.shards.layout import RunLayout
from fcaps_pipeline.shards.reader import read_json


@contextmanager
def opened(root: Path, job: Job) -> Iterator[RunLayout]:
    """The run folder, locked, with the leftovers of a killed process removed.

    The Job counts as started once its plan is stored; until then it may change.

    Raises:
        JobError: the folder holds a run of a different Job.
        UsageError: the folder holds something else, or another process works in it.
        OutputError: the folder cannot be written.
    """
    layout = RunLayout(root.absolute())
    with locked(layout.root, layout.lock, "annotating into"):
        stored = read_json(layout.job)
        if stored is None:
            refuse_strangers(layout.root, layout.lock, layout.job, kind="a run folder")
        if stored is None or not layout.plan.is_file():
            with writing(layout.job):
                write_durably(layout.job, json.dumps(_identity(job), indent=1))
        else:
            require_same_job(stored, _identity(job), layout.job)
        shutil.rmtree(layout.temporary, ignore_errors=True)
        yield layout


def existing(root: Path) -> RunLayout:
    """The layout of a run that was started before.

    Raises:
        UsageError: the folder is not a run folder.
    """
    layout = RunLayout(root)
    if not layout.job.is_file():
        raise UsageError(f"{root} is not a run folder: it has no job.json; give the --out folder of `fcaps annotate`")
    return layout


def job_sha256(job: Job) -> str:
    """Identity of what the job asks for."""
    return hashlib.sha256(json.dumps(_identity(job), sort_keys=True).encode()).hexdigest()


def _identity(job: Job) -> dict[str, Any]:
    """What decides the result: the job's content and the texts of its prompts."""
    references = {one for caption in job.captions.values() for one in (caption.prompt, caption.prompt_with_tags) if one}
    return {**job.content(), "prompt_sha256": {name: load_prompt(name).sha256 for name in sorted(references)}}
