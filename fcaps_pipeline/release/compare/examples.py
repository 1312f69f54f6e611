"""The rows of a comparison that are shown, with both texts.

Enters: the database of a comparison, and the largest changes of what captions state. Leaves: a few `Example`s of each
class, in the order of the classes.
"""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from fcaps_pipeline.records.captions import Granularity
from fcaps_pipeline.release.compare.claims import Pick, largest
from fcaps_pipeline.release.compare.differences import CHANGES, NO_REASON, NUM_EXAMPLES, Change, Example
from fcaps_pipeline.release.compare.join import HASHED
from fcaps_pipeline.release.compare.tables import DATA
from fcaps_pipeline.shards.schema import Row

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_WHY = "segment_id, [concat_ws(': ', reason, detail)]"
_QUERIES: dict[Change, str] = {
    "removed": f"{_WHY} FROM why_removed ORDER BY reason = '{NO_REASON}' DESC, segment_id",
    "added": f"{_WHY} FROM why_added ORDER BY reason = '{NO_REASON}', segment_id",
    "moved": "segment_id, [split_a || ' → ' || split_b] FROM pairs WHERE change = 'moved' ORDER BY segment_id",
    "audio": "segment_id, ['audio_sha256', 'duration_s'] FROM pairs WHERE change = 'audio' ORDER BY segment_id",
    "verdict": "segment_id, ['the same captions'] FROM pairs WHERE change = 'verdict' ORDER BY segment_id",
    "columns": "segment_id, columns FROM edited ORDER BY len(columns) DESC, segment_id",
}
"""Which rows are shown, and what of them: rows that vanished without a reason first, and new ones that A knew."""
_OF_COLUMNS: tuple[Change, ...] = ("audio", "columns")
"""Classes of which values of columns are shown."""
_WIDTH = 80
"""Characters shown of a value."""


def examples(database: "DuckDBPyConnection", picks: Iterable[Pick]) -> tuple[Example, ...]:
    """The rows to be shown.

    Args:
        database: with `pairs`, `edited` and the tables of reasons.
        picks: of the rows whose captions differ.
    """
    chosen = largest([*picks, *_picks(database)])
    ids = [pick.segment_id for pick in chosen]
    a, b = _rows(database, "a", ids), _rows(database, "b", ids)
    shown = [_example(pick, a.get(pick.segment_id), b.get(pick.segment_id)) for pick in chosen]
    return tuple(sorted(shown, key=lambda one: CHANGES.index(one.change)))


def _picks(database: "DuckDBPyConnection") -> Iterator[Pick]:
    for change, query in _QUERIES.items():
        found = database.execute(f"SELECT {query} LIMIT {NUM_EXAMPLES}").fetchall()
        for place, (segment_id, what) in enumerate(found):
            yield Pick(change, segment_id, tuple(what), (-place,))


def _rows(database: "DuckDBPyConnection", side: str, ids: list[str]) -> dict[str, Row]:
    found = database.execute(f"FROM {side} WHERE segment_id IN (SELECT unnest(?::VARCHAR[]))", [ids])
    rows = [dict(zip(DATA.names, values, strict=True)) for values in found.fetchall()]
    return {row["segment_id"]: row for row in rows}


def _example(pick: Pick, a: Row | None, b: Row | None) -> Example:
    what = pick.what
    if a is not None and b is not None and pick.change in _OF_COLUMNS:
        what = tuple(name if name in HASHED else f"{name}: {_short(a[name])} → {_short(b[name])}" for name in what)
    return Example(
        segment_id=pick.segment_id, change=pick.change, what=what, captions_a=_captions(a), captions_b=_captions(b)
    )


def _captions(row: Row | None) -> tuple[str, ...]:
    return () if row is None else tuple(text for name in Granularity for text in row[f"{name}_captions"] or ())


def _short(value: object) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 1]}…"
