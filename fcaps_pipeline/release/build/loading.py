"""What there is to choose from: light columns of all sources, in a database.

Enters: opened sources. Leaves: the tables `rows`, with where each row lies, and `outcomes`, the Segments that a run
could not annotate. Of audio nothing is taken; captions are, where rules ask for them. Files on this machine are held
against their checksums first: what is damaged would get a new checksum in the release, and pass for sound there.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from fcaps_pipeline.errors import CorruptRunError
from fcaps_pipeline.records.captions import Profile
from fcaps_pipeline.release.build.captions import COLUMNS as CAPTION_COLUMNS
from fcaps_pipeline.release.build.inputs import Inputs
from fcaps_pipeline.release.build.revision import Revision
from fcaps_pipeline.release.dataset import Dataset, Part
from fcaps_pipeline.shards.layout import ShardFile, Table
from fcaps_pipeline.shards.reader import check_content, open_parquet, reading
from fcaps_pipeline.shards.schema import missing_columns, plain_schema, with_all_columns

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_BATCH_ROWS = 50_000
_LIGHT = (
    "segment_id",
    "recording_id",
    "recording_sha256",
    "source",
    "speaker",
    "license",
    "language",
    "audio_sha256",
    "duration_s",
    *Profile.model_fields,
)
_OF_OUTCOMES = ("segment_id", "recording_id", "recording_sha256", "source", "speaker", "license", "audio_sha256")
_WHY: dict[Table, tuple[str, tuple[str, ...]]] = {
    "rejections": ("rejected", ("reason",)),
    "failures": ("failed", ("stage", "message")),
}

_CHOSEN_FROM: tuple[Table, ...] = ("data", *_WHY)
_READ: tuple[Table, ...] = (*_CHOSEN_FROM, "candidates")


@dataclass(frozen=True)
class PlacedPart:
    """A part of one of the sources; its position in a list names it in the database."""

    dataset: int
    part: Part


def load_rows(database: "DuckDBPyConnection", inputs: Inputs, revision: Revision) -> list[PlacedPart]:
    """Fills the database.

    Args:
        database: empty.
        inputs: the sources.
        revision: what is done to captions before they are counted.

    Returns:
        The parts that rows lie in.

    Raises:
        CorruptRunError: a file is missing, damaged or of another version.
    """
    parts = [PlacedPart(number, part) for number, one in enumerate(inputs.datasets) for part in one.parts()]
    _check_files(inputs, parts)
    _fill(database, "rows", _rows(inputs, parts, revision))
    _fill(database, "outcomes", _outcomes(inputs, parts))
    return parts


def _fill(database: "DuckDBPyConnection", table: str, batches: Iterator[pa.Table]) -> None:
    is_first = True
    for batch in _gathered(batches):
        database.register("batch", batch)
        how = f"CREATE TABLE {table} AS" if is_first else f"INSERT INTO {table}"
        database.execute(f"{how} SELECT * FROM batch")
        database.unregister("batch")
        is_first = False


def _gathered(batches: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Large ones, with a number for every row."""
    waiting: list[pa.Table] = []
    num_waiting = num_before = 0
    for batch in batches:
        waiting.append(batch)
        num_waiting += len(batch)
        if num_waiting >= _BATCH_ROWS:
            yield _numbered(waiting, num_before)
            num_before += num_waiting
            waiting, num_waiting = [], 0
    if waiting:
        yield _numbered(waiting, num_before)


def _numbered(batches: list[pa.Table], start: int) -> pa.Table:
    table = pa.concat_tables(batches)
    return table.add_column(0, "position", pa.array(range(start, start + len(table)), pa.int64()))


def _rows(inputs: Inputs, parts: list[PlacedPart], revision: Revision) -> Iterator[pa.Table]:
    columns = [*_LIGHT, *CAPTION_COLUMNS]
    none = pa.table({name: plain_schema("data").empty_table()[name] for name in columns})
    yield _light(none, revision, None, _Place(0, 0, 0))
    for number, placed in enumerate(parts):
        dataset = inputs.datasets[placed.dataset]
        for group, table in _groups(dataset, placed.part, "data", columns):
            rows = with_all_columns("data", table, columns)
            yield _light(rows, revision, placed.part.split, _Place(placed.dataset, number, group))


