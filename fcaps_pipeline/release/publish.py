"""Brings a release to others: into a repository of the Hugging Face hub, or into a bucket.

Enters: a finished release that is sound, and an address. Leaves: the release there, whole or not at all: its files
first, then what makes a release of them, a commit and its tag on the Hub, `release.json` in a bucket. What stands there
under a version is never changed. `tombstones.json` and whatever else lies in the folder stay with the maintainers.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from fcaps_pipeline.errors import CorruptRunError, UsageError
from fcaps_pipeline.release.check.release import check_release
from fcaps_pipeline.release.dataset import read_release
from fcaps_pipeline.release.layout import ReleaseFile, ReleaseLayout, ReleaseRecord
from fcaps_pipeline.storage import hub_address
from fcaps_pipeline.storage.path import StorePath, Where

Say = Callable[[str], None]
"""Told of progress, a line at a time."""


@dataclass(frozen=True)
class Finished:
    """A release as it is published."""

    layout: ReleaseLayout
    record: ReleaseRecord

    @cached_property
    def content(self) -> bytes:
        """Of `release.json`."""
        return self.layout.record.read()

    @cached_property
    def files(self) -> tuple[ReleaseFile, ...]:
        """All files but `release.json`."""
        shards = (ReleaseFile(path=one.path, num_bytes=one.num_bytes, sha256=one.sha256) for one in self.record.shards)
        return (*shards, *self.record.files)

    @cached_property
    def own(self) -> ReleaseFile:
        """`release.json` itself."""
        digest = hashlib.sha256(self.content).hexdigest()
        return ReleaseFile(path=self.layout.record.name, num_bytes=len(self.content), sha256=digest)

    @property
    def title(self) -> str:
        """Name and version."""
        return f"{self.record.name} {self.record.version}"

    def path(self, file: ReleaseFile) -> StorePath:
        """Where a file of it is."""
        return self.layout.root / file.path

    def check_same(self, other: bytes, where: str) -> None:
        """Makes sure that a `release.json` of this version that is there already is this one.

        Raises:
            UsageError: it is another one.
        """
        if other != self.content:
            raise UsageError(
                f"{where} holds {self.record.version} with another content, and what is published stays as it is; "
                "build the next version"
            )


@dataclass(frozen=True)
class Publication:
    """What publishing will do."""

    release: Finished
    where: str
    uploads: tuple[ReleaseFile, ...]
    """What is not there yet."""
    num_there: int
    """Files that are there already."""
    deletions: tuple[str, ...] = ()
    """Files of the version before that this one has not."""
    creates: str | None = None
    """What is made first: a repository that only some or all may see."""
    parent: str | None = None
    """The commit of a repository that was looked at."""
    tag: str | None = None
    is_done: bool = False
    """Whether the release is there already, with that content."""

    @property
    def num_bytes(self) -> int:
        """Of all uploads."""
        return sum(one.num_bytes for one in self.uploads)


class Target(Protocol):
    """Where releases are published."""

    def look(self, release: Finished) -> Publication:
        """What publishing a release would do; changes nothing.

        Raises:
            UsageError: it may not be published there.
            StorageError: what is there cannot be read.
        """
        ...

    def bring(self, publication: Publication, say: Say) -> None:
        """Does it; what was interrupted goes on where it stopped.

        Raises:
            OutputError: it is not taken.
        """
        ...


def target_of(where: str, *, public: bool) -> Target:
    """The place that an address names.

    Args:
        where: `hf://datasets/ORG/NAME`, or the address of a folder of a bucket.
        public: whether everybody may see a repository.

    Raises:
        UsageError: nothing can be published there.
        StorageError: it cannot be reached.
    """
    if where.startswith(f"{hub_address.SCHEME}://"):
        from fcaps_pipeline.release.publish_hub import hub_target

        return hub_target(where, public=public)
    if "://" not in where:
        raise UsageError(f"{where} is no place to publish to; expected hf://datasets/ORG/NAME or s3://BUCKET/PREFIX")
    if public:
        raise UsageError(f"--public is for the Hub; who may read {where} is said by the settings of its bucket")
    from fcaps_pipeline.release.publish_bucket import bucket_target

    return bucket_target(where)


def finished(where: Where) -> Finished:
    """A release that may be published.

    Raises:
        UsageError: it is none.
        CorruptRunError: a check refuses it.
    """
    release = Finished(ReleaseLayout(where), read_release(where))
    refusing = [one for one in check_release(where) if one.refuses]
    if refusing:
        first = "; ".join(f"{one.check} ({', '.join(one.examples[:1]) or f'{one.found:g}'})" for one in refusing)
        raise CorruptRunError(f"{release.layout.root} is not published: {first}; `fcaps verify` says more")
    return release
