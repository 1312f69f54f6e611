"""A repository of the Hugging Face hub to publish to: what it holds, and one commit on top of it.

Enters: an address, and files of this machine. Leaves: a commit and a tag. Large files are sent before the commit and
are known to the Hub by their sha256 from then on: who is interrupted sends the others.
"""

import hashlib
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TypeVar

import httpx2
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, constants, get_token
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError
from huggingface_hub.hf_api import RepoFile
from huggingface_hub.utils import disable_progress_bars
from huggingface_hub.utils.logging import get_verbosity, set_verbosity

from fcaps_pipeline.errors import FcapsError, OutputError, StorageError, UsageError
from fcaps_pipeline.storage.hub_address import HubAddress
from fcaps_pipeline.storage.hub_requests import TIMEOUT_S, patiently

BRANCH = "main"
_CONFLICT = 409
_T = TypeVar("_T")


class LocalFile(NamedTuple):
    """A file to be published."""

    name: str
    """Relative to the repository."""
    path: Path
    num_bytes: int
    sha256: str


class HubFile(NamedTuple):
    """A file of a commit."""

    num_bytes: int
    sha256: str | None
    """None of a small file."""
    blob: str
    """The hash that git has of it."""

    def is_same(self, file: LocalFile) -> bool:
        """Whether it has that content."""
        if self.num_bytes != file.num_bytes or self.sha256 is not None:
            return self.sha256 == file.sha256
        head = f"blob {file.num_bytes}\0".encode()
        return self.blob == hashlib.sha1(head + file.path.read_bytes(), usedforsecurity=False).hexdigest()


class HubState(NamedTuple):
    """A repository as it is."""

    commit: str
    """Of its main branch."""
    is_private: bool
    tags: dict[str, str]
    """Commits by the tags that name them."""


class HubRepository:
    """A repository that the owner of the token may write to."""

    def __init__(self, address: HubAddress, patience_s: float) -> None:
        """Asks for nothing yet.

        Raises:
            UsageError: there is no token.
        """
        if not get_token():
            raise UsageError(
                f"{address} cannot be published to without a token; set HF_TOKEN to one that may write there, or run "
                "`hf auth login`"
            )
        self.address = address
        self._patience_s = patience_s
        self._api = HfApi(endpoint=constants.ENDPOINT)
        self._kind = address.kind.removesuffix("s")

    def state(self) -> HubState | None:
        """What it is now; None where there is none, or none that may be seen.

        Raises:
            StorageError: the Hub does not tell.
            OutputError: it is there, and this token may not write to it.
        """

        def ask() -> HubState | None:
            try:
                info = self._api.repo_info(self.address.name, repo_type=self._kind, timeout=TIMEOUT_S)
            except RepositoryNotFoundError:
                return None
            refs = self._api.list_repo_refs(self.address.name, repo_type=self._kind)
            tags = {tag.name: tag.target_commit for tag in refs.tags}
            return HubState(str(info.sha), bool(info.private), tags)

        found = self._ask("read", ask, StorageError)
        if found is not None:
            self._ask("write to", lambda: self._api.auth_check(self.address.name, repo_type=self._kind, write=True))
        return found

    def files(self, commit: str) -> dict[str, HubFile]:
        """The files of a commit by their names.

        Raises:
            StorageError: the Hub does not tell.
        """

        def ask() -> dict[str, HubFile]:
            tree = self._api.list_repo_tree(self.address.name, repo_type=self._kind, recursive=True, revision=commit)
            return {
                one.path: HubFile(one.size, one.lfs.sha256 if one.lfs else None, one.blob_id)
                for one in tree
                if isinstance(one, RepoFile)
            }

        return self._ask("read", ask, StorageError)

    def create(self, *, private: bool) -> None:
        """Makes it.

        Raises:
            OutputError: the Hub does not.
        """
        self._ask(
            "create",
            lambda: self._api.create_repo(self.address.name, repo_type=self._kind, private=private),
        )

    def send(self, files: Sequence[LocalFile]) -> list[CommitOperationAdd]:
        """Sends large files, but those that the Hub has; they wait there for a commit.

        Returns:
            What `commit` adds, small files too.

        Raises:
            OutputError: the Hub does not take one.
        """
        additions = [CommitOperationAdd(file.name, file.path) for file in files]
        for addition, file in zip(additions, files, strict=True):
            addition.upload_info.sha256 = bytes.fromhex(file.sha256)

        def ask() -> None:
            try:
                with self._accepted("the files; look whether the account may store as much"):
                    self._api.preupload_lfs_files(self.address.name, additions, repo_type=self._kind)
            except RuntimeError as error:  # wrapped around what the first file met
                raise error.__cause__ if isinstance(error.__cause__, httpx2.HTTPError) else ConnectionError from error

        self._ask("write to", ask)
        return additions

    def commit(
        self, additions: Sequence[CommitOperationAdd], deletions: Sequence[str], parent: str, message: str
    ) -> str:
        """Puts files on the main branch, in one step.

        Args:
            additions: what `send` returned.
            deletions: names of files that are no more.
            parent: the commit that the branch must still be at.
            message: of the commit.

        Raises:
            OutputError: the Hub does not, or the branch is elsewhere.
        """
        gone = [CommitOperationDelete(name, is_folder=False) for name in deletions]

        def ask() -> str:
            with self._accepted("the card; correct the front matter of README.md"):
                made = self._api.create_commit(
                    self.address.name,
                    [*additions, *gone],
                    commit_message=message,
                    repo_type=self._kind,
                    parent_commit=parent,
                )
            return str(made.oid)

        # Somebody else's commit may be under way.
        return self._ask("write to", ask, passing=frozenset({_CONFLICT}))

    def tag(self, name: str, commit: str) -> None:
        """Gives a commit a name, unless it has it.

        Raises:
            OutputError: the Hub does not, or another commit has the name.
        """

        def ask() -> None:
            try:
                self._api.create_tag(self.address.name, tag=name, revision=commit, repo_type=self._kind)
            except HfHubHTTPError as error:
                if error.response.status_code != _CONFLICT:
                    raise

        self._ask("tag", ask)
        state = self.state()
        if state is None or state.tags.get(name) != commit:
            raise OutputError(
                f"{self.address} has a tag {name} of another commit; remove it there, then run this again"
            )

    @contextmanager
    def _accepted(self, what: str) -> Iterator[None]:
        """The client raises a bare ValueError with the words of the Hub where that refuses what it is given."""
        try:
            yield
        except (HfHubHTTPError, UnicodeError):
            raise
        except ValueError:
            raise OutputError(f"cannot write to {self.address}: the Hub does not accept {what}") from None

    def _ask(
        self,
        doing: str,
        ask: Callable[[], _T],
        failure: type[FcapsError] = OutputError,
        passing: frozenset[int] = frozenset(),
    ) -> _T:
        with _quiet():
            return patiently(ask, self.address, f"cannot {doing} {self.address}", self._patience_s, failure, passing)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the client's own lines, which hold signed addresses, and its bars."""
    before = get_verbosity()
    set_verbosity(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            disable_progress_bars()
            yield
    finally:
        set_verbosity(before)
