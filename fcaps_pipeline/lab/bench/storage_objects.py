"""How fast objects, ranges and records of a store are, against files of a folder.

Enters: a folder and a store. Leaves: figures, each measured first there and then here. Everything goes through what
the pipeline itself reads and writes with; what is fetched ahead is asked for in order, as Segmenters ask for it.
"""

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import repeat

import numpy as np

from fcaps_pipeline.errors import StorageError
from fcaps_pipeline.lab.bench.figures import Figure
from fcaps_pipeline.records.base import Record
from fcaps_pipeline.storage.path import StorePath
from fcaps_pipeline.storage.read_ahead import Fetch, ReadAhead

_WRITERS_AT_ONCE = 4
_MEGABYTE = 1_000_000
_RECORD_BYTES = 2_000
_RACERS = 8


class ObjectSizes(Record):
    """How much is written and read."""

    num_files: int = 500
    file_bytes: int = 200_000
    large_bytes: int = 256_000_000
    piece_bytes: int = 1_000_000
    """Asked for at once, of the large object."""
    num_records: int = 300
    num_races: int = 5


def bench_objects(disk: StorePath, store: StorePath, sizes: ObjectSizes) -> list[Figure]:
    """Measures files, ranges and records.

    Raises:
        StorageError: the store lets several writers of one key win.
        FcapsError: it does not give or take something.
    """
    (on_disk, on_store) = (_rates(root, sizes) for root in (disk, store))
    return [
        Figure(name=name, unit=unit, disk=on_disk[name, unit], store=rate) for (name, unit), rate in on_store.items()
    ]


def _rates(root: StorePath, sizes: ObjectSizes) -> dict[tuple[str, str], float]:
    """What was measured in one place, by name and unit."""
    files, large, records = root / "files", root / "large", root / "records"
    content = np.random.default_rng(0).bytes(sizes.file_bytes)
    names = [f"{number:05d}.flac" for number in range(sizes.num_files)]
    megabytes = sizes.large_bytes / _MEGABYTE
    of_files = f"{sizes.num_files} files of {sizes.file_bytes // 1000} kB"
    of_pieces = f"{megabytes:.0f} MB in pieces of {sizes.piece_bytes / _MEGABYTE:g} MB"
    found = {
        (f"put {of_files}, {_WRITERS_AT_ONCE} at once", "files/s"): sizes.num_files
        / _timed(partial(_put_all, files, names, content)),
        ("read them one by one", "files/s"): sizes.num_files / _timed(lambda: [(files / one).read() for one in names]),
        ("read them, fetched ahead", "files/s"): sizes.num_files
        / _timed(partial(_read_ahead, {one: (files / one).read for one in names})),
    }
    large.put(content * (sizes.large_bytes // sizes.file_bytes))
    pieces = {str(start): partial(_piece, large, start, sizes) for start in _starts(large, sizes)}
    found |= {
        (f"read {of_pieces}, one by one", "MB/s"): megabytes / _timed(lambda: [read() for read in pieces.values()]),
        ("read it, fetched ahead", "MB/s"): megabytes / _timed(partial(_read_ahead, pieces)),
        ("read it as an open file", "MB/s"): megabytes / _timed(partial(_read_on, large, sizes)),
        ("put records unless they are there", "records/s"): sizes.num_records
        / _timed(partial(_put_records, records, sizes)),
        (f"{_RACERS} writers of one key, until all know", "s"): _timed(partial(_race_all, records, sizes))
        / sizes.num_races,
    }
    return found


def _timed(work: Callable[[], object]) -> float:
    begun_s = time.perf_counter()
    work()
    return time.perf_counter() - begun_s


def _put_all(folder: StorePath, names: list[str], content: bytes) -> None:
    with ThreadPoolExecutor(_WRITERS_AT_ONCE) as pool:
        list(pool.map(lambda name, bytes_: (folder / name).put(bytes_), names, repeat(content)))


def _read_ahead(wanted: Mapping[str, Fetch]) -> None:
    ahead = ReadAhead()
    ahead.want(wanted)
    for name in wanted:
        if ahead.get(name) is None:
            raise StorageError(f"{name} was not fetched; run the benchmark again")


def _starts(large: StorePath, sizes: ObjectSizes) -> range:
    return range(0, large.num_bytes() or 0, sizes.piece_bytes)


def _piece(large: StorePath, start: int, sizes: ObjectSizes) -> bytes:
    return large.store.read_range(large.key, start, sizes.piece_bytes)


def _read_on(large: StorePath, sizes: ObjectSizes) -> None:
    with large.open() as file:
        while file.read(sizes.piece_bytes):
            pass


def _put_records(folder: StorePath, sizes: ObjectSizes) -> None:
    for number in range(sizes.num_records):
        (folder / f"{number}.json").put_if_absent(f"{number}".ljust(_RECORD_BYTES))


def _race_all(folder: StorePath, sizes: ObjectSizes) -> None:
    for number in range(sizes.num_races):
        _race(folder / f"race-{number}.json")


def _race(key: StorePath) -> None:
    """Lets several write one record with different contents, all at once."""
    start = threading.Barrier(_RACERS)

    def write(writer: int) -> bool:
        start.wait()
        return key.put_if_absent(f"{writer}".ljust(_RECORD_BYTES))

    with ThreadPoolExecutor(_RACERS) as pool:
        num_winners = sum(pool.map(write, range(_RACERS)))
    if num_winners != 1:
        raise StorageError(
            f"{key}: {num_winners} of {_RACERS} writers of one key were told that it is theirs, expected one; "
            "keep no runs there, commits would overwrite each other"
        )
