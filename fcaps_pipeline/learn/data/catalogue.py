"""Rows of one or several sources as one sequence: what splits, epochs and batches are made of.

Enters: stores of rows, each with a weight. Leaves: a `Catalogue`, which holds 4 bytes per row; all else is mapped and
gathered when it is asked for.

Shape suffixes: N rows of the catalogue, M rows of a selection.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from fcaps_pipeline.audio.location import file_of, is_url, local_path
from fcaps_pipeline.learn.data.row_store import Array, RowStore
from fcaps_pipeline.records.audio import SAMPLE_RATE_HZ
from fcaps_pipeline.records.base import Record
from fcaps_pipeline.release.grouping import Hashes
from fcaps_pipeline.shards.schema import Row

_Int32s = npt.NDArray[np.int32]


class RowNames(Record):
    """What a row is called, for messages."""

    segment_id: str
    speaker: str | None
    recording_id: str
    shard: str
    """Path or address of the file with its sound."""


@dataclass(frozen=True)
class Catalogue:
    """Rows in the order of the sources."""

    stores: tuple[RowStore, ...]
    place_N: _Int32s
    """Which row of all stores, counted through; ascending."""
    weights: tuple[float, ...]
    """How often rows of each store come in an epoch."""

    @classmethod
    def of(cls, stores: Sequence[RowStore], weights: Sequence[float] | None = None) -> "Catalogue":
        """All rows of some stores, each of the same weight without a choice."""
        num_rows = sum(map(len, stores))
        return cls(tuple(stores), np.arange(num_rows, dtype=np.int32), tuple(weights or (1.0,) * len(stores)))

    def __len__(self) -> int:
        return len(self.place_N)

    @cached_property
    def num_samples_N(self) -> _Int32s:
        """Length of each Segment at 16 kHz."""
        return self._gathered("num_samples")

    @property
    def segment_N(self) -> Hashes:
        """Hashes of the ids."""
        return self._gathered("segment")

    @property
    def speaker_N(self) -> Hashes:
        """`NO_SPEAKER` where it is unknown."""
        return self._gathered("speaker")

    @property
    def recording_N(self) -> Hashes:
        """Of each row."""
        return self._gathered("recording")

    @property
    def audio_N(self) -> Hashes:
        """Equal for rows with the same samples, as far as these are known."""
        return self._gathered("audio")

    @property
    def weight_N(self) -> npt.NDArray[np.float64] | None:
        """How often each row comes in an epoch; None where all come once."""
        if set(self.weights) <= {1.0}:
            return None
        return np.repeat(self.weights, [end - begin for begin, end in self._spans()])

    @property
    def duration_s(self) -> float:
        """Length of all Segments together."""
        return int(self.num_samples_N.sum(dtype=np.int64)) / SAMPLE_RATE_HZ

    @property
    def identity(self) -> str:
        """The same for the same rows of the same sources."""
        told = "\n".join(store.folder.name for store in self.stores) + f"\n{self.weights}\n"
        return hashlib.sha256(told.encode() + np.ascontiguousarray(self.place_N).data).hexdigest()[:16]

    def take(self, rows_M: npt.NDArray[np.integer]) -> "Catalogue":
        """The chosen rows, which must ascend, as a catalogue of their own."""
        return replace(self, place_N=self.place_N[rows_M])

    def contents(self, rows_M: npt.NDArray[np.integer], columns: Sequence[str] | None = None) -> list[Row]:
        """Columns of some rows in any order; all of `ROW_SCHEMA` without a choice."""
        return contents_of(self.stores, self.place_N[rows_M], columns)

    def tables(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Columns of all rows in their order, in pieces."""
        for store, start, (begin, end) in zip(self.stores, _starts(self.stores), self._spans(), strict=True):
            yield from store.tables(self.place_N[begin:end] - start, columns)

    def names(self, row: int) -> RowNames:
        """Reads what a row is called."""
        (content,) = self.contents(np.array([row]), ("segment_id", "speaker", "recording_id", "location"))
        location = content.pop("location")
        return RowNames(**content, shard=shown_file(location))

    def _gathered(self, name: str) -> Array:
        """Arrays of the stores at the rows."""
        pieces = [
            _chosen(store.arrays[name], self.place_N[begin:end] - start)
            for store, start, (begin, end) in zip(self.stores, _starts(self.stores), self._spans(), strict=True)
            if end > begin
        ]
        if not pieces:
            return np.empty(0, np.int32 if name == "num_samples" else np.uint64)
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)

    def _spans(self) -> list[tuple[int, int]]:
        """From where to where the rows are of each store."""
        borders = np.searchsorted(self.place_N, [*_starts(self.stores), sum(map(len, self.stores))])
        return list(zip(borders[:-1].tolist(), borders[1:].tolist(), strict=True))


def contents_of(
    stores: Sequence[RowStore], place_M: npt.NDArray[np.integer], columns: Sequence[str] | None = None
) -> list[Row]:
    """Columns of some rows, counted through all stores, in any order."""
    starts = _starts(stores)
    store_M = np.searchsorted(starts, place_M, side="right") - 1
    found: list[Row] = [{}] * len(place_M)
    for number in np.unique(store_M).tolist():
        chosen = np.flatnonzero(store_M == number)
        content = stores[number].contents(place_M[chosen] - starts[number], columns)
        for place, row in zip(chosen.tolist(), content, strict=True):
            found[place] = row
    return found


def shown_file(location: str) -> str:
    """Path or address of the file that a location names, for messages."""
    return file_of(location) if is_url(location) else str(local_path(location))


def _chosen(array_N: Array, rows_M: _Int32s) -> Array:
    """The array itself, mapped as it is, where all of it is chosen."""
    is_whole = len(rows_M) == len(array_N) and bool((np.diff(rows_M) == 1).all())
    return array_N if is_whole else array_N[rows_M]


def _starts(stores: Sequence[RowStore]) -> list[int]:
    return list(accumulate(map(len, stores[:-1]), initial=0))
