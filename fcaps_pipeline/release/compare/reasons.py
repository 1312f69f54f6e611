"""Why rows that one dataset has are not in the other, as far as that one has it on file.

Enters: the database of a comparison. Leaves: a table with a reason for each row of a class, `no reason` where nothing
is on file. What was taken back counts first, then what a run could not annotate and what a release left out.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

import pyarrow as pa

from fcaps_pipeline.release.compare.differences import NO_REASON, TAKEN_BACK
from fcaps_pipeline.release.compare.join import fill
from fcaps_pipeline.release.compare.tables import ABSENT, DatasetTables
from fcaps_pipeline.shards.tombstones import COLUMN_OF, KINDS, Kind, Tombstones

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_STONES = pa.schema([("value", pa.string()), ("detail", pa.string())])
_BATCH_ROWS = 8192


def find_reasons(
    database: "DuckDBPyConnection", change: Literal["added", "removed"], other: DatasetTables
) -> dict[str, int]:
    """Fills the table `why_added` or `why_removed` with segment_id, reason and detail.

    Args:
        database: with `pairs` and both datasets.
        change: which rows.
        other: the dataset that has them not.

    Returns:
        How many rows have each reason, most first.
    """
    side = "a" if change == "removed" else "b"
    database.execute(
        f"CREATE TABLE {change} AS SELECT {', '.join(COLUMN_OF.values())} FROM {side} "
        f"WHERE segment_id IN (SELECT segment_id FROM pairs WHERE change = '{change}')"
    )
    fill(database, f"absent_{change}", ABSENT, other.absent())
    if (tombstones := other.dataset.tombstones) is not None:
        for kind in filter(tombstones.has, KINDS):
            _mark_taken_back(database, change, kind, tombstones)
    database.execute(_why(change))
    counted = database.execute(f"SELECT reason, count(*) FROM why_{change} GROUP BY reason ORDER BY 2 DESC, 1")
    return dict(counted.fetchall())


def _mark_taken_back(database: "DuckDBPyConnection", change: str, kind: Kind, tombstones: Tombstones) -> None:
    fill(database, f"{kind}_{change}", _STONES, _buried(database, change, kind, tombstones))
    database.execute(
        f"INSERT INTO absent_{change} SELECT segment_id, '{TAKEN_BACK}', detail "
        f"FROM {change} JOIN {kind}_{change} ON {COLUMN_OF[kind]} = value"
    )


def _buried(database: "DuckDBPyConnection", change: str, kind: Kind, tombstones: Tombstones) -> Iterator[pa.Table]:
    """Values of the rows that have a tombstone, and what stands on it."""
    column = COLUMN_OF[kind]
    values = database.cursor().execute(f"SELECT DISTINCT {column} FROM {change} WHERE {column} IS NOT NULL")
    while batch := values.fetchmany(_BATCH_ROWS):
        found = [(value, tombstones.find(kind, value)) for (value,) in batch]
        buried = [{"value": value, "detail": f"{kind}: {stone.reason}"} for value, stone in found if stone is not None]
        yield pa.Table.from_pylist(buried, _STONES)


def _why(change: str) -> str:
    ranked = f"ORDER BY known.reason <> '{TAKEN_BACK}', known.reason, known.detail"
    return f"""
    CREATE TABLE why_{change} AS
    SELECT segment_id, coalesce(first(known.reason {ranked}), '{NO_REASON}') AS reason,
        first(known.detail {ranked}) AS detail
    FROM {change} LEFT JOIN (
        SELECT segment_id, reason, detail FROM {change} JOIN absent_{change} ON id = segment_id
        UNION ALL
        SELECT segment_id, reason, detail FROM {change} JOIN absent_{change} ON id = recording_id
    ) AS known USING (segment_id)
    GROUP BY segment_id
    """
