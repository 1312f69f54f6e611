"""A release as a commit and a tag of a dataset repository of the Hugging Face hub."""

from dataclasses import replace
from itertools import islice
from typing import Any

from fcaps_pipeline.errors import OutputError, UsageError
from fcaps_pipeline.release.dataset import read_release
from fcaps_pipeline.release.layout import ReleaseRecord
from fcaps_pipeline.release.publish import Finished, Publication, Say
from fcaps_pipeline.storage import hub_address
from fcaps_pipeline.storage.hub_address import HubAddress
from fcaps_pipeline.storage.hub_repository import HubFile, HubRepository, HubState, LocalFile
from fcaps_pipeline.storage.path import StorePath, store_path

_PATIENCE_S = 330.0
_BATCH = 20
"""Files that are sent between two lines of progress."""
_OF_A_NEW_REPOSITORY = frozenset({".gitattributes", "README.md", "LICENSE"})
_RECORD = "release.json"


def hub_target(where: str, *, public: bool) -> "HubTarget":
    """The repository of an address.

    Raises:
        UsageError: it is none of datasets, or names more than a repository; there is no token.
    """
    address, path = hub_address.parse(where)
    if address.kind != "datasets" or address.revision is not None or path.strip("/"):
        raise UsageError(f"{where}: a release is published as a whole repository; expected hf://datasets/ORG/NAME")
    return HubTarget(HubRepository(address, _PATIENCE_S), public=public)


class HubTarget:
    """A repository; see `Target`."""

    def __init__(self, repository: HubRepository, *, public: bool) -> None:
        """Asks for nothing yet."""
        self._repository = repository
        self._public = public

    @property
    def _address(self) -> HubAddress:
        return self._repository.address

    def look(self, release: Finished) -> Publication:
        """See `Target`."""
        tag = release.record.version
        to_do = Publication(release, str(self._address), (*release.files, release.own), 0, tag=tag)
        state = self._repository.state()
        if state is None:
            return replace(to_do, creates=f"a {'public' if self._public else 'private'} repository")
        self._check_visibility(state)
        tagged = state.tags.get(tag)
        if tagged is not None:
            release.check_same(self._record_at(tagged).read(), f"{self._address}@{tag}")
            return replace(to_do, uploads=(), num_there=len(to_do.uploads), is_done=True)
        to_do = replace(to_do, parent=state.commit)
        there = self._repository.files(state.commit)
        before = self._before(state, there)
        if before is not None:
            self._check_follows(release, before, state)
        missing = tuple(one for one in to_do.uploads if not _is_there(release, one, there))
        wanted = {one.path for one in to_do.uploads}
        gone = () if before is None else (*(one.path for one in before.shards), *(one.path for one in before.files))
        return replace(
            to_do,
            uploads=missing,
            num_there=len(to_do.uploads) - len(missing),
            deletions=tuple(sorted(set(gone) & set(there) - wanted)),
        )

    def bring(self, publication: Publication, say: Say) -> None:
        """See `Target`."""
        release = publication.release
        if publication.creates is not None:
            self._repository.create(private=not self._public)
        commit = publication.parent or self._state().commit
        if publication.uploads or publication.deletions:
            commit = self._committed(publication, commit, say)
        there = self._repository.files(commit)
        lost = [one.path for one in (*release.files, release.own) if not _is_there(release, one, there)]
        if lost:
            raise OutputError(
                f"{self._address}@{commit} has not what was sent: {lost[0]} is missing or another; look at its "
                ".gitignore, then run the same command again"
            )
        self._repository.tag(release.record.version, commit)

    def _committed(self, publication: Publication, parent: str, say: Say) -> str:
        release, additions = publication.release, list[Any]()
        files = iter([_local(release, one) for one in publication.uploads])
        while batch := list(islice(files, _BATCH)):
            additions += self._repository.send(batch)
            say(f"{len(additions)} of {len(publication.uploads)} files are sent")
        try:
            return self._repository.commit(additions, publication.deletions, parent, release.title)
        except OutputError:
            # The answer may be lost, not the commit: what stands there tells.
            now = self._state().commit
            path = self._record_at(now)
            if now == parent or not path.exists() or path.read() != release.content:
                raise
            return now

    def _state(self) -> HubState:
        state = self._repository.state()
        if state is None:
            raise OutputError(f"{self._address} was made and cannot be seen; look at the rights of the token")
        return state

    def _check_visibility(self, state: HubState) -> None:
        if not state.is_private and not self._public:
            raise UsageError(
                f"{self._address} is public: everybody could see the release at once; give --public for it"
            )
        if state.is_private and self._public:
            raise UsageError(f"{self._address} is private; make it public in its settings, or leave --public out")

    def _before(self, state: HubState, there: dict[str, HubFile]) -> ReleaseRecord | None:
        """The release that the main branch holds."""
        if _RECORD in there:
            return read_release(self._record_at(state.commit).parent)
        stranger = next((name for name in sorted(there) if name not in _OF_A_NEW_REPOSITORY), None)
        if stranger is not None:
            raise UsageError(
                f"{self._address} is neither empty nor a release (it holds {stranger}); give another repository"
            )
        return None

    def _check_follows(self, release: Finished, before: ReleaseRecord, state: HubState) -> None:
        ours = release.record
        if before.name != ours.name:
            raise UsageError(
                f"{self._address} holds releases of {before.name}, not of {ours.name}; give another repository"
            )
        if before.version == ours.version:
            release.check_same(self._record_at(state.commit).read(), str(self._address))
        if _numbers(before.version) > _numbers(ours.version):
            raise UsageError(
                f"{self._address} is at {before.version} already, which {ours.version} cannot follow; build a later one"
            )

    def _record_at(self, commit: str) -> StorePath:
        return store_path(str(self._address._replace(revision=commit))) / _RECORD


def _is_there(release: Finished, file: Any, there: dict[str, HubFile]) -> bool:
    found = there.get(file.path)
    return found is not None and found.is_same(_local(release, file))


def _local(release: Finished, file: Any) -> LocalFile:
    return LocalFile(file.path, release.path(file).on_disk(), file.num_bytes, file.sha256)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(one) for one in version.split("."))