class _Place(NamedTuple):
    dataset: int
    part: int
    row_group: int


def _light(rows: pa.Table, revision: Revision, split: str | None, place: _Place) -> pa.Table:
    """What the database holds of the rows of a row group."""
    revised = revision.apply(rows)
    count = len(rows)
    judged = {
        **{name: pa.array([value] * count, pa.int32()) for name, value in place._asdict().items()},
        "row": pa.array(range(count), pa.int32()),
        "own_split": pa.array([split] * count, pa.string()),
        "num_global": pc.fill_null(pc.list_value_length(revised.rows["global_captions"]), 0),
        "num_fine": pc.fill_null(pc.list_value_length(revised.rows["fine_captions"]), 0),
        "is_emptied": pc.is_in(pa.array(range(count), pa.int32()), pa.array(revised.emptied, pa.int32())),
        "missed": pa.array([revised.missed.get(row) for row in range(count)], pa.string()),
    }
    return pa.table({**judged, **{name: rows[name] for name in _LIGHT}})


def _outcomes(inputs: Inputs, parts: list[PlacedPart]) -> Iterator[pa.Table]:
    none = {name: pa.array([], pa.string()) for name in (*_OF_OUTCOMES, "reason", "detail")}
    yield pa.table(none)
    for placed in parts:
        for table, (reason, columns) in _WHY.items():
            wanted = [*_OF_OUTCOMES, *columns]
            for _, found in _groups(inputs.datasets[placed.dataset], placed.part, table, wanted):
                rows = with_all_columns(table, found, wanted)
                detail = pc.binary_join_element_wise(*[rows[name].cast(pa.string()) for name in columns], ": ")
                named = {name: rows[name] for name in _OF_OUTCOMES}
                # A Recording that failed as a whole has no Segments; its own id stands for them.
                named["segment_id"] = pc.coalesce(rows["segment_id"], rows["recording_id"])
                yield pa.table({**named, "reason": pa.array([reason] * len(rows)), "detail": detail})


def _groups(dataset: Dataset, part: Part, table: Table, columns: list[str]) -> Iterator[tuple[int, pa.Table]]:
    """Some columns of the row groups of a part's file of a table; nothing where it has none."""
    file = part.files.get(table)
    if file is None:
        return
    path = dataset.root / file.path
    with reading(path):
        parquet = open_parquet(path)
    if missing := missing_columns(table, parquet.schema_arrow):
        raise CorruptRunError(f"{path} lacks the column {missing[0]}, or has it with another type; write it again")
    if parquet.metadata.num_rows != file.num_rows:
        raise CorruptRunError(f"{path} has {parquet.metadata.num_rows} rows, recorded {file.num_rows}; restore it")
    with parquet:
        for group in range(parquet.num_row_groups):
            with reading(path, group):
                found = parquet.read_row_group(group, columns=columns, use_threads=False)
            yield group, found


def _check_files(inputs: Inputs, parts: list[PlacedPart]) -> None:
    """By content where they are on this machine, where reading costs little beside writing; else by size."""
    tables = _READ if inputs.recipe.candidates else _CHOSEN_FROM
    for placed in parts:
        dataset = inputs.datasets[placed.dataset]
        for table in tables:
            if (file := placed.part.files.get(table)) is not None:
                _check_size(dataset, file)
                if dataset.root.local is not None:
                    check_content(dataset.root / file.path, file)


def _check_size(dataset: Dataset, file: ShardFile) -> None:
    path = dataset.root / file.path
    if (found := path.num_bytes()) != file.num_bytes:
        state = "is missing" if found is None else f"has {found} bytes"
        raise CorruptRunError(
            f"{path} {state}, recorded {file.num_bytes}; restore it, `fcaps verify {dataset.root}` checks all files"
        )
