"""What became different from one dataset to another, row by row.

Enters: two finished runs or releases. Leaves: `Differences`, or one line against a version that is too low.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from fcaps_pipeline.errors import UsageError
from fcaps_pipeline.records.captions import Granularity
from fcaps_pipeline.release.compare.claims import ChangedRow, Claims, read_claims
from fcaps_pipeline.release.compare.differences import CHANGES, Change, Differences, Side
from fcaps_pipeline.release.compare.examples import examples
from fcaps_pipeline.release.compare.join import join
from fcaps_pipeline.release.compare.reasons import find_reasons
from fcaps_pipeline.release.compare.side_by_side import caption_lengths, moves, shifts, split_sizes
from fcaps_pipeline.release.compare.tables import DatasetTables
from fcaps_pipeline.release.compare.versions import needed_version
from fcaps_pipeline.release.database import opened_database
from fcaps_pipeline.release.dataset import Dataset
from fcaps_pipeline.release.layout import ReleaseRecord

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_MEMORY_MB = 800
"""Of the database; rows on their way there and the processes that read captions take as much again."""
_BATCH_ROWS = 1024


def compare(a: Dataset, b: Dataset, scratch: Path, say: Callable[[str], None] = lambda _: None) -> Differences:
    """Everything that became different from A to B.

    Args:
        a: the older dataset.
        b: the newer one; its record may be one that is not written yet.
        scratch: folder of this machine for a database, which takes about as much room as the captions of both.
        say: told what is being done, in a line.

    Raises:
        UsageError: both are one folder.
        CorruptRunError: a file is missing or damaged, or a Segment stands in a dataset twice.
        DependencyError: duckdb is not installed.
        OutputError: the disk of the folder is full.
    """
    if a.root == b.root:
        raise UsageError(f"A and B are both {a.root}, where nothing can be different; give two folders")
    tables_a, tables_b = DatasetTables(a), DatasetTables(b)
    with opened_database(scratch, _MEMORY_MB) as database:
        join(database, tables_a, tables_b, say)
        claims = read_claims(_changed_rows(database))
        counts = _counts(database, claims)
        removed, added = find_reasons(database, "removed", tables_b), find_reasons(database, "added", tables_a)
        new_columns, lost_columns = _only_in(tables_b, tables_a), _only_in(tables_a, tables_b)
        side_a, side_b = _side(a), _side(b)
        return Differences(
            a=side_a,
            b=side_b,
            counts=counts,
            removed=removed,
            added=added,
            moves=moves(database),
            columns=_edited_columns(database),
            new_columns=new_columns,
            lost_columns=lost_columns,
            splits=split_sizes(database),
            captions=caption_lengths(database),
            shifts=shifts(database),
            examples=examples(database, claims.picks),
            needed=needed_version(side_a.version, counts, new_columns, lost_columns),
            notes=tuple(_notes(b)),
        )


def _changed_rows(database: "DuckDBPyConnection") -> Iterator[ChangedRow]:
    found = database.cursor().execute(
        "SELECT segment_id, is_judged_otherwise, "
        "a.global_captions, a.fine_captions, b.global_captions, b.fine_captions "
        "FROM (FROM pairs WHERE change = 'captions') JOIN a USING (segment_id) JOIN b USING (segment_id)"
    )
    while rows := found.fetchmany(_BATCH_ROWS):
        for segment_id, is_judged_otherwise, *texts in rows:
            global_a, fine_a, global_b, fine_b = (tuple(one or ()) for one in texts)
            a = {Granularity.GLOBAL: global_a, Granularity.FINE: fine_a}
            b = {Granularity.GLOBAL: global_b, Granularity.FINE: fine_b}
            yield ChangedRow(segment_id, a, b, bool(is_judged_otherwise))


def _counts(database: "DuckDBPyConnection", claims: Claims) -> dict[Change, int]:
    found = dict(database.execute("SELECT change, count(*) FROM pairs GROUP BY change").fetchall())
    return {change: found.get(change, 0) + claims.counts[change] for change in CHANGES}


def _edited_columns(database: "DuckDBPyConnection") -> dict[str, int]:
    found = database.execute(
        "SELECT name, count(*) FROM (SELECT unnest(columns) AS name FROM edited) GROUP BY name ORDER BY 2 DESC, 1"
    )
    return dict(found.fetchall())


def _only_in(one: DatasetTables, other: DatasetTables) -> tuple[str, ...]:
    """Columns, and the table `candidates`, that one has and the other lacks; a dataset without rows lacks none."""
    columns = sorted(one.columns - other.columns) if other.columns else []
    return (*columns, *(["candidates"] if one.has_candidates and not other.has_candidates else []))


def _notes(b: Dataset) -> Iterator[str]:
    if isinstance(b.content, ReleaseRecord) and b.content.removals and b.tombstones is None:
        num_rows = sum(removal.num_rows for removal in b.content.removals)
        yield (
            f"{num_rows} rows were taken back from B and the versions before it, but {b.root} has no tombstones.json "
            "to tell which; its maintainers have it"
        )


def _side(dataset: Dataset) -> Side:
    content = dataset.content
    name, version = (content.name, content.version) if isinstance(content, ReleaseRecord) else (None, None)
    num_rows = sum(file.num_rows for file in content.shards if file.table == "data")
    return Side(where=str(dataset.root), kind=dataset.kind, name=name, version=version, num_rows=num_rows)
