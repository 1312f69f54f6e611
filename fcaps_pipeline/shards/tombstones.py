"""What was taken back from a dataset and must not return, as keyed hashes that tell nobody what it was.

`tombstones.json` lies in the folder of a run or a release and stays with its maintainers: whoever holds the key can
try values. Enters: values of rows. Leaves: whether one of them was taken back.
"""

import hashlib
import hmac
import secrets
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Literal, get_args

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import ValidationError

from fcaps_pipeline.errors import CorruptRunError
from fcaps_pipeline.records.base import Record
from fcaps_pipeline.shards.reader import read_json
from fcaps_pipeline.storage.path import StorePath

Kind = Literal["speaker", "recording", "segment", "source", "license", "audio", "file"]
KINDS: tuple[Kind, ...] = get_args(Kind)
COLUMN_OF: dict[Kind, str] = {
    "speaker": "speaker",
    "recording": "recording_id",
    "segment": "segment_id",
    "source": "source",
    "license": "license",
    "audio": "audio_sha256",
    "file": "recording_sha256",
}
"""The column of `data` whose value each kind hashes."""
_KEY_BYTES = 32


class Tombstone(Record):
    """One value that must not return."""

    what: Kind
    digest: str
    """HMAC-SHA256 of kind and value under the key, in hex."""
    reason: str
    key: str | None = None
    """Of the list that it was taken over from; None for the key of this one."""


class Tombstones(Record):
    """Content of `tombstones.json`."""

    key: str
    """Drawn at random when the first was set, 32 bytes in hex."""
    entries: tuple[Tombstone, ...]
    is_unfinished: bool = False
    """Whether the folder may still hold what stands here, since a removal has not come to its end."""

    def digest(self, what: Kind, value: str) -> str:
        """The keyed hash of a value."""
        return _digest(self.key, what, value)

    def find(self, what: Kind, value: str | None) -> Tombstone | None:
        """The entry that a value falls under; None where it may stay."""
        if value is not None:
            for key, entries in self._by_kind.get(what, {}).items():
                if (found := entries.get(_digest(key, what, value))) is not None:
                    return found
        return None

    def finds(self, values: Mapping[Kind, str | None]) -> Tombstone | None:
        """The first entry that one of the values of a row falls under; None where it may stay."""
        found = (self.find(what, value) for what, value in values.items())
        return next((one for one in found if one is not None), None)

    def has(self, what: Kind) -> bool:
        """Whether anything of a kind was taken back."""
        return what in self._by_kind

    def fallen(self, what: Kind, column: pa.ChunkedArray | pa.Array) -> pa.ChunkedArray | pa.Array:
        """Of each value of a column, whether it was taken back; of null it was not."""
        distinct = pc.unique(column).to_pylist() if self.has(what) else []
        fallen = [one for one in distinct if self.find(what, one) is not None]
        return pc.is_in(column, value_set=pa.array(fallen, column.type))

    def having(self, entries: Iterable[Tombstone], *, is_unfinished: bool) -> "Tombstones":
        """The list with more entries, each kept once."""
        return Tombstones(
            key=self.key, entries=tuple(dict.fromkeys((*self.entries, *entries))), is_unfinished=is_unfinished
        )

    @cached_property
    def _by_kind(self) -> dict[Kind, dict[str, dict[str, Tombstone]]]:
        """Entries by kind, key and digest."""
        found: dict[Kind, dict[str, dict[str, Tombstone]]] = {}
        for one in self.entries:
            found.setdefault(one.what, {}).setdefault(one.key or self.key, {}).setdefault(one.digest, one)
        return found


def no_tombstones() -> Tombstones:
    """An empty list with a key of its own."""
    return Tombstones(key=secrets.token_hex(_KEY_BYTES), entries=())


def joined_tombstones(lists: Iterable[Tombstones | None]) -> Tombstones | None:
    """All entries of several lists under the key of the first, those of the others with their own; None of none."""
    found = [one for one in lists if one is not None]
    if not found:
        return None
    first, *others = found
    foreign = [entry for one in others for entry in _taken_over(one, first.key)]
    return first.having(foreign, is_unfinished=first.is_unfinished)


def read_tombstones(path: StorePath) -> Tombstones | None:
    """The tombstones of a folder; None where it has none.

    Raises:
        CorruptRunError: the file is unreadable.
    """
    content = read_json(path)
    if content is None:
        return None
    try:
        return Tombstones.model_validate(content)
    except ValidationError as error:
        raise CorruptRunError(
            f"{path} is not a list of tombstones ({error.error_count()} mistakes); restore it from a copy, or what was "
            "taken back may return"
        ) from error


def write_tombstones(path: StorePath, tombstones: Tombstones) -> None:
    """Puts the list of a folder in its place, whole.

    Raises:
        OutputError: the folder cannot be written.
    """
    path.put(tombstones.model_dump_json(indent=1, exclude_defaults=True))


def refuse_unfinished(path: StorePath) -> None:
    """Makes sure that no removal is under way in the folder of a list.

    Raises:
        CorruptRunError: one was begun and not finished, or the list is unreadable.
    """
    found = read_tombstones(path)
    if found is not None and found.is_unfinished:
        raise CorruptRunError(
            f"{path.parent}: a removal was begun there and not finished; `fcaps release remove {path.parent}` goes on "
            "with it"
        )


def _taken_over(tombstones: Tombstones, key: str) -> Iterable[Tombstone]:
    for one in tombstones.entries:
        its_key = one.key or tombstones.key
        yield one.model_copy(update={"key": None if its_key == key else its_key})


def _digest(key: str, what: Kind, value: str) -> str:
    return hmac.digest(bytes.fromhex(key), f"{what}\0{value}".encode(errors="surrogatepass"), hashlib.sha256).hex()
