"""A proxy before an S3 server that goes wrong on purpose."""

import http.client
import socket
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

from fcaps_pipeline.lab.bench.s3_server import S3Server

Fault = Literal["throttle", "cut_answer", "lose_answer", "refuse"]


@dataclass
class FaultyProxy:
    """Passes requests on to a server, but those that faults are set for go wrong."""

    endpoint: str
    faults: deque[tuple[str, Fault]] = field(default_factory=deque)
    """Method and fault, each for the next request of that method."""
    num_faults: int = 0

    def set(self, method: str, fault: Fault, times: int = 1) -> None:
        """Lets the next requests of a method go wrong."""
        self.faults.extend([(method, fault)] * times)

    def take(self, method: str) -> Fault | None:
        """The fault for a request."""
        with suppress(IndexError):
            if self.faults[0][0] == method:
                self.num_faults += 1
                return self.faults.popleft()[1]
        return None


@contextmanager
def faulty_proxy(server: S3Server) -> Iterator[FaultyProxy]:
    """A proxy before a server."""
    proxy = FaultyProxy("")
    upstream = server.endpoint.removeprefix("http://")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_PassOn, proxy, upstream)) as listening:
        listening.daemon_threads = True
        proxy.endpoint = f"http://127.0.0.1:{listening.server_port}"
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        try:
            yield proxy
        finally:
            listening.shutdown()


class _PassOn(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, proxy: FaultyProxy, upstream: str, *arguments: Any) -> None:
        self._proxy = proxy
        self._upstream = upstream
        super().__init__(*arguments)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Says nothing."""

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        fault = self._proxy.take(self.command)
        if fault == "refuse":
            self._cut(b"")
        elif fault == "throttle":
            content = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
            self._answer(503, {}, content)
        else:
            self._answer(*self._ask(body), fault)

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = _pass_on

    def _ask(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(self._upstream, timeout=30)
        connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        content = answer.read()
        headers = {name: value for name, value in answer.getheaders() if name.lower() != "transfer-encoding"}
        connection.close()
        return answer.status, headers, content

    def _answer(self, status: int, headers: dict[str, str], content: bytes, fault: Fault | None = None) -> None:
        if fault == "lose_answer":
            self._cut(b"")
            return
        self.send_response_only(status)
        for name, value in ({"Content-Length": str(len(content))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        if fault == "cut_answer":
            self._cut(content[: len(content) // 2])
        else:
            self.wfile.write(content)

    def _cut(self, content: bytes) -> None:
        self.wfile.write(content)
        self.wfile.flush()
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)
