"""Object stores behind one Store: S3 and whatever speaks its protocol, Google Cloud Storage, and memory.

Enters: a URI without credentials. These come from the environment, from the profile that `AWS_PROFILE` names, or from
the machine, and are never part of a message: of what a server or a library says, only a code that is known to be
harmless is passed on. obstore does the talking: of the kept libraries it alone has conditional writes for each of
these stores under one name. A client does not survive a fork, so processes that use one are spawned.
"""

import configparser
import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import GCSStore, MemoryStore, S3Store

from fcaps_pipeline.errors import FcapsError, MissingFileError, OutputError, StorageError
from fcaps_pipeline.storage.files import writing
from fcaps_pipeline.storage.store import Found

_PART_BYTES = 16 * 2**20
_CODE = re.compile(r"<Code>([A-Za-z0-9.]{1,64})</Code>")
_STATUS = re.compile(r"status code: (\d{3})\b")
_CAUSES = {
    "NoSuchBucket": "the bucket does not exist; create it, or correct the address",
    "AccessDenied": "these credentials may not do that; ask for the right, or use others",
    "SignatureDoesNotMatch": "the credentials are wrong; correct them in the environment",
    "InvalidAccessKeyId": "the credentials are wrong; correct them in the environment",
    "ExpiredToken": "the credentials have expired; renew them, then run the same command again",
    "TokenRefreshRequired": "the credentials have expired; renew them, then run the same command again",
    "RequestTimeTooSkewed": "the clock of this machine is off; set it right",
    "SlowDown": "the store throttles; try again later, or with fewer workers",
}
_NO_CREDENTIALS = (
    "no credentials are found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (or GOOGLE_APPLICATION_CREDENTIALS)"
)
_METADATA_HOSTS = ("169.254.169.254", "metadata.google.internal", "metadata/instance")


class ObjectStore:
    """One bucket, or one memory; see `Store`."""

    def __init__(self, uri: str, open_client: Callable[[], Any]) -> None:
        """Opens nothing yet: the environment with the credentials may still be on its way.

        Args:
            uri: of its root, for messages.
            open_client: opens a store of obstore.
        """
        self._uri = uri
        self._open_client = open_client
        self._has_bucket = False

    @property
    def uri(self) -> str:
        """Scheme and bucket."""
        return self._uri

    @cached_property
    def _client(self) -> Any:
        return self._open_client()

    def read(self, key: str) -> bytes:
        """See `Store`."""
        with self._reading(key):
            return bytes(obstore.get(self._client, key).bytes())

    def read_range(self, key: str, start: int, num_bytes: int) -> bytes:
        """See `Store`."""
        if num_bytes <= 0:
            return b""
        with self._reading(key):
            try:
                return bytes(obstore.get_range(self._client, key, start=start, length=num_bytes))
            except (BaseError, ValueError):
                whole = obstore.head(self._client, key)["size"]
                if start < whole:
                    raise
                return b""

    def num_bytes(self, key: str) -> int | None:
        """See `Store`."""
        try:
            with self._reading(key):
                return int(obstore.head(self._client, key)["size"])
        except MissingFileError:
            self._require_bucket(key)
            return None

    def put(self, key: str, content: bytes | Iterable[bytes]) -> None:
        """See `Store`."""
        with self._writing(key):
            obstore.put(self._client, key, content, chunk_size=_PART_BYTES)

    def put_file(self, key: str, file: Path) -> None:
        """See `Store`."""
        with self._writing(key), writing(file):
            obstore.put(self._client, key, file, chunk_size=_PART_BYTES)
            file.unlink()

    def put_if_absent(self, key: str, content: bytes) -> bool:
        """See `Store`; where an answer was lost, what stands there tells who wrote it."""
        try:
            with self._writing(key):
                obstore.put(self._client, key, content, mode="create")
        except _ExistsError:
            return self.read(key) == content
        return True

    def list(self, prefix: str) -> Iterator[Found]:
        """See `Store`."""
        with self._reading(prefix):
            for batch in obstore.list(self._client, prefix or None):
                yield from (Found(one["path"], one["size"]) for one in batch)

    def delete(self, key: str) -> None:
        """See `Store`."""
        with self._writing(key):
            try:
                obstore.delete(self._client, key)
            except FileNotFoundError:
                return

    def _require_bucket(self, key: str) -> None:
        """An answer about a size has no text that could tell a missing bucket; a listing tells, and is asked once."""
        if self._has_bucket:
            return
        try:
            next(iter(obstore.list(self._client, key)), None)
        except (BaseError, ValueError, OSError) as error:
            if _code(error) == "NoSuchBucket":
                raise StorageError(f"cannot read {self._uri}/{key}: {self._cause(error)}") from None
            return  # who may not list learns less
        self._has_bucket = True

    @contextmanager
    def _reading(self, key: str) -> Iterator[None]:
        where = f"{self._uri}/{key}"
        try:
            yield
        except FileNotFoundError as error:
            if (code := _code(error)) in _CAUSES:
                raise StorageError(f"cannot read {where}: {_CAUSES[code]}") from None
            raise MissingFileError(f"{where} does not exist; restore it, or correct the address") from None
        except (BaseError, ValueError, OSError) as error:
            raise StorageError(f"cannot read {where}: {self._cause(error)}") from None

    @contextmanager
    def _writing(self, key: str) -> Iterator[None]:
        where = f"{self._uri}/{key}"
        try:
            yield
        except FcapsError:
            raise
        except AlreadyExistsError:
            raise _ExistsError(where) from None
        except (BaseError, ValueError, OSError) as error:
            raise OutputError(
                f"cannot write {where}: {self._cause(error)}; then run the same command again to go on"
            ) from None

    def _cause(self, error: Exception) -> str:
        text = str(error)
        code, status = _code(error), _STATUS.search(text)
        if any(host in text for host in _METADATA_HOSTS):
            return _NO_CREDENTIALS
        if code in _CAUSES:
            return _CAUSES[code]
        if isinstance(error, PermissionDeniedError | UnauthenticatedError) or (status and status[1] in {"401", "403"}):
            return "these credentials may not do that; ask for the right, or use others"
        if isinstance(error, FileNotFoundError):
            return _CAUSES["NoSuchBucket"]
        told = code or (f"status {status[1]}" if status else None)
        return f"the store answers {told}" if told else "the store cannot be reached; check its address and the network"


