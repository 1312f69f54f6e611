"""What a stand-in for the Hugging Face hub holds, and who may see it."""

import hashlib
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Literal, NamedTuple
from urllib.parse import unquote
from uuid import uuid4

TOKEN = "hf_never_to_be_told_owner"
STRANGER = "hf_never_to_be_told_stranger"
OWNER = "annotators"
LARGE_BYTES = 1000
"""From which size on a file is handed out by a redirect."""
_NUMBERS = count()

Access = Literal["public", "private", "gated"]
Fault = Literal["busy", "deny", "lose", "throttle", "limit", "break", "cut", "refuse"]


class Request(NamedTuple):
    """What was asked for."""

    method: str
    path: str
    token: str | None
    is_far: bool
    """Whether at the other origin."""
    span: str | None
    """Of bytes."""


@dataclass
class Repository:
    """One repository: its commits, and the names that lead to them."""

    kind: str
    name: str
    access: Access = "public"
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    """Commits by branch or tag."""
    tags: set[str] = field(default_factory=set)
    messages: list[str] = field(default_factory=list)
    """Of the commits that clients made."""

    @property
    def uri(self) -> str:
        """As users write it."""
        return f"hf://{self.kind}/{self.name}"

    def commit(self, files: Mapping[str, bytes], branch: str = "main") -> str:
        """Files in place of all that were there."""
        commit = hashlib.sha1(uuid4().bytes, usedforsecurity=False).hexdigest()
        self.commits[commit] = dict(files)
        self.names[branch] = commit
        return commit

    def found(self, revision: str) -> str | None:
        """The commit of a revision."""
        return revision if revision in self.commits else self.names.get(revision)


@dataclass
class HubServer:
    """Where it listens, what it holds, and what goes wrong next."""

    endpoint: str = ""
    far_endpoint: str = ""
    repositories: dict[tuple[str, str], Repository] = field(default_factory=dict)
    faults: deque[tuple[str, Fault]] = field(default_factory=deque)
    """Part of a path and fault, each for the next request to such a path."""
    requests: list[Request] = field(default_factory=list)
    blobs: dict[str, bytes] = field(default_factory=dict)
    """Large files that were sent, by sha256."""
    next_page: str = ""
    """Where a listing says that it goes on; here, by default."""
    signature: int = 0
    """Addresses of large files with another one are over."""

    def repository(self, files: Mapping[str, bytes], access: Access = "public", kind: str = "datasets") -> Repository:
        """A repository that no other test has."""
        made = Repository(kind, f"{OWNER}/speech-{next(_NUMBERS)}", access)
        made.commit(files)
        self.repositories[kind, made.name] = made
        return made

    def set(self, path: str, fault: Fault, times: int = 1) -> None:
        """Lets the next requests to a path go wrong."""
        self.faults.extend([(path, fault)] * times)

    def take(self, path: str) -> Fault | None:
        """The fault for a request."""
        with suppress(IndexError):
            if self.faults[0][0] in path:
                return self.faults.popleft()[1]
        return None

    @property
    def environment(self) -> dict[str, str]:
        """Of the owner of all repositories."""
        return {"HF_ENDPOINT": self.endpoint, "HF_TOKEN": TOKEN, "HF_HUB_DISABLE_XET": "1"}


class RefusedError(Exception):
    """An answer that is none of content."""

    def __init__(self, status: int, code: str | None = None, **headers: str) -> None:
        super().__init__(status)
        self.status = status
        self.headers = headers | ({"X-Error-Code": code} if code else {})


def repository_of(hub: HubServer, kind: str, name: str, token: str | None) -> Repository:
    """A repository, for someone who may see it."""
    if token not in {None, TOKEN, STRANGER}:
        raise RefusedError(401, X_Error_Message="Invalid credentials in Authorization header")
    found = hub.repositories.get((kind, name))
    if found is None or (found.access == "private" and token != TOKEN):
        raise RefusedError(401 if token is None else 404, "RepoNotFound")
    return found


def content_of(hub: HubServer, kind: str, name: str, token: str | None) -> Repository:
    """A repository, for someone who may read its files: of a gated one everybody sees what it holds."""
    found = repository_of(hub, kind, name, token)
    if found.access == "gated" and token != TOKEN:
        raise RefusedError(401 if token is None else 403, "GatedRepo")
    return found


def commit_of(repository: Repository, revision: str) -> str:
    """The commit of a revision as it stands in an address."""
    found = repository.found(unquote(revision))
    if found is None:
        raise RefusedError(404, "RevisionNotFound")
    return found
