"""The folder of a training run: it belongs to one job, and one process at a time leads in it.

job.json       the job and the hash of each index it reads
checkpoints/   see `checkpoint`
best, last     links to the model folders of the best and of the newest checkpoint
log.jsonl      every step, measurement and bad row
tensorboard/   the same figures for TensorBoard
report.md      what came out, with loss.png and dev.png
"""

import fcntl
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fcaps_pipeline.errors import CorruptRunError, JobError, OutputError, UsageError
from fcaps_pipeline.resources import resolve_path
from fcaps_pipeline.shards.layout import RunLayout, write_durably
from fcaps_pipeline.shards.reader import read_json
from fcaps_pipeline.shards.writer import writing
from fcaps_pipeline.training.job import SharedRuns, TrainJob


class TrainLayout:
    """Paths inside the folder of a training run."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.job = root / "job.json"
        self.checkpoints = root / "checkpoints"
        self.best = root / "best"
        self.last = root / "last"
        self.log = root / "log.jsonl"
        self.tensorboard = root / "tensorboard"
        self.report = root / "report.md"
        self.loss_curve = root / "loss.png"
        self.dev_curve = root / "dev.png"
        self.lock = root / ".lock"


@contextmanager
def opened(root: Path, job: TrainJob) -> Iterator[TrainLayout]:
    """The folder, locked, new or of the same job.

    Raises:
        JobError: the folder holds a run of a different job, or of changed shards.
        UsageError: the folder holds something else, or another process trains in it.
        OutputError: the folder cannot be written.
    """
    layout = TrainLayout(root.absolute())
    with _locked(layout):
        stored, now = read_json(layout.job), _identity(job)
        if stored is None:
            _refuse_strangers(layout)
            with writing(layout.job):
                write_durably(layout.job, json.dumps(now, indent=1))
        else:
            _compare(stored, now, layout)
        yield layout


def run_folders(job: TrainJob) -> dict[str, list[Path]]:
    """The runs of each split; all of them under `all` where shares divide them."""
    splits = job.data.splits
    named = (
        {"all": splits.runs}
        if isinstance(splits, SharedRuns)
        else {"train": splits.train, "dev": splits.dev, "test": splits.test}
    )
    return {name: [resolve_path(location) for location in locations] for name, locations in named.items()}


def _identity(job: TrainJob) -> dict[str, Any]:
    """What decides the result. A run without index is refused later, with a better message."""
    indices = [RunLayout(folder).index for folders in run_folders(job).values() for folder in folders]
    hashes = {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in indices if path.is_file()}
    content: dict[str, Any] = json.loads(json.dumps({**job.content(), "index_sha256": hashes}))
    return content


@contextmanager
def _locked(layout: TrainLayout) -> Iterator[None]:
    try:
        layout.root.mkdir(parents=True, exist_ok=True)
        file = layout.lock.open("w")
    except OSError as error:
        raise OutputError(f"cannot create the folder {layout.root}: {error.strerror}; choose another --out") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(
                f"another process is training in {layout.root}; wait for it, or choose another --out"
            ) from None
        yield


def _refuse_strangers(layout: TrainLayout) -> None:
    ours = {layout.lock.name, f".{layout.job.name}.tmp"}
    strangers = sorted(entry.name for entry in layout.root.iterdir() if entry.name not in ours)
    if strangers:
        raise UsageError(
            f"{layout.root} is neither empty nor the folder of a training run (it holds {strangers[0]}); "
            "choose another --out"
        )


def _compare(stored: object, now: dict[str, Any], layout: TrainLayout) -> None:
    if not isinstance(stored, dict):
        raise CorruptRunError(f"{layout.job} does not hold a job; restore it from a copy")
    before, after = _flatten(stored), _flatten(now)
    differing = [key for key in sorted(before | after) if before.get(key) != after.get(key)]
    if differing:
        shown = ", ".join(f"{key} (was {before.get(key)!r}, is {after.get(key)!r})" for key in differing)
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
