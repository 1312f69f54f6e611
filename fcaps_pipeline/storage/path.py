"""One name for a file, wherever it lies: a path or a URI as users write it, a Store and a key as the program sees it.

Enters: text such as `/data/run`, `runs/a`, `s3://bucket/run`, `gs://bucket/run` or `hf://datasets/owner/name/data`.
Leaves: a StorePath, which is joined with `/` as paths are and which other processes open anew: it travels as its text,
without client or credentials, and with the commit of what lies on the Hub.
"""

import os
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import BinaryIO, NamedTuple, Self
from urllib.parse import quote, unquote, urlsplit

from fcaps_pipeline.errors import UsageError
from fcaps_pipeline.storage import hub_address
from fcaps_pipeline.storage.local_store import LocalStore
from fcaps_pipeline.storage.ranged_reader import open_ranged
from fcaps_pipeline.storage.store import Store, check_key

_URI = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_BUCKETS = frozenset({"s3", "gs", "memory"})
_SAFE = "/!$&'()*+,;=:@~"
PATIENCE_S = 240.0
"""How long a request is tried again; a signature of S3 is good for five minutes."""
_HUB_PATIENCE_S = 330.0
"""Longer than the five minutes after which the Hub's limits begin anew."""
_FIRST_PATIENCE_S = 3.0


class StorePath:
    """A file or folder of a Store."""

    def __init__(self, store: Store, key: str) -> None:
        """Takes a key that is checked already; an empty one is the root."""
        self.store = store
        self.key = key

    def __truediv__(self, name: str) -> Self:
        return type(self)(self.store, check_key(f"{self.key}/{name}" if self.key else name))

    def __str__(self) -> str:
        if self.local is not None:
            return str(self.local)
        return f"{self.store.uri}/{quote(self.key, safe=_SAFE)}"

    def __repr__(self) -> str:
        return f"StorePath({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StorePath) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))

    def __reduce__(self) -> tuple[object, ...]:
        return store_path, (str(self),)

    @property
    def name(self) -> str:
        """The last part of the key."""
        return self.key.rsplit("/", 1)[-1]

    @property
    def parent(self) -> Self:
        """The folder that it is in; the root is in itself."""
        return type(self)(self.store, self.key.rpartition("/")[0])

    @property
    def local(self) -> Path | None:
        """The path on this machine; None where it is not on a file system."""
        return self.store.path(self.key) if isinstance(self.store, LocalStore) else None

    def on_disk(self) -> Path:
        """The path on this machine, for what needs a file system.

        Raises:
            UsageError: it is not on one.
        """
        if self.local is None:
            raise UsageError(f"{self} must lie on a file system for this; copy it to one, or mount its store")
        return self.local

    def read(self) -> bytes:
        """Content.

        Raises:
            MissingFileError: it does not exist.
            StorageError: the storage does not give it.
        """
        return self.store.read(self.key)

    def open(self) -> BinaryIO:
        """A file to read from at any place, in a few large requests where it is far away.

        Raises:
            MissingFileError: it does not exist.
            StorageError: the storage does not give it.
        """
        return open_ranged(self.store, self.key)

    def num_bytes(self) -> int | None:
        """Size; None where there is no such file.

        Raises:
            StorageError: the storage does not tell.
        """
        return self.store.num_bytes(self.key)

    def exists(self) -> bool:
        """Whether there is such a file.

        Raises:
            StorageError: the storage does not tell.
        """
        return self.num_bytes() is not None

    def read_text(self) -> str:
        """Content as text in UTF-8.

        Raises:
            MissingFileError: it does not exist.
            StorageError: the storage does not give it.
            UnicodeDecodeError: it is no such text.
        """
        return self.read().decode()

    def put(self, content: bytes | str) -> None:
        """Writes the file whole; text as UTF-8.

        Raises:
            OutputError: the storage does not take it.
        """
        self.store.put(self.key, content.encode() if isinstance(content, str) else content)

    def put_text(self, pieces: Iterable[str]) -> None:
        """Writes the file whole from pieces of text, as UTF-8.

        Raises:
            OutputError: the storage does not take it.
        """
        self.store.put(self.key, (piece.encode() for piece in pieces))

    def put_file(self, file: Path) -> None:
        """Writes the file from a local one, which is gone afterwards.

        Raises:
            OutputError: the storage does not take it.
        """
        self.store.put_file(self.key, file)

    def put_if_absent(self, content: bytes | str) -> bool:
        """Writes the file unless there is one; whether it has this content now.

        Raises:
            OutputError: the storage does not take it.
        """
        return self.store.put_if_absent(self.key, content.encode() if isinstance(content, str) else content)

    def list(self) -> Iterator["StorePath"]:
        """Files below it, in no order that counts.

        Raises:
            StorageError: the storage does not tell.
        """
        return (StorePath(self.store, found.key) for found in self.store.list(self.key))

    def sizes(self) -> dict[str, int]:
        """Bytes of the files below it, by their names relative to it.

        Raises:
            StorageError: the storage does not tell.
        """
        skipped = len(self.key) + 1 if self.key else 0
        return {found.key[skipped:]: found.num_bytes for found in self.store.list(self.key)}

    def delete(self) -> None:
        """Makes the file not be there.

        Raises:
            OutputError: the storage does not let it go.
        """
        self.store.delete(self.key)


