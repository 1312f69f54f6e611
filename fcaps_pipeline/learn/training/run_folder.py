"""The folder of a training run: it belongs to one job, and one process at a time leads in it.

job.json       the job and a hash of what each source holds
checkpoints/   see `checkpoint`
best, last     links to the model folders of the best and of the newest checkpoint
log.jsonl      every step, measurement and bad row
tensorboard/   the same figures for TensorBoard
report.md      what came out, with loss.png and dev.png
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fcaps_pipeline.errors import FcapsError
from fcaps_pipeline.learn.data.sources import contents_of_sources
from fcaps_pipeline.learn.training.job import TrainJob
from fcaps_pipeline.shards.reader import read_json
from fcaps_pipeline.storage.files import write_durably, writing
from fcaps_pipeline.storage.job_folder import refuse_strangers, require_same_job
from fcaps_pipeline.storage.lease import held
from fcaps_pipeline.storage.path import store_path


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


@contextmanager
def opened(root: Path, job: TrainJob) -> Iterator[TrainLayout]:
    """The folder, locked, new or of the same job.

    Raises:
        JobError: the folder holds a run of a different job, or of changed shards.
        UsageError: the folder holds something else, or another process trains in it.
        OutputError: the folder cannot be written.
    """
    layout = TrainLayout(root.absolute())
    with held(store_path(layout.root), "training in"):
        stored, now = read_json(store_path(layout.job)), _identity(job)
        if stored is None:
            refuse_strangers(store_path(layout.root), store_path(layout.job), kind="the folder of a training run")
            with writing(layout.job):
                write_durably(layout.job, json.dumps(now, indent=1))
        else:
            require_same_job(stored, now, layout.job)
        try:
            yield layout
        except FcapsError:
            # A run that was refused before it began leaves the folder to the corrected job.
            if not layout.log.exists():
                layout.job.unlink()
            raise


def _identity(job: TrainJob) -> dict[str, Any]:
    """What decides the result."""
    content: dict[str, Any] = json.loads(
        json.dumps({**job.content(), "index_sha256": contents_of_sources(job.data.splits.sources)})
    )
    return content
