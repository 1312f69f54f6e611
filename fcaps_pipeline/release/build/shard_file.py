"""One Parquet file of a release in the making, row group by row group, hashed while it is written.

Enters: tables of rows, in whatever pieces they come. Leaves: a file whose bytes follow from the rows alone: row
groups are cut by the numbers of rows that they should have, and each is one piece of memory when it is written.
"""

import json
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq

from fcaps_pipeline.release.layout import ReleaseShard
from fcaps_pipeline.shards.layout import Table
from fcaps_pipeline.shards.schema import table_schema
from fcaps_pipeline.shards.table_writer import writer_options
from fcaps_pipeline.storage.files import HashedFile, writing
from fcaps_pipeline.storage.path import StorePath


@cache
def released_schema(table: Table, without: frozenset[str] = frozenset()) -> pa.Schema:
    """The columns of a table as they are written; the Audio feature of `data` stays known to `datasets`."""
    schema = table_schema(table)
    metadata = dict(schema.metadata)
    if described := metadata.get(b"huggingface"):
        features = json.loads(described)["info"]["features"]
        kept = {name: one for name, one in features.items() if name not in without}
        metadata[b"huggingface"] = json.dumps({"info": {"features": kept}}).encode()
    return pa.schema([field for field in schema if field.name not in without], metadata)


class ShardFileWriter:
    """One file of a release; created with its first row."""

    def __init__(self, place: StorePath, scratch: Path, schema: pa.Schema, group_rows: Iterable[int]) -> None:
        """Begins nothing yet.

        Args:
            place: where the file belongs.
            scratch: folder of this machine for the file in the making.
            schema: of the file.
            group_rows: how many rows each row group has; what comes behind them is one more.
        """
        self._place = place
        self._path = scratch / f"{uuid4().hex}.parquet"
        self._schema = schema
        self._sizes = iter(group_rows)
        self._wanted = next(self._sizes, 0)
        self._waiting: list[pa.Table] = []
        self._num_waiting = 0
        self._num_rows = 0
        self._file: HashedFile | None = None
        self._writer: pq.ParquetWriter | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None and not self._file.closed:
            # Closing writes a footer and what is buffered. Where that fails, nobody misses it: the file goes.
            for open_one in filter(None, (self._writer, self._file)):
                with suppress(OSError):
                    open_one.close()
        self._path.unlink(missing_ok=True)

    def add(self, rows: pa.Table) -> None:
        """Takes rows; memory holds a row group of them and one piece more.

        Raises:
            OutputError: they cannot be written.
        """
        self._waiting.append(rows.select(self._schema.names).cast(self._schema))
        self._num_waiting += len(rows)
        while self._wanted and self._num_waiting >= self._wanted:
            self._flush(self._wanted)
            self._wanted = next(self._sizes, 0)

    def finish(self, shard: ReleaseShard) -> ReleaseShard | None:
        """Puts the file in its place; None where there is nothing in it.

        Args:
            shard: what is known of it without its content.

        Raises:
            OutputError: it cannot be written.
        """
        if self._num_waiting:
            self._flush(self._num_waiting)
        if self._writer is None or self._file is None:
            return None
        with writing(self._path):
            self._writer.close()
            num_bytes, sha256 = self._file.finish()
        self._place.put_file(self._path)
        return shard.model_copy(update={"num_rows": self._num_rows, "num_bytes": num_bytes, "sha256": sha256})

    def _flush(self, num_rows: int) -> None:
        whole = pa.concat_tables(self._waiting)
        group = whole.slice(0, num_rows).combine_chunks()
        with writing(self._path):
            if self._writer is None:
                self._file = HashedFile(self._path)
                self._writer = pq.ParquetWriter(self._file, self._schema, **writer_options(self._schema))
            self._writer.write_table(group, row_group_size=num_rows)
        self._num_rows += num_rows
        self._waiting, self._num_waiting = [whole.slice(num_rows)], self._num_waiting - num_rows
