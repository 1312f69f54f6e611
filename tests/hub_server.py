"""A stand-in for the Hugging Face hub on this machine: what its client asks for, and faults on purpose.

Repositories are in memory; a commit is a dict of files. Large files are handed out as on the Hub: by a redirect to an
address of another origin, whose signature ends.
"""

import hashlib
import json
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

import pytest

from tests.hub_publishing import keep, published
from tests.hub_state import (
    LARGE_BYTES,
    TOKEN,
    Fault,
    HubServer,
    RefusedError,
    Repository,
    Request,
    commit_of,
    content_of,
    repository_of,
)

_PAGE = 3
"""Entries of one page of a listing."""


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
    template = f"{hub.endpoint}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
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


def _go_wrong(fault: Fault | None) -> None:
    if fault == "throttle":
        raise RefusedError(429, Retry_After="0")
    if fault == "limit":
        raise RefusedError(429, RateLimit='"api";r=0;t=0', RateLimit_Policy='"fixed window";"api";q=500;w=300')
    if fault == "busy":
        raise RefusedError(409)
    if fault == "deny":
        raise RefusedError(403)
    if fault == "break":
        raise RefusedError(500)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def __init__(self, hub: HubServer, is_far: bool, *arguments: Any) -> None:  # noqa: FBT001
        self._hub = hub
        self._is_far = is_far
        self._is_lost = False
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
                self._is_lost = fault == "lose"
                self._route(token, is_cut=fault == "cut")
        except RefusedError as error:
            told = json.dumps({"error": f"server says {token}"}).encode()
            self._send(error.status, told, {name.replace("_", "-"): text for name, text in error.headers.items()})

    do_GET = do_HEAD = do_POST = do_PUT = _answer

    def _route(self, token: str | None, *, is_cut: bool) -> None:
        path, query = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
        if self._is_far and self.command == "PUT":
            keep(self._hub, path.rsplit("/", 1)[-1], self._body)
            self._send(200, b"", {})
        elif self._is_far:
            self._send_far(path, query, is_cut=is_cut)
        elif self.command == "POST" or path.endswith(("/refs", "/auth-check/write")):
            self._send_json(published(self._hub, path, token, self._body))
        elif found := re.fullmatch(r"/api/(\w+)/([^/]+/[^/]+)(?:/revision/([^/]+))?", path):
            repository = repository_of(self._hub, found[1], found[2], token)
            self._send_json(
                {
                    "id": repository.name,
                    "sha": commit_of(repository, found[3] or "main"),
                    "private": repository.access == "private",
                }
            )
        elif found := re.fullmatch(r"/api/(\w+)/([^/]+/[^/]+)/tree/([^/]+)(?:/([^/]+))?", path):
            repository = repository_of(self._hub, found[1], found[2], token)
            self._send_tree(repository, commit_of(repository, found[3]), unquote(found[4] or ""), query)
        elif found := re.fullmatch(r"/(?:(datasets|spaces)/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            repository = content_of(self._hub, found[1] or "models", found[2], token)
            self._send_file(repository, commit_of(repository, found[3]), unquote(found[4]), is_cut=is_cut)
        else:
            raise RefusedError(404)

    def _send_tree(self, repository: Repository, commit: str, prefix: str, query: dict[str, list[str]]) -> None:
        files = {name: content for name, content in repository.commits[commit].items() if name.startswith(f"{prefix}/")}
        files = files if prefix else repository.commits[commit]
        if not files and prefix:
            raise RefusedError(404, "EntryNotFound")
        folders = {name.rsplit("/", places)[0] for name in files for places in range(1, name.count("/") + 1)}
        entries: list[dict[str, object]] = [
            {"type": "directory", "path": name, "oid": "0"} for name in sorted(folders) if name != prefix
        ]
        entries += [_entry(name, files[name]) for name in sorted(files)]
        start = int(query.get("cursor", ["0"])[0])
        origin = self._hub.next_page or self._hub.endpoint
        following = f"{origin}{urlsplit(self.path).path}?recursive=true&cursor={start + _PAGE}"
        headers = {"Link": f'<{following}>; rel="next"'} if start + _PAGE < len(entries) else {}
        self._send(200, json.dumps(entries[start : start + _PAGE]).encode(), headers)

    def _send_file(self, repository: Repository, commit: str, name: str, *, is_cut: bool) -> None:
        content = repository.commits[commit].get(name)
        if content is None:
            raise RefusedError(404, "EntryNotFound")
        told = {"X-Repo-Commit": commit, "ETag": f'"{hashlib.sha256(content).hexdigest()}"'}
        if len(content) < LARGE_BYTES:
            self._send_part(content, told, is_cut=is_cut)
            return
        address = f"{self._hub.far_endpoint}/{repository.kind}/{repository.name}/{commit}/{quote(name)}"
        large = {"X-Linked-Size": str(len(content)), "X-Linked-Etag": told["ETag"]}
        self._send(302, b"", {"Location": f"{address}?signature={self._hub.signature}", **told, **large})

    def _send_far(self, path: str, query: dict[str, list[str]], *, is_cut: bool) -> None:
        if query.get("signature") != [str(self._hub.signature)]:
            raise RefusedError(403)
        kind, owner, name, commit, file = unquote(path[1:]).split("/", 4)
        self._send_part(self._hub.repositories[kind, f"{owner}/{name}"].commits[commit][file], {}, is_cut=is_cut)

    def _send_part(self, content: bytes, told: dict[str, str], *, is_cut: bool) -> None:
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if found is None:
            self._send(200, content, told, is_cut=is_cut)
            return
        start, end = int(found[1]), min(int(found[2] or len(content)) + 1, len(content))
        if start >= len(content):
            raise RefusedError(416)
        headers = {**told, "Content-Range": f"bytes {start}-{end - 1}/{len(content)}"}
        self._send(206, content[start:end], headers, is_cut=is_cut)

    def _send_json(self, content: object) -> None:
        self._send(200, json.dumps(content).encode(), {"Content-Type": "application/json"})

    def _send(self, status: int, content: bytes, headers: dict[str, str], *, is_cut: bool = False) -> None:
        if self._is_lost:
            self._cut(b"")
            return
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


def _entry(name: str, content: bytes) -> dict[str, Any]:
    """A file in a listing."""
    blob = hashlib.sha1(f"blob {len(content)}\0".encode() + content, usedforsecurity=False).hexdigest()
    large = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 134}
    told = {"type": "file", "path": name, "oid": blob, "size": len(content)}
    return {**told, "lfs": large} if len(content) >= LARGE_BYTES else told
