"""A database on the disk of this machine, in bounded memory: what joins and sorts millions of rows.

Enters: a folder for files in the making. Leaves: a connection; whatever it holds is gone afterwards.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pyarrow as pa

from fcaps_pipeline.errors import DependencyError, OutputError
from fcaps_pipeline.storage.files import writing

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_MEMORY_MB = 1000
_THREADS = 2


@contextmanager
def opened_database(scratch: Path, memory_mb: int = _MEMORY_MB) -> Iterator["DuckDBPyConnection"]:
    """An empty database that spills to disk.

    Args:
        scratch: folder of this machine; created where it is missing.
        memory_mb: what it may take, in megabytes.

    Raises:
        DependencyError: duckdb is not installed.
        OutputError: the disk of the folder is full.
    """
    try:
        import duckdb
    except ImportError as error:
        raise DependencyError("releases need duckdb, which is not installed; install the extra [release]") from error
    folder = scratch / f"database-{uuid4().hex}"
    with writing(folder):
        folder.mkdir(parents=True)
    try:
        with duckdb.connect(folder / "rows.duckdb") as database:
            database.execute(f"SET memory_limit = '{memory_mb}MB'")
            database.execute(f"SET threads = {_THREADS}")
            database.execute("SET preserve_insertion_order = false")
            database.execute("SET enable_progress_bar = false")  # it would stand on stdout, among what was asked for
            database.execute("SET temp_directory = ?", [str(folder / "spilled")])
            yield database
    except (
        duckdb.IOException,
        duckdb.OutOfMemoryException,
        duckdb.TransactionException,  # nobody else writes there: what cannot be committed found no room
        duckdb.FatalException,  # what comes after that
    ) as error:
        cause = " ".join(str(error).split())
        raise OutputError(
            f"cannot work in {folder}: {cause}; make room there, then run the same command again to go on"
        ) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def fetch_table(database: "DuckDBPyConnection", query: str, parameters: list[Any] | None = None) -> pa.Table:
    """The whole answer to a query, as columns."""
    found: pa.Table = database.sql(query, params=parameters).to_arrow_table()
    return found


def fetch_rows(
    database: "DuckDBPyConnection", query: str, parameters: list[Any] | None = None
) -> list[tuple[Any, ...]]:
    """The whole answer to a query, as rows."""
    return database.sql(query, params=parameters).fetchall()


def stream_table(database: "DuckDBPyConnection", query: str, num_rows: int) -> Iterator[pa.Table]:
    """The answer to a query, so many rows at a time; the connection answers nothing else meanwhile."""
    for batch in database.sql(query).to_arrow_reader(num_rows):
        yield pa.Table.from_batches([batch])
