"""From the path that a source writes to the location that is opened and the name that shards show.

What lies outside the source's root is shown by its last part alone: where a machine keeps its files is nobody's
business, and an absolute path means nothing elsewhere. Its id still follows from the whole path.
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from fcaps_pipeline.annotate.sources.ids import id_from_outside, id_from_path
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


def locate(path: str, roots: Sequence[Path]) -> Place:
    """The place of an audio file that a source names.

    Args:
        path: as it stands in the source: absolute, relative or an address.
        roots: folders that a relative path may start from, absolute. The first under which the file exists is taken,
            the first of all where it exists under none.
    """
    part = _part(path)
    if is_url(path) or part is None:
        return Place(path, shown_name(path.rsplit("/", 1)[-1]), id_from_outside(path))
    named = local_path(path)
    tried = [root / named for root in roots]
    found = next((one for one, file in enumerate(tried) if os.path.exists(file)), 0) if len(tried) > 1 else 0  # noqa: PTH110 - True or False for any name
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


def place_of(absolute: Path, root: Path) -> Place:
    """The place of a file seen from a root."""
    normal = Path(os.path.normpath(absolute))
    if normal.is_relative_to(root):
        relative = normal.relative_to(root).as_posix()
        return Place(location_of(absolute), shown_name(relative), id_from_path(relative))
    return Place(location_of(absolute), shown_name(normal.name), id_from_outside(str(normal)))
