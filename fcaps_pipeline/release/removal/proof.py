"""Whether anything is left: every file of a folder, whatever its kind, is searched for needles.

Enters: a folder and a `Search`. Leaves: hits, and how much was searched. Bytes of every file are searched as they lie.
Besides, Parquet is decoded column by column, with the values of dictionaries that no row refers to; SQLite is read cell
by cell, and what was compressed in it is inflated, in free pages too; JSON and lines of it are read value by value,
since a short value counts only whole; the hashes of an id index are compared with those of ids.
"""

import gzip
import io
import json
import os
import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from itertools import chain
from typing import BinaryIO, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from fcaps_pipeline.release.removal.columns import texts
from fcaps_pipeline.release.removal.search import Needle, Search
from fcaps_pipeline.shards.recording_table import id_hashes
from fcaps_pipeline.storage.path import StorePath

_PARQUET, _SQLITE, _GZIP = b"PAR1", b"SQLite format 3\0", b"\x1f\x8b"
_MAGIC_BYTES = len(_SQLITE)
_ZLIB_STARTS = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")
_MOST_INFLATED = 1_000_000
_READ_BYTES = 16_000_000
_MAX_JSON_BYTES = 200_000_000
_SAMPLES = "audio.bytes"
"""Stored as they are, so that the bytes of the file hold them."""


class Hit(NamedTuple):
    """A needle that was met."""

    path: str
    """Relative to the folder."""
    place: str
    needle: Needle


@dataclass
class Proof:
    """What a search came to."""

    num_files: int = 0
    num_bytes: int = 0
    hits: list[Hit] = field(default_factory=list)
    """Each needle once a file."""


def prove(root: StorePath, search: Search) -> Proof:
    """Searches every file of a folder.

    Raises:
        StorageError: the storage does not give a file.
    """
    proof = Proof()
    for path in sorted(_files(root), key=str):
        name = str(path).removeprefix(f"{root}/")
        proof.num_files += 1
        proof.num_bytes += path.num_bytes() or 0
        met = dict.fromkeys(search.by_value.values(), "")
        for place, needle in (*_in_text(search, name, "its name"), *_in_file(path, search)):
            if not met[needle]:
                met[needle] = place
                proof.hits.append(Hit(name, place, needle))
    return proof


def _files(root: StorePath) -> Iterator[StorePath]:
    """All files below a folder, hidden ones and those in the making too."""
    if root.local is None:
        yield from root.list()
        return
    for folder, _, names in os.walk(root.local):
        for name in names:
            yield root / os.path.relpath(os.path.join(folder, name), root.local)  # noqa: PTH118 - as `os.walk` has it


def _in_file(path: StorePath, search: Search) -> Iterator[tuple[str, Needle]]:
    with path.open() as file:
        yield from ((f"byte {place}", needle) for place, needle in _in_bytes(file, search))
        file.seek(0)
        start = file.read(_MAGIC_BYTES)
        file.seek(0)
        if start.startswith(_PARQUET):
            yield from _in_parquet(file, search)
        elif start == _SQLITE:
            yield from _in_sqlite(file.read(), search)
        elif start.startswith(_GZIP):
            with suppress(OSError, EOFError, zlib.error), gzip.open(file) as inflated:
                yield from (("inflated", needle) for _, needle in _in_bytes(inflated, search))
        elif path.name.startswith("ids-") and path.name.endswith(".bin"):
            yield from _in_id_index(file.read(), search)
        elif (path.num_bytes() or 0) < _MAX_JSON_BYTES:
            yield from _in_json(file.read(), search)


def _in_bytes(file: BinaryIO | gzip.GzipFile, search: Search) -> Iterator[tuple[int, Needle]]:
    """Needles in a stream; what was read before is kept as far as a needle may begin there."""
    start, kept = 0, b""
    while read := file.read(_READ_BYTES):
        content = kept + read
        yield from ((start + place, needle) for place, needle in search.inside(content))
        kept = content[-search.overlap :]
        start += len(content) - len(kept)


