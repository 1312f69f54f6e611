"""A stand-in for the Hugging Face hub on this machine: what its client asks for, and faults on purpose.

Repositories are in memory; a commit is a dict of files. Large files are handed out as on the Hub: by a redirect to an
address of another origin, whose signature ends.
"""

import hashlib
import json
import re
import socket
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any, Literal, NamedTuple
from urllib.parse import parse_qs, quote, unquote, urlsplit
from uuid import uuid4

import pytest

TOKEN = "hf_never_to_be_told_owner"
STRANGER = "hf_never_to_be_told_stranger"
OWNER = "annotators"
_LARGE_BYTES = 1000
"""From which size on a file is handed out by a redirect."""
_PAGE = 3
"""Entries of one page of a listing."""
_NUMBERS = count()

Access = Literal["public", "private", "gated"]
Fault = Literal["throttle", "limit", "break", "cut", "refuse"]


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


def contents(folder: Path) -> dict[str, bytes]:
    """The files of a folder by their names relative to it."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@contextmanager
def hub_server() -> Iterator[HubServer]:
    """An empty Hub."""
    hub = HubServer()
    with _listening(hub, is_far=False) as hub.endpoint, _listening(hub, is_far=True) as hub.far_endpoint:
        yield hub


@contextmanager
def entered(hub: HubServer, monkeypatch: pytest.MonkeyPatch, token: str | None = TOKEN) -> Iterator[HubServer]:
    """Lets the client of this process talk to the stand-in, as the owner of a token."""
    from huggingface_hub import close_session

    for name, value in hub.environment.items():
        monkeypatch.setenv(name, value)
    if token is None:
        monkeypatch.delenv("HF_TOKEN")
    else:
        monkeypatch.setenv("HF_TOKEN", token)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub.endpoint)
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", "/nowhere")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    try:
        yield hub
    finally:
        close_session()


@contextmanager
def _listening(hub: HubServer, *, is_far: bool) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, hub, is_far)) as server:
        server.daemon_threads = True
        threading.Thread(target=partial(server.serve_forever, poll_interval=0.01), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


class _RefusedError(Exception):
    """An answer that is none of content."""

    def __init__(self, status: int, code: str | None = None, **headers: str) -> None:
        super().__init__(status)
        self.status = status
        self.headers = headers | ({"X-Error-Code": code} if code else {})


def _go_wrong(fault: Fault | None) -> None:
    if fault == "throttle":
        raise _RefusedError(429, Retry_After="0")
    if fault == "limit":
        raise _RefusedError(429, RateLimit='"api";r=0;t=0', RateLimit_Policy='"fixed window";"api";q=500;w=300')
    if fault == "break":
        raise _RefusedError(500)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def __init__(self, hub: HubServer, is_far: bool, *arguments: Any) -> None:  # noqa: FBT001
        self._hub = hub
        self._is_far = is_far
        super().__init__(*arguments)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Says nothing."""

    def _answer(self) -> None:
        self._body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        token = self.headers.get("Authorization", "").removeprefix("Bearer ") or None
        self._hub.requests.append(Request(self.command, self.path, token, self._is_far, self.headers.get("Range")))
        fault = self._hub.take(self.path)
        try:
            if fault == "refuse":
                self._cut(b"")
            else:
                _go_wrong(fault)
                self._route(token, is_cut=fault == "cut")
        except _RefusedError as error:
            told = json.dumps({"error": f"server says {token}"}).encode()
            self._send(error.status, told, {name.replace("_", "-"): text for name, text in error.headers.items()})

    do_GET = do_HEAD = do_POST = do_PUT = _answer

    def _route(self, token: str | None, *, is_cut: bool) -> None:
        path, query = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
        if self._is_far:
            self._send_far(path, query, is_cut=is_cut)
        elif found := re.fullmatch(r"/api/(\w+)/([^/]+/[^/]+)(?:/revision/([^/]+))?", path):
            repository = self._repository(found[1], found[2], token)
            self._send_json({"id": repository.name, "sha": _commit(repository, found[3] or "main")})
        elif found := re.fullmatch(r"/api/(\w+)/([^/]+/[^/]+)/tree/([^/]+)(?:/([^/]+))?", path):
            repository = self._repository(found[1], found[2], token)
            self._send_tree(repository, _commit(repository, found[3]), unquote(found[4] or ""), query)
        elif found := re.fullmatch(r"/(?:(datasets|spaces)/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            repository = self._repository(found[1] or "models", found[2], token)
            self._send_file(repository, _commit(repository, found[3]), unquote(found[4]), is_cut=is_cut)
        else:
            raise _RefusedError(404)

    def _repository(self, kind: str, name: str, token: str | None) -> Repository:
        if token not in {None, TOKEN, STRANGER}:
            raise _RefusedError(401, X_Error_Message="Invalid credentials in Authorization header")
        found = self._hub.repositories.get((kind, name))
        if found is None or (found.access == "private" and token != TOKEN):
            raise _RefusedError(401 if token is None else 404, "RepoNotFound")
        if found.access == "gated" and token != TOKEN:
            raise _RefusedError(401 if token is None else 403, "GatedRepo")
        return found

    def _send_tree(self, repository: Repository, commit: str, prefix: str, query: dict[str, list[str]]) -> None:
        files = {name: content for name, content in repository.commits[commit].items() if name.startswith(f"{prefix}/")}
        files = files if prefix else repository.commits[commit]
        if not files and prefix:
            raise _RefusedError(404, "EntryNotFound")
        folders = {name.rsplit("/", places)[0] for name in files for places in range(1, name.count("/") + 1)}
        entries: list[dict[str, object]] = [
            {"type": "directory", "path": name, "oid": "0"} for name in sorted(folders) if name != prefix
        ]
        entries += [{"type": "file", "path": name, "oid": "0", "size": len(files[name])} for name in sorted(files)]
        start = int(query.get("cursor", ["0"])[0])
        following = f"{self._hub.endpoint}{urlsplit(self.path).path}?recursive=true&cursor={start + _PAGE}"
        headers = {"Link": f'<{following}>; rel="next"'} if start + _PAGE < len(entries) else {}
        self._send(200, json.dumps(entries[start : start + _PAGE]).encode(), headers)

    def _send_file(self, repository: Repository, commit: str, name: str, *, is_cut: bool) -> None:
        content = repository.commits[commit].get(name)
        if content is None:
            raise _RefusedError(404, "EntryNotFound")
        if len(content) < _LARGE_BYTES:
            self._send_part(content, is_cut=is_cut)
            return
        address = f"{self._hub.far_endpoint}/{repository.kind}/{repository.name}/{commit}/{quote(name)}"
        headers = {"Location": f"{address}?signature={self._hub.signature}", "X-Linked-Size": str(len(content))}
        self._send(302, b"", headers)

    def _send_far(self, path: str, query: dict[str, list[str]], *, is_cut: bool) -> None:
        if query.get("signature") != [str(self._hub.signature)]:
            raise _RefusedError(403)
        kind, owner, name, commit, file = unquote(path[1:]).split("/", 4)
        self._send_part(self._hub.repositories[kind, f"{owner}/{name}"].commits[commit][file], is_cut=is_cut)

    def _send_part(self, content: bytes, *, is_cut: bool) -> None:
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if found is None:
            self._send(200, content, {}, is_cut=is_cut)
            return
        start, end = int(found[1]), min(int(found[2] or len(content)) + 1, len(content))
        if start >= len(content):
            raise _RefusedError(416)
        headers = {"Content-Range": f"bytes {start}-{end - 1}/{len(content)}"}
        self._send(206, content[start:end], headers, is_cut=is_cut)

    def _send_json(self, content: object) -> None:
        self._send(200, json.dumps(content).encode(), {"Content-Type": "application/json"})

    def _send(self, status: int, content: bytes, headers: dict[str, str], *, is_cut: bool = False) -> None:
        self.send_response_only(status)
        for name, value in ({"Content-Length": str(len(content))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if is_cut:
            self._cut(content[: len(content) // 2])
        else:
            self.wfile.write(content)

    def _cut(self, content: bytes) -> None:
        self.wfile.write(content)
        self.wfile.flush()
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)


def _commit(repository: Repository, revision: str) -> str:
    found = repository.found(unquote(revision))
    if found is None:
        raise _RefusedError(404, "RevisionNotFound")
    return found
