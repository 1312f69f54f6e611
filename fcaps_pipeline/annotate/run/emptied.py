"""Units all of whose Recordings were taken back: no worker is given them, and they are done all the same.

Enters: units that are to be done. Leaves: those that were empty, committed with nothing in them.
"""

from collections.abc import Set as AbstractSet

from fcaps_pipeline.shards.layout import RunLayout
from fcaps_pipeline.shards.plan import planned_units
from fcaps_pipeline.shards.writer import UnitWriter


def commit_emptied(layout: RunLayout, units: AbstractSet[int], row_group_bytes: int) -> frozenset[int]:
    """Commits those of some units that the plan has no Recording of.

    Args:
        layout: of the run.
        units: that are to be done.
        row_group_bytes: as the job says.

    Raises:
        OutputError: the run folder cannot be written.
    """
    emptied = frozenset(units - planned_units(layout)) if units else frozenset()
    for unit_index in sorted(emptied):
        with UnitWriter(layout, unit_index, row_group_bytes=row_group_bytes) as writer:
            writer.commit((), 0, 0.0)
    return emptied
