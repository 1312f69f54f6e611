"""Reads back what a run committed: records, the index, checked files and their rows."""

import hashlib
import io
import json
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import cast

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import ValidationError

from fcaps_pipeline.errors import CorruptRunError, MissingFileError
from fcaps_pipeline.shards.commits import last_attempts, read_commit
from fcaps_pipeline.shards.index import INDEX_BEGIN, INDEX_END
from fcaps_pipeline.shards.layout import TABLES, DatasetIndex, RunLayout, ShardFile, Table, UnitCommit
from fcaps_pipeline.shards.schema import (
    SCHEMA_VERSIONS,
    Row,
    missing_columns,
    plain_schema,
    version_mismatch,
    with_all_columns,
)
from fcaps_pipeline.storage.path import StorePath

_THREADS = 16
_BUFFER_BYTES = 2**20
_BATCH = 256


def read_commits(layout: RunLayout, without: AbstractSet[int] = frozenset()) -> Iterator[UnitCommit]:
    """Commit records in unit order, the last attempt at each, leaving out units that are to be done again.

    Raises:
        CorruptRunError: a record is unreadable or changed, or a file it names is missing or of another size.
    """
    records = [path for unit_index, path in last_attempts(layout).items() if unit_index not in without]
    sizes = {f"{table}/{name}": size for table in TABLES for name, size in (layout.root / table).sizes().items()}
    for commit in map(read_commit, records) if layout.root.local is not None else _read_far(records):
        for file in commit.files:
            _check_size(layout, file, sizes.get(file.path))
        yield commit


def _read_far(records: list[StorePath]) -> Iterator[UnitCommit]:
    """Records of which each is a request."""
    with ThreadPoolExecutor(_THREADS) as pool:
        for start in range(0, len(records), _BATCH):
            yield from pool.map(read_commit, records[start : start + _BATCH])


def read_index(layout: RunLayout) -> DatasetIndex:
    """The index of a finished run.

    Raises:
        CorruptRunError: there is none, or it is of another schema version.
    """
    content = read_json(layout.index)
    if content is None:
        raise CorruptRunError(
            f"{layout.root} has no index.json: the run is not finished; run its annotate command again to finish it"
        )
    return _index(layout.index, content)


def stream_index(layout: RunLayout) -> tuple[DatasetIndex, Iterator[ShardFile]]:
    """The index of a finished run without its shards, and these one by one: a large run has hundreds of thousands.

    An index that somebody wrote anew in another form is read whole.

    Raises:
        CorruptRunError: there is none, it is of another schema version, or damaged.
    """
    lines = _lines(layout.index) if layout.index.exists() else iter(())
    head = next(lines, b"").rstrip()
    if head.endswith(INDEX_BEGIN.encode()):
        with suppress(ValueError):
            return _index(layout.index, json.loads(head + INDEX_END.encode())), _shards(layout.index, lines)
    index = read_index(layout)
    return index, iter(index.shards)


def _lines(path: StorePath) -> Iterator[bytes]:
    with reading(path), io.BufferedReader(cast("io.RawIOBase", path.open()), _BUFFER_BYTES) as stream:
        yield from stream


def _shards(path: StorePath, lines: Iterator[bytes]) -> Iterator[ShardFile]:
    end = INDEX_END.encode()
    for line in map(bytes.rstrip, lines):
        try:
            yield ShardFile.model_validate_json(line.removesuffix(end).removesuffix(b","))
        except ValidationError as error:
            raise CorruptRunError(f"{path} has a line of no shard; run annotate again to write it anew") from error
        if line.endswith(end):
            return
    raise CorruptRunError(f"{path} breaks off; run annotate again to write it anew")


def _index(path: StorePath, content: object) -> DatasetIndex:
    _check_versions(path, content)
    try:
        return DatasetIndex.model_validate(content)
    except ValidationError as error:
        raise CorruptRunError(f"{path} is not an index of this version ({error.error_count()} mistakes)") from error


def check_size(layout: RunLayout, file: ShardFile) -> None:
    """Compares the size of a committed file with its record.

    Raises:
        CorruptRunError: it is missing, or of another size.
    """
    _check_size(layout, file, (layout.root / file.path).num_bytes())


def _check_size(layout: RunLayout, file: ShardFile, found: int | None) -> None:
    if found != file.num_bytes:
        path = layout.root / file.path
        state = "is missing" if found is None else f"has {found} bytes"
        raise CorruptRunError(
            f"{path} {state}, but its commit record says {file.num_bytes} bytes; restore the file, or run annotate "
            "again with --repair to do its unit again"
        )


def check_file(layout: RunLayout, file: ShardFile) -> None:
    """Reads one committed file whole and compares it with its record.

    Raises:
        CorruptRunError: checksum, columns or number of rows are not as recorded.
    """
    path = layout.root / file.path
    check_size(layout, file)
    check_content(path, file)
    with reading(path):
        parquet = open_parquet(path)
    if missing := missing_columns(file.table, parquet.schema_arrow):
        raise CorruptRunError(
            f"{path} lacks the column {missing[0]}, or has it with another type: it is not of schema version "
            f"{SCHEMA_VERSIONS[file.table]} of {file.table}"
        )
    if parquet.metadata.num_rows != file.num_rows:
        raise CorruptRunError(f"{path} has {parquet.metadata.num_rows} rows, recorded {file.num_rows}")


