"""Which unit a Recording is in, without reading the plan: sorted hashes of ids, looked up in a mapped file.

Enters: the hashes and units of a file of the plan. Leaves: an array beside it, and units that may hold an id. It is a
hint: who finds nothing there, or another row, looks everywhere.
"""

from uuid import uuid4

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from fcaps_pipeline.shards.layout import RunLayout
from fcaps_pipeline.shards.recording_table import Hashes, id_hashes
from fcaps_pipeline.storage.files import writing
from fcaps_pipeline.storage.scratch import fetched_to_disk

_WRITTEN_AT_ONCE = 1_000_000


def write_id_index(layout: RunLayout, number: int, hashes: Hashes, units: npt.NDArray[np.int32]) -> None:
    """Writes the index of a file of the plan, counted from 1: all hashes in order, then their units, 8 bytes each.

    Raises:
        OutputError: the run folder cannot be written.
    """
    order = np.argsort(hashes)
    made = layout.scratch / f"ids-{number:05d}-{uuid4().hex}.bin"
    with writing(made):
        made.parent.mkdir(parents=True, exist_ok=True)
        with made.open("wb") as file:
            for values in (hashes, units):
                for start in range(0, len(order), _WRITTEN_AT_ONCE):
                    file.write(values[order[start : start + _WRITTEN_AT_ONCE]].astype(np.uint64).tobytes())
    layout.plan_ids(number).put_file(made)


def units_with(layout: RunLayout, recording_id: str) -> list[int]:
    """Units that may hold a Recording; none where there is no index."""
    (wanted,) = id_hashes(pa.array([recording_id]))
    found: list[int] = []
    number = 1
    while (num_bytes := (path := layout.plan_ids(number)).num_bytes()) is not None:
        number += 1
        if not num_bytes:
            continue  # all that the file of the plan held was taken back
        try:
            hashes, units = np.memmap(fetched_to_disk(path, layout.scratch), np.uint64, "r").reshape(2, -1)
        except (OSError, ValueError):
            return found  # cut short by a full disk, for instance
        start, end = np.searchsorted(hashes, [wanted, wanted + np.uint64(1)])
        found += units[start:end].tolist()
    return found
