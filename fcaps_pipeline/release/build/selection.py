"""Which rows a release has: rule by rule, the first reason against a row counts.

Enters: the tables `rows` and `outcomes`, and the rules. Leaves: the tables `gone`, with a reason and a detail for each
row that is left out, and `taken`, the others. A reason that came of a tombstone is kept by nobody: such rows are in
neither. The order of the rules is that of the functions in `select`.
"""

from typing import TYPE_CHECKING

import pyarrow as pa

from fcaps_pipeline.errors import CorruptRunError, JobError, UsageError
from fcaps_pipeline.records.captions import Profile
from fcaps_pipeline.release.build.inputs import Inputs
from fcaps_pipeline.release.database import fetch_rows, stream_table
from fcaps_pipeline.release.overrides import REASON
from fcaps_pipeline.shards.tombstones import COLUMN_OF, KINDS, Kind, Tombstones

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_LEFT = "rows ANTI JOIN gone USING (position)"
TOMBSTONE = "tombstone"
"""Reason of rows that were taken back; it is stored nowhere."""
_FETCHED = 100_000
_SHOWN = 5


def select(database: "DuckDBPyConnection", inputs: Inputs) -> list[str]:
    """Judges every row.

    Returns:
        What deserves to be said, one line each.

    Raises:
        JobError: a rule names a column that is none.
        UsageError: no row is left.
        CorruptRunError: two sources have one Segment with different samples.
    """
    database.execute("CREATE TABLE gone (position BIGINT, reason VARCHAR, detail VARCHAR)")
    rules = inputs.recipe.rows
    _bury(database, inputs)
    _refuse_contradictions(database, inputs)
    remarks = [*_allow(database, "license", "license", rules.licenses, exactly=True)]
    remarks += _allow(database, "language", "language", rules.languages, exactly=False)
    for column, values in rules.attributes.items():
        if column not in Profile.model_fields:
            raise JobError(
                f"rows.attributes: {column} is no attribute; expected one of {', '.join(Profile.model_fields)}"
            )
        remarks += _allow(database, "attribute", column, values, exactly=True)
    database.execute(
        f"INSERT INTO gone SELECT position, '{REASON}', 'every caption was deleted' FROM {_LEFT} WHERE is_emptied"
    )
    _need_captions(database, inputs)
    for held_out in rules.held_out:
        _hold_out(database, held_out.name, held_out.by, inputs.values(held_out.list))
    _drop_repeated(database, inputs, "segment_id")
    if rules.duplicates == "drop":
        _drop_repeated(database, inputs, "audio_sha256")
    database.execute(f"CREATE TABLE taken AS SELECT rows.* FROM {_LEFT} ORDER BY position")
    _refuse_nothing(database, remarks)
    return [*remarks, *_check_overrides(database, inputs)]


def _bury(database: "DuckDBPyConnection", inputs: Inputs) -> None:
    """What was taken back from a source or from the version before stays away, as row and as outcome."""
    tombstones = inputs.tombstones
    if tombstones is None:
        return
    for what in filter(tombstones.has, KINDS):
        column = COLUMN_OF[what]
        database.register("buried", pa.table({"value": pa.array(_under(database, tombstones, what), pa.string())}))
        is_under = f"{column} IN (SELECT value FROM buried)"
        database.execute(f"INSERT INTO gone SELECT position, '{TOMBSTONE}', NULL FROM {_LEFT} WHERE {is_under}")
        database.execute(f"DELETE FROM outcomes WHERE {is_under}")
        database.unregister("buried")


def _under(database: "DuckDBPyConnection", tombstones: Tombstones, what: Kind) -> list[str]:
    """Values of a kind that fall under tombstones."""
    column = COLUMN_OF[what]
    distinct = f"SELECT {column} AS value FROM rows UNION SELECT {column} FROM outcomes"
    return [
        value
        for table in stream_table(database, distinct, _FETCHED)
        for value in table["value"].to_pylist()
        if tombstones.find(what, value) is not None
    ]


def _refuse_contradictions(database: "DuckDBPyConnection", inputs: Inputs) -> None:
    """One Segment id means the same samples wherever it stands."""
    twice = fetch_rows(
        database,
        f"SELECT segment_id, min_by(dataset, position), max_by(dataset, position) FROM {_LEFT} "
        "GROUP BY segment_id HAVING count(DISTINCT audio_sha256) > 1 ORDER BY segment_id LIMIT 1",
    )
    for segment_id, first, last in twice:
        raise CorruptRunError(
            f"Segment {segment_id} has other samples in {inputs.recipe.runs[first]} than in "
            f"{inputs.recipe.runs[last]}: the runs are of different corpora or versions of one; give Recordings ids of "
            "their own, or leave out a run"
        )


