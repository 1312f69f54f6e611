"""Reads some columns of the files of a release, a stretch of rows at a time, so that memory stays flat.

Enters: a release and one of its files. Leaves: Arrow tables. Audio is only read by who asks for it.
"""

from collections.abc import Iterator, Sequence

import pyarrow as pa

from fcaps_pipeline.release.layout import ReleaseLayout
from fcaps_pipeline.shards.layout import ShardFile
from fcaps_pipeline.shards.reader import open_parquet, reading
from fcaps_pipeline.shards.schema import with_all_columns

_ROWS = 16_384


def read_columns(layout: ReleaseLayout, file: ShardFile, names: Sequence[str]) -> Iterator[pa.Table]:
    """Rows of a file in order, with the columns that are asked for; one that the release was made without is null.

    Raises:
        CorruptRunError: the file is missing or damaged.
    """
    path = layout.shard(file)
    with reading(path):
        parquet = open_parquet(path)
        present = [name for name in names if name in parquet.schema_arrow.names]
        batches = parquet.iter_batches(_ROWS, columns=present)
    while True:
        with reading(path):
            batch = next(batches, None)
        if batch is None:
            return
        yield with_all_columns(file.table, pa.Table.from_batches([batch]), names).select(list(names))
