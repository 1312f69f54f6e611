"""Two datasets in one database: each row of their union falls into a class, on the disk and in bounded memory.

Enters: two datasets, an empty database. Leaves: the tables `a` and `b` with their light columns, and `pairs` with the
class of every `segment_id`. Rows whose captions differ are `captions` there; `claims` tells them apart.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pyarrow as pa

from fcaps_pipeline.errors import CorruptRunError
from fcaps_pipeline.release.compare.tables import CANDIDATES, DATA, DatasetTables
from fcaps_pipeline.release.overrides import REASON as OVERRIDE

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_PROVENANCE = {"location", "recording_sha256", "captions", "schema_version", "fcaps_version"}
_CLASSES = {"segment_id", "audio", "audio_sha256", "split", "global_captions", "fine_captions"}
"""Columns that make a class of their own, or none."""
HASHED = {field.name for field in DATA if pa.types.is_nested(field.type)} - _CLASSES | {"recording_transcript", "extra"}
"""Columns of which only a hash is kept. That of a list is that of its text: else it would be that of its elements in a
row, wherever lists begin and end."""
_KEPT = ", ".join(f"hash({name}::VARCHAR) AS {name}" if name in HASHED else name for name in DATA.names)


def join(database: "DuckDBPyConnection", a: DatasetTables, b: DatasetTables, say: Callable[[str], None]) -> None:
    """Fills the database.

    Raises:
        CorruptRunError: a file is missing or damaged, or a Segment stands in a dataset twice.
    """
    say(f"reading {a.dataset.root} and {b.dataset.root}")
    with_candidates = a.has_candidates and b.has_candidates
    with ThreadPoolExecutor(2) as pool:
        loads = [
            pool.submit(_load, database.cursor(), side, tables, with_candidates=with_candidates)
            for side, tables in (("a", a), ("b", b))
        ]
    for load in loads:
        load.result()
    say("holding rows against each other")
    columns = _compared(a, b)
    provenance = sorted(_PROVENANCE & a.columns & b.columns)
    for side in ("a", "b"):
        database.execute(_digests(side, columns, provenance))
    database.execute(_PAIRS)
    database.execute(_edited(columns))
    say("reading what captions state that differ")


def _load(database: "DuckDBPyConnection", side: str, tables: DatasetTables, *, with_candidates: bool) -> None:
    database.begin()  # What one transaction writes goes to its place at once; many would each write it twice.
    fill(database, side, DATA, tables.data(), f"SELECT {_KEPT} FROM rows")
    twice = database.execute(
        f"SELECT segment_id FROM {side} GROUP BY segment_id HAVING count(*) > 1 ORDER BY segment_id LIMIT 1"
    ).fetchone()
    if twice is not None:
        raise CorruptRunError(
            f"{tables.dataset.root}: the Segment {twice[0]} has two rows, expected one; `fcaps verify` checks the rest"
        )
    fill(database, f"candidates_{side}", CANDIDATES, tables.candidates() if with_candidates else (), _VERDICTS)
    database.commit()


def fill(
    database: "DuckDBPyConnection", table: str, schema: pa.Schema, found: Iterable[pa.Table], select: str = "FROM rows"
) -> None:
    """Makes a table of the database.

    Args:
        database: where.
        table: its name.
        schema: of what is found.
        found: the rows, some thousand at a time.
        select: what is taken of them.
    """
    # duckdb finds `rows` here by its name; what is registered would stay in memory until the transaction ends.
    rows = schema.empty_table()
    database.execute(f"CREATE TABLE {table} AS {select}")
    for rows in found:  # noqa: B007 - by its name
        database.execute(f"INSERT INTO {table} {select}")


def _compared(a: DatasetTables, b: DatasetTables) -> list[str]:
    """Columns that both have and whose differences are told by name; known once their rows were read."""
    return [name for name in DATA.names if name in (a.columns & b.columns) - _PROVENANCE - _CLASSES]


_VERDICTS = f"""
SELECT segment_id, list(hash(candidate_id)) AS answers, list(hash(candidate_id, verdict)) AS verdicts
FROM (
    SELECT segment_id, candidate_id,
        CASE WHEN kept OR list_contains(reasons, '{OVERRIDE}') THEN 'kept' ELSE reasons::VARCHAR END AS verdict
    FROM rows
)
GROUP BY segment_id
"""
"""What rules made of the answers at hand, whatever people corrected; a Segment may stand in two lots."""


def _digests(side: str, columns: list[str], provenance: list[str]) -> str:
    """A view with what is compared of each row."""
    return f"""
    CREATE VIEW digests_{side} AS
    SELECT segment_id, split, hash(audio_sha256) AS audio,
        hash(global_captions::VARCHAR, fine_captions::VARCHAR) AS captions,
        hash({", ".join(["0", *columns])}) AS columns,
        hash({", ".join(["0", *provenance])}) AS provenance, answers, verdicts
    FROM {side} LEFT JOIN (
        SELECT segment_id, list_sort(flatten(list(answers))) AS answers, flatten(list(verdicts)) AS verdicts
        FROM candidates_{side} GROUP BY segment_id
    ) USING (segment_id)
    """


def _edited(columns: list[str]) -> str:
    """A table with the names of the columns in which rows differ, of those that differ in nothing that counts more."""
    names = [f"CASE WHEN a.{name} IS DISTINCT FROM b.{name} THEN '{name}' END" for name in columns]
    return f"""
    CREATE TABLE edited AS
    SELECT segment_id, list_filter([{", ".join(names)}], lambda name: name IS NOT NULL) AS columns
    FROM (FROM pairs WHERE change = 'columns') JOIN a USING (segment_id) JOIN b USING (segment_id)
    """


_PAIRS = """
CREATE TABLE pairs AS
SELECT segment_id, a.split AS split_a, b.split AS split_b,
    len(list_intersect(a.answers, b.answers)) > len(list_intersect(a.verdicts, b.verdicts)) AS is_judged_otherwise,
    CASE
        WHEN a.segment_id IS NULL THEN 'added'
        WHEN b.segment_id IS NULL THEN 'removed'
        WHEN a.split <> b.split THEN 'moved'
        WHEN a.audio <> b.audio THEN 'audio'
        WHEN a.captions <> b.captions THEN 'captions'
        WHEN is_judged_otherwise THEN 'verdict'
        WHEN a.columns <> b.columns THEN 'columns'
        WHEN a.provenance <> b.provenance OR a.answers IS DISTINCT FROM b.answers THEN 'provenance'
        ELSE 'same'
    END AS change
FROM digests_a AS a FULL OUTER JOIN digests_b AS b USING (segment_id)
"""
