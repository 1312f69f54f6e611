"""From the path that a source writes to the location that is opened and the name that shards show.

What lies outside the source's root is shown by its last part alone: where a machine keeps its files is nobody's
business, and an absolute path means nothing elsewhere. Its id still follows from the whole path.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from fcaps_pipeline.annotate.sources.ids import id_from_outside, id_from_path
from fcaps_pipeline.audio.location import is_url, local_path, location_of, shown_name
from fcaps_pipeline.records.audio import Recording


class Located(NamedTuple):
    """A Recording and the file, or file and line, that it stands in, for messages about doubled ids."""

    recording: Recording
    where: str


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
    if is_url(path):
        return Place(path, shown_name(path.rsplit("/", 1)[-1]), id_from_outside(path))
    named = local_path(path)
    tried = [root / named for root in roots]
    found = next((one for one, file in enumerate(tried) if os.path.exists(file)), 0) if len(tried) > 1 else 0  # noqa: PTH110 - True or False for any name
    return place_of(tried[found], roots[found])


def place_of(absolute: Path, root: Path) -> Place:
    """The place of a file seen from a root."""
    normal = Path(os.path.normpath(absolute))
    if normal.is_relative_to(root):
        relative = normal.relative_to(root).as_posix()
        return Place(location_of(absolute), shown_name(relative), id_from_path(relative))
    return Place(location_of(absolute), shown_name(normal.name), id_from_outside(str(normal)))
