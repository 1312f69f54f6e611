"""From the path that a source writes to the location that is opened and the name that shards show.

What lies outside the source's root is shown by its last part alone: where a machine keeps its files is nobody's
business, and an absolute path means nothing elsewhere. Its id still follows from the whole path.
"""

import os
import posixpath
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from fcaps_pipeline.annotate.sources.ids import id_from_outside, id_from_path
from fcaps_pipeline.annotate.sources.source_path import SourcePath, is_below, steps_below
from fcaps_pipeline.audio.location import (
    FilePart,
    ParquetRow,
    RefusedPart,
    is_url,
    local_path,
    location_in,
    location_of,
    parts_of,
    shown_name,
)
from fcaps_pipeline.errors import RecordingError
from fcaps_pipeline.records.audio import Recording
from fcaps_pipeline.storage.path import StorePath


class Located(NamedTuple):
    """A Recording and the file, or file and line, that it stands in, for messages about doubled ids."""

    recording: Recording
    where: str


class Block(NamedTuple):
    """Neighbouring Recordings of a source that is read in columns."""

    table: pa.Table
    """See `shards.recording_table`."""
    where: Callable[[int], str]
    """As in `Located`, by row."""


class Place(NamedTuple):
    """Where one audio file is."""

    location: str
    """See `Recording.location`."""
    shown: str
    """Path relative to the root, or the last part alone; see `Recording.source`."""
    safe_id: str
    """Id of a Recording that has no other name."""


def locate(path: str, roots: Sequence[SourcePath]) -> Place:
    """The place of an audio file that a source names.

    Args:
        path: as it stands in the source: absolute, relative or an address.
        roots: folders that a relative path may start from, absolute. The first under which the file exists is taken,
            the first of all where it exists under none, or where that would have to be asked of a store.
    """
    part = _part(path)
    if is_url(path) or part is None:
        return Place(path, shown_name(path.rsplit("/", 1)[-1]), id_from_outside(path))
    named = local_path(path)
    tried = [_joined(root, named) for root in roots]
    found = next(filter(lambda one: _is_there(tried[one]), range(len(tried))), 0) if len(tried) > 1 else 0
    place = place_of(tried[found], roots[found])
    return place if isinstance(part, str) else _inside(place, part)


def _part(path: str) -> str | FilePart | RefusedPart | ParquetRow | None:
    """What a path names; None where its fragment says nothing, so that it fails by name when it is opened."""
    try:
        return parts_of(path)
    except RecordingError:
        return None


def _inside(place: Place, part: FilePart | RefusedPart | ParquetRow) -> Place:
    """The place of what lies inside the file of another place."""
    inner = f"{part.row_group}-{part.row}" if isinstance(part, ParquetRow) else part.name
    location = location_in(part._replace(file=place.location))
    return Place(location, f"{place.shown}/{shown_name(inner)}", id_from_path(f"{place.shown}/{inner}"))


def _joined(root: SourcePath, named: Path) -> SourcePath:
    if isinstance(root, Path) or named.is_absolute():
        return root / named if isinstance(root, Path) else named
    # A name that no object can have is kept, and fails when it is opened.
    return StorePath(root.store, posixpath.normpath(f"{root.key}/{named}").lstrip("/"))


def _is_there(path: SourcePath) -> bool:
    return isinstance(path, StorePath) or os.path.exists(path)  # noqa: PTH110 - True or False for any name


def place_of(absolute: SourcePath, root: SourcePath) -> Place:
    """The place of a file seen from a root."""
    if isinstance(absolute, StorePath):
        return _place_on_store(absolute, root)
    normal = Path(os.path.normpath(absolute))
    if isinstance(root, Path) and normal.is_relative_to(root):
        relative = normal.relative_to(root).as_posix()
        return Place(location_of(absolute), shown_name(relative), id_from_path(relative))
    return Place(location_of(absolute), shown_name(normal.name), id_from_outside(str(normal)))


def _place_on_store(path: StorePath, root: SourcePath) -> Place:
    location = location_of(path)
    if isinstance(root, StorePath) and is_below(path, root):
        relative = "/".join(steps_below(path, root))
        return Place(location, shown_name(relative), id_from_path(relative))
    return Place(location, shown_name(path.name), id_from_outside(location))
