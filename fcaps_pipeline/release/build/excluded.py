"""Writes `excluded`: what the runs had and the release has not, with the reason.

Enters: the tables `rows`, `gone` and `outcomes`. Leaves: files, and how many rows each reason has.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq

from fcaps_pipeline.release.build.selection import TOMBSTONE
from fcaps_pipeline.release.database import fetch_rows, stream_table
from fcaps_pipeline.release.layout import EXCLUDED_SCHEMA, ReleaseFile, ReleaseLayout
from fcaps_pipeline.storage.files import writing

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_ROWS_PER_FILE = 500_000
_ROWS_PER_GROUP = 20_000
_EXCLUDED = f"""
    SELECT 0 AS stage, position, segment_id, recording_id, source, reason, detail
    FROM gone JOIN rows USING (position) WHERE reason <> '{TOMBSTONE}'
    UNION ALL SELECT 1, position, segment_id, recording_id, source, reason, detail FROM outcomes
"""


def count_excluded(database: "DuckDBPyConnection") -> dict[str, int]:
    """Rows by reason."""
    return dict(fetch_rows(database, f"SELECT reason, count(*) FROM ({_EXCLUDED}) GROUP BY reason ORDER BY reason"))


def write_excluded(database: "DuckDBPyConnection", layout: ReleaseLayout, scratch: Path) -> list[ReleaseFile]:
    """Writes the files; none where nothing is excluded.

    Raises:
        OutputError: the release cannot be written.
    """
    names = ", ".join(EXCLUDED_SCHEMA.names)
    query = f"SELECT {names} FROM ({_EXCLUDED}) ORDER BY stage, position"
    batches = stream_table(database, query, _ROWS_PER_GROUP)
    return [_write(layout, number, tables, scratch) for number, tables in enumerate(_in_files(batches))]


def _in_files(batches: Iterator[pa.Table]) -> Iterator[list[pa.Table]]:
    """Batches in lists that each become a file."""
    waiting: list[pa.Table] = []
    for batch in batches:
        waiting.append(batch.cast(EXCLUDED_SCHEMA))
        if sum(map(len, waiting)) >= _ROWS_PER_FILE:
            yield waiting
            waiting = []
    if waiting:
        yield waiting


def _write(layout: ReleaseLayout, number: int, tables: list[pa.Table], scratch: Path) -> ReleaseFile:
    name = layout.excluded_name(number)
    temporary = scratch / f"{uuid4().hex}.parquet"
    try:
        with writing(temporary):
            table = pa.concat_tables(tables).combine_chunks()
            pq.write_table(table, temporary, row_group_size=_ROWS_PER_GROUP, compression="zstd")
            content = temporary.read_bytes()
        (layout.root / name).put_file(temporary)
    finally:
        temporary.unlink(missing_ok=True)
    return ReleaseFile(path=name, num_bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
