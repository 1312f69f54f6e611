"""Paths of the command line: of file systems, and of nothing else."""

from pathlib import Path

from fcaps_pipeline.errors import UsageError


def local_path(text: str | Path) -> Path:
    """A path as typed, or the default of an option; an address would otherwise become a folder of that name.

    Raises:
        UsageError: it is an address such as `s3://bucket/run`.
    """
    if "://" in str(text):
        raise UsageError(f"{text} is an address; folders must lie on a file system: mount it, or copy what is there")
    return Path(text)
