"""One Parquet file of a release in the making, row group by row group, hashed while it is written.

Enters: tables of rows, in whatever pieces they come. Leaves: a file whose bytes follow from the rows alone: row
groups are cut by the numbers of rows that they should have, and each is one piece of memory when it is written.
"""

import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
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


def write_shard(
    place: StorePath,
    scratch: Path,
    shard: ReleaseShard,
    schema: pa.Schema,
    rows: Iterable[pa.Table],
    group_rows: Iterable[int],
) -> ReleaseShard:
    """Writes a file and puts it in its place.

    Args:
        place: where it belongs.
        scratch: folder of this machine for the file in the making.
        shard: what is known of it before it is written.
        schema: of the file.
        rows: in order; memory holds a row group of them and one piece more.
        group_rows: how many rows each row group has; rows must not outnumber them.

    Returns:
        What is known of it now.

    Raises:
        OutputError: it cannot be written.
    """
    temporary = scratch / f"{uuid4().hex}.parquet"
    num_rows = 0
    with writing(temporary):
        file = HashedFile(temporary)
    try:
        with writing(temporary):
            writer = pq.ParquetWriter(file, schema, **writer_options(schema))
        for group in _regrouped(rows, group_rows, schema):
            with writing(temporary):
                writer.write_table(group, row_group_size=max(len(group), 1))
            num_rows += len(group)
        with writing(temporary):
            writer.close()
            num_bytes, sha256 = file.finish()
        place.put_file(temporary)
    finally:
        if not file.closed:
            # Closing writes what is buffered. Where that fails, nobody misses it: the file goes.
            with suppress(OSError):
                file.close()
        temporary.unlink(missing_ok=True)
    return shard.model_copy(update={"num_rows": num_rows, "num_bytes": num_bytes, "sha256": sha256})


def _regrouped(rows: Iterable[pa.Table], group_rows: Iterable[int], schema: pa.Schema) -> Iterator[pa.Table]:
    sizes = iter(group_rows)
    wanted = next(sizes, 0)
    waiting: list[pa.Table] = []
    num_waiting = 0
    for table in rows:
        waiting.append(table.select(schema.names).cast(schema))
        num_waiting += len(table)
        while wanted and num_waiting >= wanted:
            whole = pa.concat_tables(waiting)
            yield whole.slice(0, wanted).combine_chunks()
            waiting, num_waiting = [whole.slice(wanted)], num_waiting - wanted
            wanted = next(sizes, 0)
    if num_waiting:
        yield pa.concat_tables(waiting).combine_chunks()
