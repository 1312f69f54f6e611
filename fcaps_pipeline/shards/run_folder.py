"""Opens a run folder: creates it, or finds that it belongs to the same Job and goes on.

One process at a time works in a run folder.
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fcaps_pipeline.errors import UsageError
from fcaps_pipeline.shards.layout import RunLayout
from fcaps_pipeline.shards.reader import read_json
from fcaps_pipeline.storage.files import write_durably, writing
from fcaps_pipeline.storage.job_folder import refuse_strangers, require_same_job
from fcaps_pipeline.storage.lease import held
from fcaps_pipeline.storage.path import store_path

_MARK_SUFFIX = ".recording"


@contextmanager
def opened(root: Path, identity: dict[str, Any]) -> Iterator[RunLayout]:
    """The run folder, locked, with the leftovers of a killed process removed.

    The Job counts as started once its plan is stored; until then it may change.

    Args:
        root: the folder; created where it is missing.
        identity: what decides the result of the Job, see `job_identity`.

    Raises:
        JobError: the folder holds a run of a different Job.
        UsageError: the folder holds something else or what an earlier version began, or another process works in it.
        OutputError: the folder cannot be written.
    """
    layout = RunLayout(root.absolute())
    with held(store_path(layout.root), "annotating into"):
        _refuse_former(layout)
        stored = read_json(layout.job)
        if stored is None:
            refuse_strangers(layout.root, layout.job, kind="a run folder")
        if stored is None or not layout.plan.is_file():
            with writing(layout.job):
                write_durably(layout.job, json.dumps(identity, indent=1))
        else:
            require_same_job(stored, identity, layout.job)
        shutil.rmtree(layout.temporary, ignore_errors=True)
        yield layout


def _refuse_former(layout: RunLayout) -> None:
    """Versions before 2 kept a plan of another form, and in `tmp/` the name of a Recording at which a process died."""
    plan = [layout.former_plan] if layout.plan.is_file() and layout.former_plan.is_file() else []
    for left in (*plan, *layout.temporary.glob(f"*{_MARK_SUFFIX}")):
        raise UsageError(
            f"{layout.root} was begun by an earlier version, whose {left.relative_to(layout.root)} means nothing to "
            "this one; finish it with that version, or choose another --out"
        )


def existing(root: Path) -> RunLayout:
    """The layout of a run that was started before.

    Raises:
        UsageError: the folder is not a run folder, or was begun by an earlier version.
    """
    layout = RunLayout(root)
    if not layout.job.is_file():
        raise UsageError(f"{root} is not a run folder: it has no job.json; give the --out folder of `fcaps annotate`")
    _refuse_former(layout)
    return layout