class _ExistsError(OutputError):
    """There is an object already."""


def open_s3(bucket: str, patience_s: float) -> ObjectStore:
    """A bucket of S3, or of a server that speaks its protocol and that `AWS_ENDPOINT_URL` names."""
    return ObjectStore(f"s3://{bucket}", partial(_s3_client, bucket, patience_s))


def open_gcs(bucket: str, patience_s: float) -> ObjectStore:
    """A bucket of Google Cloud Storage."""
    return ObjectStore(f"gs://{bucket}", partial(GCSStore, bucket, retry_config=_retries(patience_s)))


def open_memory(name: str) -> ObjectStore:
    """An empty store that lives as long as it is held, for tests and trials."""
    return ObjectStore(f"memory://{name}", MemoryStore)


def _s3_client(bucket: str, patience_s: float) -> S3Store:
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
    return S3Store(
        bucket,
        client_options={"allow_http": endpoint.startswith("http://"), "timeout": timedelta(seconds=patience_s)},
        retry_config=_retries(patience_s),
        **_profile(),
    )


def _retries(patience_s: float) -> Any:
    return {
        "max_retries": 1000,
        "retry_timeout": timedelta(seconds=patience_s),
        "backoff": {"init_backoff": timedelta(seconds=0.2), "max_backoff": timedelta(seconds=15), "base": 2},
    }


def _profile() -> dict[str, Any]:
    """Keys of the profile of the AWS command line, where the environment holds none and there is such a profile."""
    if "AWS_ACCESS_KEY_ID" in os.environ:
        return {}
    default = Path("~/.aws/credentials").expanduser()
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read(os.environ.get("AWS_SHARED_CREDENTIALS_FILE", default), encoding="utf-8")
        section = parser[os.environ.get("AWS_PROFILE", "default")]
    except (configparser.Error, KeyError, OSError, UnicodeDecodeError):
        return {}
    names = ("access_key_id", "secret_access_key", "session_token")
    return {name: section[f"aws_{name}"] for name in names if f"aws_{name}" in section}


def _code(error: Exception) -> str | None:
    """The code that a server gives in its answer."""
    found = _CODE.search(str(error))
    return found[1] if found else None
