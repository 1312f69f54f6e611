"""A small HTTP server that speaks as much of OpenAI's interface as it takes to fail in every way."""

import json
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal


@dataclass(frozen=True)
class Reply:
    """Bytes on the wire in answer to a question, heads and all."""

    chunks: tuple[bytes, ...]
    pause_s: float = 0.0
    """Before each chunk but the first."""
    then: Literal["close", "reset", "hang"] = "close"
    """What becomes of the connection; one that hangs stays open until the client gives up."""


class FaultyServer(ThreadingHTTPServer):
    """Lists one model and answers questions with `reply`, or else with `status` and `body`."""

    status = 200
    list_status = 200
    list_body: bytes | None = None
    """In place of the list of models."""
    delay_s = 0.0
    version: str | None = None
    """Of vLLM; a vendor's server has no such page."""
    reply: Reply | None = None

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.body: Any = {}
        self.questions: list[Any] = []
        self.keys: list[str | None] = []
        self.busy: list[tuple[int, str | None]] = []
        """Statuses of the first answers, each with its header `Retry-After`."""
        self.released = threading.Event()

    @contextmanager
    def serving(self) -> Iterator["FaultyServer"]:
        """Answers in a thread of its own."""
        with self:
            thread = threading.Thread(target=self.serve_forever, args=(0.01,))
            thread.start()
            try:
                yield self
            finally:
                self.released.set()
                self.shutdown()
                thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class _Handler(BaseHTTPRequestHandler):
    server: FaultyServer

    def do_GET(self) -> None:
        self.server.keys.append(self.headers["Authorization"])
        if self.path == "/v1/models":
            models = [{"id": "m", "object": "model", "created": 0, "owned_by": "test"}]
            listed = json.dumps({"object": "list", "data": models}).encode()
            self._answer(self.server.list_status, self.server.list_body or listed)
        elif self.path == "/version" and self.server.version is not None:
            self._answer(200, json.dumps({"version": self.server.version}).encode())
        else:
            self._answer(404, b'{"error": {"message": "no such page"}}')

    def do_POST(self) -> None:
        self.server.questions.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.server.released.wait(self.server.delay_s)
        if len(self.server.questions) <= len(self.server.busy):
            status, retry_after = self.server.busy[len(self.server.questions) - 1]
            self._answer(status, b'{"error": {"message": "later"}}', retry_after)
        elif self.server.reply is not None:
            self._say(self.server.reply)
        else:
            self._answer(self.server.status, json.dumps(self.server.body).encode())

    def log_message(self, *_: object) -> None:
        """Keeps quiet."""

    def _say(self, reply: Reply) -> None:
        self.close_connection = True
        with suppress(OSError):  # a client that gave up closes its end
            for index, chunk in enumerate(reply.chunks):
                if index:
                    self.server.released.wait(reply.pause_s)
                self.wfile.write(chunk)
                self.wfile.flush()
            if reply.then == "hang":
                self.connection.settimeout(20)
                self.connection.recv(1)
            if reply.then == "reset":
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()

    def _answer(self, status: int, payload: bytes, retry_after: str | None = None) -> None:
        self.send_response(status)
        if retry_after is not None:
            self.send_header("Retry-After", retry_after)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        with suppress(BrokenPipeError):  # a client that gave up waits for no answer
            self.wfile.write(payload)