Where = str | Path | StorePath
"""How callers may say where something is."""


class _Address(NamedTuple):
    """Of a file or folder that is on no file system."""

    scheme: str
    root: str
    """A bucket, or a repository."""
    key: str


def store_path(where: Where) -> StorePath:
    """The file or folder that a path or URI names; relative paths start in the working folder.

    Raises:
        UsageError: nothing can be stored there.
        StorageError: the Hub does not tell which commit a revision is.
    """
    if isinstance(where, StorePath):
        return where
    address = _address(where)
    if isinstance(address, Path):
        return StorePath(_local(), os.path.normpath(address.absolute()).lstrip("/"))
    return StorePath(_remote(address.scheme, address.root), address.key)


def check_reachable(where: Where) -> None:
    """Takes one quick look at a store that is far away, so that a wrong address is told at once.

    Raises:
        UsageError: nothing can be stored there.
        StorageError: there is no such bucket or repository, it may not be seen, or it does not answer.
    """
    address = _address(str(where) if isinstance(where, StorePath) else where)
    if isinstance(address, _Address):
        next(_opened(address.scheme, address.root, _FIRST_PATIENCE_S).list(address.key), None)


def check_writable(where: Where) -> None:
    """Refuses a place that can only be read, before anything is done for it.

    Raises:
        UsageError: nothing can be written there.
    """
    address = _address(str(where) if isinstance(where, StorePath) else where)
    if isinstance(address, _Address) and address.scheme == hub_address.SCHEME:
        hub_address.refuse_writing(str(where))


def _address(where: str | Path) -> _Address | Path:
    text = str(where)
    match = None if isinstance(where, Path) else _URI.match(text)
    if match is None:
        return Path(where)
    if match[1] == "file":
        return Path(unquote(text.removeprefix("file://")))
    address, scheme = urlsplit(text), match[1].lower()
    if "@" in address.netloc or address.query or address.fragment:
        raise UsageError(
            f"{match[0]}…: expected a bucket and a key alone; credentials belong into the environment, and ?, # and @ "
            "of a key are written %3F, %23 and %40"
        )
    root, path = address.netloc, address.path
    if scheme == hub_address.SCHEME:
        repository, path = hub_address.parse(root + path)
        root = str(repository)
    elif scheme not in _BUCKETS:
        raise UsageError(f"{text}: there is no storage of the kind {scheme}://; give a path, s3://, gs:// or hf://")
    elif not root:
        raise UsageError(f"{text} names no bucket; expected {scheme}://BUCKET/KEY")
    key = unquote(path.strip("/"))
    return _Address(scheme, root, check_key(key) if key else "")


@cache
def _local() -> LocalStore:
    return LocalStore(Path("/"))


@cache
def _remote(scheme: str, root: str) -> Store:
    if scheme == hub_address.SCHEME:
        from fcaps_pipeline.storage.hub_store import pinned

        address = hub_address.parse(root)[0]
        if not address.is_commit:  # one Store of a commit, by whatever name it is asked for
            return _remote(scheme, str(pinned(address, _HUB_PATIENCE_S)))
        return _opened(scheme, root, _HUB_PATIENCE_S)
    return _opened(scheme, root, PATIENCE_S)


def _opened(scheme: str, root: str, patience_s: float) -> Store:
    # Imported where it is needed: most commands never leave the file system.
    if scheme == hub_address.SCHEME:
        from fcaps_pipeline.storage import hub_store

        address = hub_address.parse(root)[0]
        return hub_store.HubStore(hub_store.pinned(address, patience_s), patience_s)
    from fcaps_pipeline.storage import object_store

    match scheme:
        case "s3":
            return object_store.open_s3(root, patience_s)
        case "gs":
            return object_store.open_gcs(root, patience_s)
        case _:
            return object_store.open_memory(root)