def _in_text(search: Search, text: str, place: str) -> Iterator[tuple[str, Needle]]:
    found = search.inside(text.encode(errors="surrogateescape"))
    yield from ((place, needle) for needle in (*search.whole([text]), *(needle for _, needle in found)))


def _in_values(values: Iterable[str | bytes | None], search: Search, place: str) -> Iterator[tuple[str, Needle]]:
    contents = [one.encode(errors="surrogateescape") if isinstance(one, str) else one for one in values if one]
    yield from ((place, needle) for needle in search.whole(one.decode(errors="surrogateescape") for one in contents))
    yield from ((place, needle) for _, needle in search.inside(b"\0".join(contents)))


def _in_parquet(file: BinaryIO, search: Search) -> Iterator[tuple[str, Needle]]:
    try:
        schema = pq.ParquetFile(file).schema_arrow
        coded = [one.name for one in schema if pa.types.is_string(one.type) or pa.types.is_binary(one.type)]
        parquet = pq.ParquetFile(file, read_dictionary=coded)
        names = [parquet.schema.column(index).path for index in range(len(parquet.schema))]
        leaves = [name for name in names if name != _SAMPLES]
        for group in range(parquet.num_row_groups):
            table = parquet.read_row_group(group, columns=leaves)
            named = [one for column in table.column_names for one in texts(table[column], column)]
            values = {name: pc.unique(leaf).to_pylist() for name, leaf in named}
            # Rarely is there anything, so that all columns are searched at once first.
            if next(_in_values(chain.from_iterable(values.values()), search, ""), None) is not None:
                for name, some in values.items():
                    yield from _in_values(some, search, f"column {name}, row group {group}")
    except (pa.ArrowException, OSError):
        return  # cut short, or no Parquet but for its beginning: its bytes were searched


def _in_sqlite(content: bytes, search: Search) -> Iterator[tuple[str, Needle]]:
    for start in _ZLIB_STARTS:
        place = content.find(start)
        while place >= 0:
            inflated = _inflated(content[place : place + _MOST_INFLATED])
            yield from ((f"inflated from byte {place}", needle) for _, needle in search.inside(inflated))
            place = content.find(start, place + 1)
    with suppress(sqlite3.Error), closing(sqlite3.connect(":memory:")) as database:
        database.deserialize(content)
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            quoted = table.replace('"', '""')
            for row in database.execute(f'SELECT * FROM "{quoted}"'):
                cells = [cell for cell in row if isinstance(cell, str | bytes)]
                unpacked = [_inflated(cell) for cell in cells if isinstance(cell, bytes)]
                yield from _in_values([*cells, *unpacked], search, f"table {table}")


def _inflated(content: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(content, _MOST_INFLATED)
    except zlib.error:
        return b""


def _in_id_index(content: bytes, search: Search) -> Iterator[tuple[str, Needle]]:
    ids = [needle for needle in search.by_value.values() if needle.what == "recording id"]
    hashes = id_hashes(pa.array([needle.value for needle in ids], pa.string()))
    met = np.isin(hashes, np.frombuffer(content[: len(content) // 8 * 8], np.uint64))
    yield from (("the hash of its id", ids[place]) for place in np.flatnonzero(met))


def _in_json(content: bytes, search: Search) -> Iterator[tuple[str, Needle]]:
    """Values of a JSON file, or of each line of one."""
    try:
        yield from _in_values(_strings(json.loads(content)), search, "a value")
    except (ValueError, RecursionError):
        for number, line in enumerate(io.BytesIO(content), start=1):
            with suppress(ValueError, RecursionError):
                yield from _in_values(_strings(json.loads(line)), search, f"line {number}")


def _strings(node: object) -> Iterator[str]:
    """All texts of a JSON value, keys included."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict):
        for key, value in node.items():
            yield key
            yield from _strings(value)
    elif isinstance(node, list):
        for value in node:
            yield from _strings(value)
