"""Sound on an object store: whole recordings in memory, long ones block by block, the next ones fetched ahead.

Enters: a location that is a URI of a store. Leaves: a ByteSource. What was said to be opened soon is fetched whole and
once, however often it is opened; who only looks at a header reads only that.
"""

from collections.abc import Iterable
from functools import cache, partial
from pathlib import PurePosixPath

from fcaps_pipeline.audio.byte_source import ByteSource, MemoryBytes, PartOfFile
from fcaps_pipeline.audio.location import FilePart, ParquetRow, RefusedPart, is_url, parts_of
from fcaps_pipeline.errors import MissingFileError, RecordingError, UsageError
from fcaps_pipeline.storage.path import StorePath, store_path
from fcaps_pipeline.storage.ranged_reader import RangedReader
from fcaps_pipeline.storage.read_ahead import Fetch, ReadAhead

_MAX_HELD_BYTES = 64 * 2**20


def open_remote(location: str) -> ByteSource:
    """Opens an object, or part of one.

    Raises:
        MissingFileError: there is no such object.
        StorageError: the store does not give it.
        RecordingError: it is empty or breaks off, or no store has such an address.
    """
    part = parts_of(location)
    content = _read_ahead().get(location)
    if isinstance(part, FilePart):
        if content is not None and len(content) == part.num_bytes:
            return PartOfFile(MemoryBytes(content, part.file, ""), part._replace(offset=0))
        return PartOfFile(_FarObject(_path(location)), part)
    return MemoryBytes(content, location, _suffix(location)) if content else _FarObject(_path(location))


def fetch_ahead(locations: Iterable[str]) -> None:
    """Says which recordings will be opened next, in this order; what lies on file systems is passed over."""
    wanted: dict[str, Fetch] = {one: partial(_fetch, one) for one in locations if is_url(one)}
    if wanted:
        _read_ahead().want(wanted)


class _FarObject:
    """An object that is read where it lies; see `ByteSource`."""

    def __init__(self, path: StorePath) -> None:
        self._reader = RangedReader(path.store, path.key)
        self.name, self.suffix, self.modified_ns = str(path), _suffix(path.key), None
        self.num_bytes = self._reader.num_bytes
        if not self.num_bytes:
            raise RecordingError(f"{path} is empty (0 bytes); copy it again or take it out of the source")

    def at(self, offset: int, num_bytes: int) -> bytes:
        return self._reader.at(offset, num_bytes)

    def close(self) -> None:
        self._reader.close()


@cache
def _read_ahead() -> ReadAhead:
    return ReadAhead()


def _fetch(location: str) -> bytes | None:
    part = parts_of(location)
    if isinstance(part, RefusedPart | ParquetRow):
        return None  # nothing to read, or what is read a row group at a time
    path = _path(location)
    if isinstance(part, FilePart):
        is_long = part.num_bytes > _MAX_HELD_BYTES
        return None if is_long else path.store.read_range(path.key, part.offset, part.num_bytes)
    num_bytes = path.num_bytes()
    if num_bytes is None:
        raise MissingFileError(f"{path} does not exist; copy it there or correct the source")
    return path.read() if num_bytes <= _MAX_HELD_BYTES else None


def _path(location: str) -> StorePath:
    part = parts_of(location)
    try:
        return store_path(part if isinstance(part, str) else part.file)
    except UsageError as error:
        raise RecordingError(f"{location}: {error}") from error


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()
