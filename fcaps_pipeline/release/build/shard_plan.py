"""Which rows each shard holds, and where they lie.

Enters: the tables `taken` and `divided`. Leaves: shards, ordered by split and number, and for each the places of its
rows in the order of the sources.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from fcaps_pipeline.release.build.boundaries import shard_ends
from fcaps_pipeline.release.database import fetch_table
from fcaps_pipeline.release.recipe import Recipe

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_ROW_BYTES = 1000
"""Of a row without its audio, about, as it is stored: ids, measurements, captions of some hundred characters."""
_AUDIO_BYTES_PER_S = 16_000
"""Of speech as FLAC, about: half of what 16-bit samples at 16 kHz take."""


@dataclass(frozen=True)
class PlannedShard:
    """Rows of a split that become one file."""

    split: str
    number: int
    """Counted from 0."""
    first_position: int
    last_position: int
    num_rows: int


@dataclass(frozen=True)
class RowGroupRows:
    """Rows of a shard that lie in one row group of a source."""

    part: int
    row_group: int
    rows: npt.NDArray[np.int32]
    """Ascending numbers in the row group."""


@dataclass(frozen=True)
class ShardRows:
    """Where the rows of a shard lie, and about how large they are."""

    places: tuple[RowGroupRows, ...]
    num_bytes: npt.NDArray[np.int64]


def plan_shards(database: "DuckDBPyConnection", recipe: Recipe, splits: list[str]) -> list[PlannedShard]:
    """Cuts each split into shards; splits without rows have none."""
    return [shard for split in splits for shard in _of_split(database, recipe, split)]


def _of_split(database: "DuckDBPyConnection", recipe: Recipe, split: str) -> Iterator[PlannedShard]:
    found = fetch_table(
        database,
        f"SELECT position, {_num_bytes(recipe)} AS size, md5_number_lower(segment_id) AS draw "
        "FROM taken JOIN divided USING (position) WHERE split = ? ORDER BY position",
        [split],
    )
    position_N = found["position"].to_numpy()
    ends = shard_ends(found["size"].to_numpy(), found["draw"].to_numpy(), recipe.shard_mb * 1_000_000)
    for number, (start, end) in enumerate(zip([0, *ends], ends, strict=False)):
        yield PlannedShard(split, number, int(position_N[start]), int(position_N[end - 1]), end - start)


def rows_of(database: "DuckDBPyConnection", recipe: Recipe, shard: PlannedShard) -> ShardRows:
    """The places of the rows of a shard."""
    found = fetch_table(
        database,
        f"SELECT part, row_group, row, {_num_bytes(recipe)} AS size FROM taken JOIN divided USING (position) "
        "WHERE split = ? AND position BETWEEN ? AND ? ORDER BY position",
        [shard.split, shard.first_position, shard.last_position],
    )
    part_N, group_N, row_N = (found[name].to_numpy() for name in ("part", "row_group", "row"))
    starts = np.flatnonzero(np.r_[True, (np.diff(part_N) != 0) | (np.diff(group_N) != 0)])
    bounds = zip(starts.tolist(), [*starts[1:].tolist(), len(row_N)], strict=True)
    places = tuple(RowGroupRows(int(part_N[start]), int(group_N[start]), row_N[start:end]) for start, end in bounds)
    return ShardRows(places, found["size"].to_numpy())


def _num_bytes(recipe: Recipe) -> str:
    if recipe.audio == "reference":
        return f"{_ROW_BYTES}::BIGINT"
    return f"({_ROW_BYTES} + {_AUDIO_BYTES_PER_S} * coalesce(duration_s, 0))::BIGINT"
