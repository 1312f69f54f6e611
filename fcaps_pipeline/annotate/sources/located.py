"""A Recording together with the place that names it, for messages about doubled ids."""

from pathlib import Path, PurePosixPath
from typing import NamedTuple

from fcaps_pipeline.records.audio import Recording


class Located(NamedTuple):
    """A Recording and the file, or file and line, that it stands in."""

    recording: Recording
    where: str


def locate(path: str, root: Path) -> tuple[str, str]:
    """Absolute path of an audio file, and the path that the shards show.

    The latter is relative to the root wherever the file lies below it.
    """
    absolute = (root / path).absolute()
    shown = absolute.relative_to(root).as_posix() if absolute.is_relative_to(root) else PurePosixPath(path).as_posix()
    return str(absolute), shown
