"""Paths of the command line, and addresses of folders that may lie on an object store."""

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


def writable(text: str | Path) -> str:
    """What `storable` takes, where it can be written to.

    Raises:
        UsageError: nothing can be written there.
        StorageError: as `storable`.
    """
    from fcaps_pipeline.storage.path import check_writable

    check_writable(str(text))
    return storable(text)


def storable(text: str | Path) -> str:
    """A path or an address such as `s3://bucket/run`, as typed; a store that is far away is looked at once.

    Raises:
        UsageError: nothing can be stored there.
        StorageError: there is no such bucket or repository, it may not be seen, or it does not answer.
    """
    from fcaps_pipeline.storage.path import check_reachable

    check_reachable(str(text))
    return str(text)
