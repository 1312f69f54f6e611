"""What was taken back from a dataset and must not return, as keyed hashes that tell nobody what it was.

`tombstones.json` lies in the folder of a run or a release and stays with its maintainers: whoever holds the key can
try values. Enters: values of rows. Leaves: whether one of them was taken back.
"""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Literal, get_args

from pydantic import ValidationError

from fcaps_pipeline.errors import CorruptRunError
from fcaps_pipeline.records.base import Record
from fcaps_pipeline.shards.reader import read_json
from fcaps_pipeline.storage.path import StorePath

Kind = Literal["speaker", "recording", "segment", "source", "license", "audio"]
KINDS: tuple[Kind, ...] = get_args(Kind)
COLUMN_OF: dict[Kind, str] = {
    "speaker": "speaker",
    "recording": "recording_id",
    "segment": "segment_id",
    "source": "source",
    "license": "license",
    "audio": "audio_sha256",
}
"""The column of `data` whose value each kind hashes."""


class Tombstone(Record):
    """One value that must not return."""

    what: Kind
    digest: str
    """HMAC-SHA256 of kind and value under the key, in hex."""
    reason: str


class Tombstones(Record):
    """Content of `tombstones.json`."""

    key: str
    """Drawn at random when the first was set, 32 bytes in hex."""
    entries: tuple[Tombstone, ...]

    def digest(self, what: Kind, value: str) -> str:
        """The keyed hash of a value."""
        return hmac.digest(bytes.fromhex(self.key), f"{what}\0{value}".encode(), hashlib.sha256).hex()

    def finds(self, values: Mapping[Kind, str | None]) -> Tombstone | None:
        """The first entry that one of the values of a row falls under; None where it may stay."""
        by_digest = {(one.what, one.digest): one for one in self.entries}
        for what, value in values.items():
            if value is not None and (found := by_digest.get((what, self.digest(what, value)))):
                return found
        return None


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