def check_content(path: StorePath, file: ShardFile) -> None:
    """Reads a file whole and compares its checksum with its record: who carries rows over must not carry over damage.

    Raises:
        CorruptRunError: it is missing, or another.
    """
    with reading(path), path.open() as opened:
        digest = hashlib.file_digest(cast("io.BufferedReader", opened), "sha256").hexdigest()
    if digest != file.sha256:
        raise CorruptRunError(
            f"{path} was changed: sha256 {digest[:12]}…, recorded {file.sha256[:12]}…; restore it, or, in a run, "
            "annotate again with --repair to do its unit again"
        )


def read_rows(layout: RunLayout, table: Table, columns: list[str] | None = None) -> Iterator[Row]:
    """Rows of one table over all committed units, one row group in memory at a time.

    Raises:
        CorruptRunError: a file is missing or damaged.
    """
    for commit in read_commits(layout):
        yield from read_unit_rows(layout, commit, table, columns)


def read_unit_rows(
    layout: RunLayout, commit: UnitCommit, table: Table, columns: list[str] | None = None
) -> Iterator[Row]:
    """Rows of one table of one unit, one row group in memory at a time.

    Raises:
        CorruptRunError: a file is missing or damaged.
    """
    for path, parquet, group in _row_groups(layout, commit, table):
        with reading(path, group):
            rows: pa.Table = parquet.read_row_group(group, columns=columns)
        yield from with_all_columns(table, rows, columns).to_pylist()


def read_unit_columns(layout: RunLayout, commit: UnitCommit, table: Table, columns: list[str]) -> pa.Table:
    """Some columns of one table of one unit, whole.

    Raises:
        CorruptRunError: a file is missing or damaged.
    """
    schema = pa.schema([plain_schema(table).field(name) for name in columns])
    found = [schema.empty_table()]
    for file in commit.files:
        if file.table == table:
            path = layout.root / file.path
            with reading(path):
                rows = open_parquet(path).read(columns=columns)
            found.append(with_all_columns(table, rows, columns).select(columns).cast(schema))
    return pa.concat_tables(found)


def find_unit_rows(
    layout: RunLayout, commit: UnitCommit, table: Table, key: str, value: str, columns: list[str] | None = None
) -> Iterator[Row]:
    """Rows of one unit whose column `key` has a value; of other row groups only that column is read.

    Raises:
        CorruptRunError: a file is missing or damaged.
    """
    for path, parquet, group in _row_groups(layout, commit, table):
        with reading(path, group):
            places = pc.indices_nonzero(pc.equal(parquet.read_row_group(group, columns=[key])[key], value))
            if len(places):
                rows: pa.Table = parquet.read_row_group(group, columns=columns).take(places)
                yield from with_all_columns(table, rows, columns).to_pylist()


def _row_groups(layout: RunLayout, commit: UnitCommit, table: Table) -> Iterator[tuple[StorePath, pq.ParquetFile, int]]:
    """The row groups of one table of one unit: path, open file and number."""
    for file in commit.files:
        if file.table == table:
            path = layout.root / file.path
            with reading(path):
                parquet = open_parquet(path)
            for group in range(parquet.num_row_groups):
                yield path, parquet, group


@contextmanager
def reading(shard: StorePath, row_group: int | None = None) -> Iterator[None]:
    """Turns what Arrow raises on damaged files into one clear line.

    Args:
        shard: a file in a table's folder of a run.
        row_group: the row group that is read; None for the footer.

    Raises:
        CorruptRunError: naming the file, the row group and what to do.
    """
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        where = "footer" if row_group is None else f"row group {row_group}"
        cause = " ".join(str(error).split())
        raise CorruptRunError(
            f"{shard}: {where} cannot be read ({cause}); `fcaps verify {shard.parent.parent}` checks every file of the "
            "run; restore this one, or run annotate again with --repair"
        ) from error


def open_parquet(path: StorePath) -> pq.ParquetFile:
    """A Parquet file, read in a few large requests where it is far away."""
    return pq.ParquetFile(path.local) if path.local is not None else pq.ParquetFile(path.open(), pre_buffer=True)


def read_json(path: StorePath) -> object:
    """Content of a JSON file of the run, or None where it does not exist."""
    try:
        return json.loads(path.read_text())
    except MissingFileError:
        return None
    except (ValueError, RecursionError) as error:
        raise CorruptRunError(f"{path} is not JSON: {error}; restore it from a copy") from error


def _check_versions(path: StorePath, content: object) -> None:
    """Says what became different since the version that wrote an index, before its fields are looked at."""
    versions = content.get("schema_versions") if isinstance(content, dict) else None
    if versions is None and isinstance(content, dict) and isinstance(content.get("schema_version"), int):
        versions = {"data": content["schema_version"]}
    if not isinstance(versions, dict):
        raise CorruptRunError(f"{path} is not an index: it names no schema version; restore it from a copy")
    for table in TABLES:
        found = versions.get(table, SCHEMA_VERSIONS[table])
        if isinstance(found, int) and (mismatch := version_mismatch(table, found)) is not None:
            raise CorruptRunError(f"{path} {mismatch}")
