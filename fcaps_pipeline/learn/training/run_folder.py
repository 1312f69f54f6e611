"""The folder of a training run: it belongs to one job, and one process at a time leads in it.

job.json       what of the job decides the result, with a hash of what each source holds, and what may change
checkpoints/   see `checkpoint`
best, last     links to the model folders of the best and of the newest checkpoint
log.jsonl      every step, measurement and bad row
tensorboard/   the same figures for TensorBoard
report.md      what came out, with loss.png and dev.png
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fcaps_pipeline.errors import FcapsError
from fcaps_pipeline.learn.data.config import Source
from fcaps_pipeline.learn.data.sources import contents_of_sources
from fcaps_pipeline.learn.training.job import TrainJob
from fcaps_pipeline.shards.reader import read_json
from fcaps_pipeline.storage.files import write_durably, writing
from fcaps_pipeline.storage.job_folder import differences, refuse_strangers, require_same_job
from fcaps_pipeline.storage.lease import held
from fcaps_pipeline.storage.path import store_path

_DECIDES = "decides the result"
_MAY_CHANGE = "may change"


class TrainLayout:
    """Paths inside the folder of a training run."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.changes: tuple[str, ...] = ()
        """What of the job is another than at the last start, of that which may change."""
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
        stored, now = read_json(store_path(layout.job)), _described(job)
        if stored is None:
            refuse_strangers(store_path(layout.root), store_path(layout.job), kind="the folder of a training run")
        else:
            before = stored if isinstance(stored, dict) else {}
            require_same_job(before.get(_DECIDES), now[_DECIDES], layout.job)
            layout.changes = tuple(differences(before.get(_MAY_CHANGE) or {}, now[_MAY_CHANGE]))
        if stored != now:
            with writing(layout.job):
                write_durably(layout.job, json.dumps(now, indent=1))
        try:
            yield layout
        except FcapsError:
            # A run that was refused before it began leaves the folder to the corrected job.
            if not layout.log.exists():
                layout.job.unlink()
            raise


def _described(job: TrainJob) -> dict[str, Any]:
    """The job in its two parts."""
    hashes: dict[str, str] = {}
    for one in job.data.splits.sources:
        name = one.path if isinstance(one, Source) else str(one)
        for sha256 in contents_of_sources([one]).values():
            hashes[name] = sha256
    decides, may_change = job.content(), job.circumstances()
    splits = decides["data"].pop("splits")
    decides["data"]["splits"] = _by_content(splits, hashes)
    may_change["data"]["splits"] = splits
    content: dict[str, Any] = json.loads(json.dumps({_DECIDES: decides, _MAY_CHANGE: may_change}))
    return content


def _by_content(node: Any, hashes: Mapping[str, str]) -> Any:
    """A section in which folders are named by what is in them, so that they may lie elsewhere tomorrow."""
    if isinstance(node, dict):
        return {key: _by_content(value, hashes) for key, value in node.items()}
    if isinstance(node, list):
        return [_by_content(value, hashes) for value in node]
    return hashes.get(node, node) if isinstance(node, str) else node
