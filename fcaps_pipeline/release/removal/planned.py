"""The plan of a run without what falls: units keep their numbers, and one may be left without a Recording.

Files of the plan are written beside those that count; the summary, put in one step, makes the change.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa

from fcaps_pipeline.annotate.run.plan import num_expected_segments
from fcaps_pipeline.errors import CorruptRunError
from fcaps_pipeline.release.removal.falling import Falling, part
from fcaps_pipeline.shards.layout import RunLayout
from fcaps_pipeline.shards.plan import Plan, load
from fcaps_pipeline.shards.plan_file import PlanFile, PlanFileWriter, read_tables
from fcaps_pipeline.shards.reader import read_json
from fcaps_pipeline.shards.recording_table import with_hashes
from fcaps_pipeline.shards.tombstones import Tombstones

_UNIT = "unit_index"


def rewrite_plan(layout: RunLayout, tombstones: Tombstones, found: Falling, names_any: Callable[[str], bool]) -> Plan:
    """Writes the plan without what falls; nothing is written where nothing does.

    Args:
        layout: of the run.
        tombstones: what was taken back.
        found: what falls.
        names_any: whether a text names something that falls.

    Raises:
        OutputError: the run folder cannot be written.
    """
    plan, sums = load(layout), _Sums(_typical_s(layout))
    files = [
        _rewritten(layout, number, file, tombstones, found, sums) for number, file in enumerate(plan.files, start=1)
    ]
    remarks = tuple(one for one in plan.remarks if not names_any(one))
    now = plan.model_copy(update={"files": tuple(files), "remarks": remarks, **sums.left(plan)})
    if now != plan:
        layout.plan.put(now.model_dump_json(indent=1))
    named = {layout.plan.name, *(file.path.rpartition("/")[2] for file in now.files)}
    for path in list(layout.plan.parent.list()):
        if path.name.endswith(".parquet") and path.name not in named:
            path.delete()
    return now


class _Sums:
    """What the plan counts of the Recordings that fall."""

    def __init__(self, typical_s: float) -> None:
        self._typical_s = typical_s
        self._lost = dict.fromkeys(("num_recordings", "num_without_length", "num_segments_expected"), 0)
        self._lost_s = 0.0

    def take(self, before: pa.Table, after: pa.Table) -> None:
        self._lost["num_recordings"] += len(before) - len(after)
        for sign, table in ((1, before), (-1, after)):
            self._lost["num_without_length"] += sign * table["duration_s"].null_count
            self._lost["num_segments_expected"] += sign * num_expected_segments(table, self._typical_s)
            self._lost_s += sign * float(np.nan_to_num(table["duration_s"].to_numpy()).sum())

    def left(self, plan: Plan) -> dict[str, Any]:
        """What is left of the counts of a plan."""
        if not any(self._lost.values()):
            return {}
        counts = {name: max(0, getattr(plan, name) - lost) for name, lost in self._lost.items()}
        return {**counts, "duration_s": max(0.0, plan.duration_s - self._lost_s)}


def _rewritten(
    layout: RunLayout,
    number: int,
    file: PlanFile,
    tombstones: Tombstones,
    found: Falling,
    sums: _Sums,
) -> PlanFile:
    """One file without what falls; the same where nothing of it does."""
    path, is_touched = layout.root / file.path, False
    for table in read_tables(path):
        gone, _, trimmed = part(table, tombstones, found.recordings)
        is_touched = is_touched or bool(len(gone) or trimmed)
    if not is_touched:
        return file
    with PlanFileWriter(layout, number, replaces=True) as writer:
        for table in read_tables(path):
            _, kept, _ = part(table, tombstones, found.recordings)
            sums.take(table, kept)
            writer.write(kept[_UNIT].to_numpy(), with_hashes(kept.drop_columns(_UNIT)))
        return writer.finish()


def _typical_s(layout: RunLayout) -> float:
    """Length of a Segment that planning reckoned with."""
    stored = read_json(layout.job)
    try:
        rules: dict[str, float] = stored["segmentation"]  # type: ignore[index]
        return (rules["min_segment_s"] + rules["max_segment_s"]) / 2
    except (TypeError, KeyError) as error:
        raise CorruptRunError(f"{layout.job} does not hold a job; restore it from a copy") from error
