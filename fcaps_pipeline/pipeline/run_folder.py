"""Opens a run folder: creates it, or finds that it belongs to the same Job and goes on.

One process at a time works in a run folder; a lock that dies with its process sees to that.
"""

import fcntl
import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fcaps_pipeline.config import Job
from fcaps_pipeline.errors import CorruptRunError, JobError, OutputError, UsageError
from fcaps_pipeline.prompts import load_prompt
from fcaps_pipeline.shards.layout import RunLayout, write_durably
from fcaps_pipeline.shards.reader import read_json
from fcaps_pipeline.shards.writer import writing


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
    with _locked(layout):
        stored = read_json(layout.job)
        if stored is None:
            _refuse_strangers(layout)
        if stored is None or not layout.plan.is_file():
            with writing(layout.job):
                write_durably(layout.job, json.dumps(_identity(job), indent=1))
        else:
            _compare(stored, job, layout)
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


@contextmanager
def _locked(layout: RunLayout) -> Iterator[None]:
    try:
        layout.root.mkdir(parents=True, exist_ok=True)
        file = layout.lock.open("w")
    except OSError as error:
        raise OutputError(
            f"cannot create the run folder {layout.root}: {error.strerror}; choose another --out"
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(
                f"another process is annotating into {layout.root}; wait for it, or choose another --out"
            ) from None
        yield


def _refuse_strangers(layout: RunLayout) -> None:
    ours = {layout.lock.name, f".{layout.job.name}.tmp"}
    strangers = sorted(entry.name for entry in layout.root.iterdir() if entry.name not in ours)
    if strangers:
        raise UsageError(
            f"{layout.root} is neither empty nor a run folder (it holds {strangers[0]}); choose another --out"
        )


def _compare(stored: object, job: Job, layout: RunLayout) -> None:
    if not isinstance(stored, dict):
        raise CorruptRunError(f"{layout.job} does not hold a job; restore it from a copy")
    before, now = _flatten(stored), _flatten(_identity(job))
    differing = [key for key in sorted(before | now) if before.get(key) != now.get(key)]
    if differing:
        shown = ", ".join(f"{key} (was {before.get(key)!r}, is {now.get(key)!r})" for key in differing)
        raise JobError(
            f"{layout.root} was started with another job; it differs in {shown}; "
            "undo the change, or choose another --out"
        )


def _flatten(node: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in node.items():
        if isinstance(value, dict):
            flat |= _flatten(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat
