"""Which WorkUnit each Recording belongs to: the boundaries follow from order, lengths and sizes alone.

Enters: what the survey saw, block by block. Leaves: the index of the unit of each row.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from fcaps_pipeline.annotate.run.survey import Seen
from fcaps_pipeline.audio.location import parts_of
from fcaps_pipeline.jobs.annotate_job import ShardConfig

Units = npt.NDArray[np.int32]


@dataclass
class Division:
    """Fills units in order; a unit is closed when the next Recording would exceed its length, bytes or number."""

    config: ShardConfig
    unit_index: int = 0
    """Of the unit that is being filled."""
    _num: int = 0
    """Recordings in it."""
    _seconds: float = 0.0
    _bytes: int = 0

    @property
    def num_units(self) -> int:
        """Units so far, those before its own included."""
        return self.unit_index + bool(self._num)

    def units_of(self, seen: Seen) -> Units:
        """Index of the unit of each Recording."""
        found = np.empty(len(seen.table), np.int32)
        start = 0
        while start < len(found):
            num_taken = self._take(seen, start)
            found[start : start + num_taken] = self.unit_index
            start += num_taken
            if start < len(found):
                self.unit_index, self._num, self._seconds, self._bytes = self.unit_index + 1, 0, 0.0, 0
        return found

    def _take(self, seen: Seen, start: int) -> int:
        """How many Recordings from a row on go into the unit; the first one always does."""
        window = slice(start, start + self.config.unit_recordings - self._num)
        seconds = np.cumsum(np.concatenate(([self._seconds], seen.lengths_s[window])))
        num_bytes = np.cumsum(np.concatenate(([self._bytes], seen.num_bytes[window])))
        is_over = (seconds > self.config.unit_hours * 3600) | (num_bytes > self.config.unit_bytes)
        is_over[: 1 if self._num else 2] = False
        num_taken = int(np.argmax(is_over)) - 1 if is_over.any() else len(seconds) - 1
        self._num += num_taken
        self._seconds, self._bytes = float(seconds[num_taken]), int(num_bytes[num_taken])
        return num_taken


def dealt(seen: Iterable[Seen], seed: int) -> Iterator[Seen]:
    """Recordings in the order of a hash of their ids: neighbours of the source, such as those of one speaker, part.

    What lies in one tar or Parquet file stays together, in its order: it is read from front to back. All of them are
    in memory meanwhile.
    """
    parts = list(seen)
    if not parts:
        return
    table = pa.concat_tables([one.table for one in parts])
    keys = table["recording_id"].to_pylist()
    for row in np.flatnonzero(pc.match_substring(table["location"], "#")):
        part = parts_of(table["location"][row].as_py())
        keys[row] = keys[row] if isinstance(part, str) else part.file
    digests = b"".join([hashlib.sha256(f"{seed} {key}".encode()).digest() for key in keys])
    words = np.frombuffer(digests, ">u8").reshape(len(keys), 4)
    order = np.lexsort(words.T[::-1])
    yield Seen(
        table.take(order),
        np.concatenate([one.lengths_s for one in parts])[order],
        np.concatenate([one.num_bytes for one in parts])[order],
    )