def _allow(
    database: "DuckDBPyConnection", reason: str, column: str, allowed: tuple[str, ...] | None, *, exactly: bool
) -> list[str]:
    """Leaves out rows with other values; says which values no row has."""
    if allowed is None:
        return []
    database.register("allowed", pa.table({"value": pa.array(allowed, pa.string())}))
    same = f"lower({column}) = lower(value)"
    matches = f"{column} = value" if exactly else f"({same} OR starts_with(lower({column}), lower(value) || '-'))"
    unused = fetch_rows(
        database, f"SELECT value FROM allowed WHERE NOT EXISTS (SELECT 1 FROM rows WHERE {matches}) ORDER BY value"
    )
    there = fetch_rows(
        database,
        f"SELECT coalesce({column}, 'none'), count(*) FROM rows GROUP BY ALL ORDER BY 2 DESC, 1 LIMIT 8",
    )
    database.execute(
        f"INSERT INTO gone SELECT position, '{reason}', '{column} ' || coalesce({column}, 'unknown') FROM {_LEFT} "
        f"WHERE NOT EXISTS (SELECT 1 FROM allowed WHERE {matches})"
    )
    database.unregister("allowed")
    shown = ", ".join(f"{value} ({count} rows)" for value, count in there)
    return [f"no row has the {column} {value} that is allowed; there are {shown}" for (value,) in unused]


def _need_captions(database: "DuckDBPyConnection", inputs: Inputs) -> None:
    rules = inputs.recipe.rows.captions
    for name, least in (("global", rules.min_global), ("fine", rules.min_fine)):
        database.execute(
            f"INSERT INTO gone SELECT position, 'caption', num_{name} || ' {name} captions, needed {least}' "
            f"FROM {_LEFT} WHERE num_{name} < {least}"
        )
    database.execute(
        f"INSERT INTO gone SELECT position, 'caption', 'no caption is left' FROM {_LEFT} "
        "WHERE num_global + num_fine = 0"
    )


def _hold_out(database: "DuckDBPyConnection", name: str, column: str, values: list[str]) -> None:
    database.register("held_out", pa.table({"value": pa.array(values, pa.string())}))
    database.execute(
        f"INSERT INTO gone SELECT position, 'decontamination', ? FROM {_LEFT} "
        f"WHERE {column} IN (SELECT value FROM held_out)",
        [f"{name} by {column}"],
    )
    database.unregister("held_out")


def _drop_repeated(database: "DuckDBPyConnection", inputs: Inputs, column: str) -> None:
    """Of rows with one value the first counts: of the first source that has it, there the first."""
    database.register("sources", pa.table({"dataset": range(len(inputs.recipe.runs)), "name": inputs.recipe.runs}))
    database.execute(
        f"INSERT INTO gone WITH repeated AS (SELECT {column}, min(position) AS first FROM {_LEFT} "
        f"GROUP BY {column} HAVING count(*) > 1) "
        f"SELECT rows.position, 'duplicate', 'of ' || kept.segment_id || ' in ' || sources.name "
        f"FROM {_LEFT} JOIN repeated ON rows.{column} = repeated.{column} "
        "JOIN rows AS kept ON kept.position = repeated.first JOIN sources ON sources.dataset = kept.dataset "
        "WHERE rows.position > repeated.first"
    )
    database.unregister("sources")


def _check_overrides(database: "DuckDBPyConnection", inputs: Inputs) -> list[str]:
    """Names corrections of Segments that the release has not; refuses those whose caption it has not."""
    missed = "SELECT segment_id, missed, dataset FROM taken WHERE missed IS NOT NULL ORDER BY position LIMIT 1"
    for segment_id, text, dataset in fetch_rows(database, missed):
        run = inputs.recipe.runs[dataset]
        raise UsageError(
            f"{inputs.recipe.overrides}: Segment {segment_id} of {run} has no caption {text!r}; "
            "take the row out, or give the text as it stands in the run"
        )
    ids = list(dict.fromkeys(one.segment_id for one in inputs.overrides))
    database.register("corrected", pa.table({"segment_id": pa.array(ids, pa.string())}))
    absent = fetch_rows(database, "SELECT segment_id FROM corrected ANTI JOIN taken USING (segment_id) ORDER BY ALL")
    database.unregister("corrected")
    if not absent:
        return []
    shown = ", ".join(segment_id for (segment_id,) in absent[:_SHOWN])
    more = f" and {len(absent) - _SHOWN} more" if len(absent) > _SHOWN else ""
    return [f"{inputs.recipe.overrides} corrects Segments that the release does not have: {shown}{more}"]


def _refuse_nothing(database: "DuckDBPyConnection", remarks: list[str]) -> None:
    if fetch_rows(database, "SELECT count(*) FROM taken") == [(0,)]:
        reasons = fetch_rows(database, "SELECT reason, count(*) FROM gone GROUP BY reason ORDER BY 2 DESC, reason")
        shown = ", ".join(f"{count} by {reason}" for reason, count in reasons) or "the runs have none"
        told = "".join(f"{remark}; " for remark in remarks)
        raise UsageError(f"no row is left for the release ({shown}); {told}relax its rules, or give other runs")
