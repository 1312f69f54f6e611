"""What the project asks of a place for files, whether a file system, memory or an object store.

A Store holds objects: bytes under keys. A key is text of parts joined by `/`. Objects appear whole or not at all, and
are never changed in part. There is no rename, and nothing is found by listing that must not be missed: a listing may
be behind. `tests/contracts/test_store.py` is the suite that every Store passes.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

from fcaps_pipeline.errors import UsageError

_NO_PART = frozenset({"", ".", ".."})
_CONTROLS = re.compile("[\x00-\x1f\x7f]")


class Found(NamedTuple):
    """One object of a listing."""

    key: str
    num_bytes: int


class Store(Protocol):
    """Objects under keys; every method can be called from any thread.

    Trouble that passes is waited for within the patience of the Store. What does not pass is a StorageError where
    something is read and an OutputError where something is written; both name the object, and never a credential.
    """

    @property
    def uri(self) -> str:
        """Of its root: what stands before `/` and a key in messages."""
        ...

    def read(self, key: str) -> bytes:
        """Content of an object.

        Raises:
            MissingFileError: there is none.
            StorageError: the storage does not give it.
        """
        ...

    def read_range(self, key: str, start: int, num_bytes: int) -> bytes:
        """Part of an object; fewer bytes at its end, none beyond it.

        Raises:
            MissingFileError: there is no such object.
            StorageError: the storage does not give it.
        """
        ...

    def num_bytes(self, key: str) -> int | None:
        """Size of an object; None where there is none.

        Raises:
            StorageError: the storage does not tell.
        """
        ...

    def put(self, key: str, content: bytes | Iterable[bytes]) -> None:
        """Writes an object, in place of one that may be there; what comes in pieces is never in memory as a whole.

        Raises:
            OutputError: the storage does not take it.
        """
        ...

    def put_file(self, key: str, file: Path) -> None:
        """Writes an object from a local file, which is gone afterwards.

        Raises:
            OutputError: the storage does not take it.
        """
        ...

    def put_if_absent(self, key: str, content: bytes) -> bool:
        """Writes an object unless there is one, in one step for all writers.

        Returns:
            Whether the object has this content now: of several writers with different contents, one hears True.

        Raises:
            OutputError: the storage does not take it.
        """
        ...

    def list(self, prefix: str) -> Iterator[Found]:
        """Objects whose keys begin with the parts of `prefix`, in no order that counts; none where there are none.

        Raises:
            StorageError: the storage does not tell.
        """
        ...

    def delete(self, key: str) -> None:
        """Makes an object not be there; it need not have been.

        Raises:
            OutputError: the storage does not let it go.
        """
        ...


def check_key(key: str) -> str:
    """The key as it is.

    Raises:
        UsageError: no Store can hold it, or it would lead out of its root.
    """
    if _CONTROLS.search(key) or not _NO_PART.isdisjoint(key.split("/")):
        raise UsageError(
            f"{key!r} is no name for an object: expected parts joined by /, none of them empty, '.' or '..', without "
            "control characters; choose another name"
        )
    return key
