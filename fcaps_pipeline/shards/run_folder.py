"""Opens a run folder: creates it, or finds that it belongs to the same Job and goes on.

One process at a time works in a run folder.
"""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from fcaps_pipeline.errors import UsageError
from fcaps_pipeline.shards.layout import RunLayout
from fcaps_pipeline.shards.reader import read_json
from fcaps_pipeline.storage.job_folder import refuse_strangers, require_same_job
from fcaps_pipeline.storage.lease import Lease, held
from fcaps_pipeline.storage.path import Where

_MARK_SUFFIX = ".recording"


class HeldRun(RunLayout):
    """A run folder that this process holds, as long as `lease` says so."""

    def __init__(self, where: Where, lease: Lease) -> None:
        super().__init__(where)
        self.lease = lease


@contextmanager
def opened(root: Where, identity: dict[str, Any], on_wait: Callable[[str], None] = lambda _: None) -> Iterator[HeldRun]:
    """The run folder, locked, with the leftovers of a killed process removed.

    The Job counts as started once its plan is stored; until then it may change.

    Args:
        root: the folder; created where it is missing.
        identity: what decides the result of the Job, see `job_identity`.
        on_wait: told where somebody on another machine may still work in the folder.

    Raises:
        LeaseLostError: another process took the folder over while this one gave no sign of life.
        JobError: the folder holds a run of a different Job.
        UsageError: the folder holds something else or what an earlier version began, or another process works in it.
        OutputError: the folder cannot be written.
    """
    layout = RunLayout(root)
    with held(layout.root, "annotating into", on_wait) as lease:
        _refuse_former(layout)
        stored = read_json(layout.job)
        if stored is None:
            refuse_strangers(layout.root, layout.job, kind="a run folder")
        if stored is None or not layout.plan.exists():
            layout.job.put(json.dumps(identity, indent=1))
        else:
            require_same_job(stored, identity, layout.job)
        shutil.rmtree(layout.scratch, ignore_errors=True)
        yield HeldRun(layout.root, lease)
        lease.check()


def _refuse_former(layout: RunLayout) -> None:
    """Versions before 2 kept a plan of another form, and in `tmp/` the name of a Recording at which a process died."""
    plan = ["plan/units.jsonl"] if layout.plan.exists() and layout.former_plan.exists() else []
    for left in (*plan, *(f"tmp/{mark.name}" for mark in layout.scratch.glob(f"*{_MARK_SUFFIX}"))):
        raise UsageError(
            f"{layout.root} was begun by an earlier version, whose {left} means nothing to this one; finish it with "
            "that version, or choose another --out"
        )


def existing(root: Where) -> RunLayout:
    """The layout of a run that was started before.

    Raises:
        UsageError: the folder is not a run folder, or was begun by an earlier version.
    """
    layout = RunLayout(root)
    if not layout.job.exists():
        raise UsageError(f"{root} is not a run folder: it has no job.json; give the --out folder of `fcaps annotate`")
    _refuse_former(layout)
    return layout
