"""Files of a release: whole, of the right columns and sizes, and none beside them.

Enters: a release and its record. Leaves: findings. Every file is read once for its checksum; of Parquet files the
footer besides.
"""

import hashlib
import io
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import cast

import pyarrow as pa
import pyarrow.parquet as pq

from fcaps_pipeline.release.card_header import EXCLUDED, excluded_files
from fcaps_pipeline.release.check.findings import Faults, Finding
from fcaps_pipeline.release.layout import EXCLUDED_SCHEMA, RELEASED_TABLES, ReleaseFile, ReleaseLayout, ReleaseRecord
from fcaps_pipeline.shards.layout import ShardFile
from fcaps_pipeline.shards.reader import open_parquet, reading
from fcaps_pipeline.shards.schema import missing_columns, version_mismatch

DAMAGED = "missing or changed files"
MISFIT = "columns missing or of another type"
"""Checks after which nothing else can be read."""
_TABLE_FOLDERS = (*RELEASED_TABLES, EXCLUDED)
"""Whoever loads a release by patterns of names takes every file there for one of it."""
_THREADS = 4
_MAX_FILES_IN_FOLDER = 10_000
_MAX_GROUP_MB = 300.0
"""What the viewer of the Hub reads at once."""
_MB = 1e6


def check_files(layout: ReleaseLayout, record: ReleaseRecord) -> Iterator[Finding]:
    """Size and sha256 of all files, `tombstones.json` where it is there, and what nobody names."""
    named: list[ShardFile | ReleaseFile] = [*record.shards, *record.files]
    damaged = Faults()
    with ThreadPoolExecutor(_THREADS) as pool:
        damaged.add(fault for fault in pool.map(lambda file: _damage(layout, file), named) if fault)
    tombstones = layout.tombstones
    if tombstones.exists() and hashlib.sha256(tombstones.read()).hexdigest() != record.tombstones_sha256:
        damaged.add([f"{tombstones.name}: not the list that release.json names"])
    yield damaged.finding(DAMAGED, is_hard=True)
    known = {file.path for file in named} | {layout.record.name, tombstones.name}
    there = layout.root.sizes()
    strays = sorted(name for name in there if name not in known and not name.startswith("."))
    among = [name for name in strays if name.partition("/")[0] in _TABLE_FOLDERS]
    for check, names, is_hard in (
        ("files among those of tables that nobody names", among, True),
        ("other files that nobody names", [name for name in strays if name not in among], False),
    ):
        faults = Faults()
        faults.add(names)
        yield faults.finding(check, is_hard=is_hard)
    folders = Counter(name.rpartition("/")[0] for name in known & there.keys())
    folder, count = max(folders.items(), key=lambda item: item[1], default=("", 0))
    yield Finding(
        check="files in one folder",
        found=count,
        bound=_MAX_FILES_IN_FOLDER,
        is_hard=True,
        examples=(f"{folder or '.'}/",),
    )


def check_shapes(layout: ReleaseLayout, record: ReleaseRecord) -> Iterator[Finding]:
    """Columns, numbers of rows and row groups, from the footers.

    Raises:
        CorruptRunError: a file is damaged.
    """
    columns, counts = Faults(), Faults()
    for table, version in record.schema_versions.items():
        if (mismatch := version_mismatch(table, version)) is not None:
            columns.add([f"release.json {mismatch}"])
    largest = (0.0, "")
    for shard in record.shards:
        metadata, schema = _footer(layout, shard)
        columns.add(f"{shard.path}: {name}" for name in missing_columns(shard.table, schema))
        if metadata.num_rows != shard.num_rows:
            counts.add([f"{shard.path} has {metadata.num_rows} rows, release.json says {shard.num_rows}"])
        largest = max(largest, (_largest_group_mb(metadata), shard.path))
    num_excluded, expected = 0, sum(record.num_excluded.values())
    for file in excluded_files(record):
        metadata, schema = _footer(layout, file)
        num_excluded += metadata.num_rows
        if not schema.equals(EXCLUDED_SCHEMA):
            columns.add([f"{file.path}: other columns than excluded has"])
    if num_excluded != expected:
        counts.add([f"excluded/ has {num_excluded} rows, release.json says {expected}"])
    yield columns.finding(MISFIT, is_hard=True)
    yield counts.finding("files with another number of rows than recorded", is_hard=True)
    yield Finding(
        check="largest row group, MB",
        found=round(largest[0], 3),
        bound=_MAX_GROUP_MB,
        is_hard=False,
        examples=(largest[1],),
    )


def _footer(layout: ReleaseLayout, file: ShardFile | ReleaseFile) -> tuple[pq.FileMetaData, pa.Schema]:
    path = layout.root / file.path
    with reading(path), open_parquet(path) as parquet:
        return parquet.metadata, parquet.schema_arrow


def _damage(layout: ReleaseLayout, file: ShardFile | ReleaseFile) -> str | None:
    path = layout.root / file.path
    found = path.num_bytes()
    if found is None:
        return f"{file.path} is missing"
    if found != file.num_bytes:
        return f"{file.path} has {found} bytes, release.json says {file.num_bytes}"
    with reading(path), path.open() as opened:
        digest = hashlib.file_digest(cast("io.BufferedReader", opened), "sha256").hexdigest()
    return None if digest == file.sha256 else f"{file.path} was changed: sha256 {digest[:12]}…"


def _largest_group_mb(metadata: pq.FileMetaData) -> float:
    sizes = [metadata.row_group(number).total_byte_size for number in range(metadata.num_row_groups)]
    return max(sizes, default=0) / _MB
