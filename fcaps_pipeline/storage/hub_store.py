"""A repository of the Hugging Face hub as a Store to read from, at one commit.

Enters: the address of a repository. Leaves: a Store. Its revision is resolved to a commit once, which stands in every
address from then on: what a run reads stays as it is, in all its processes. Nothing is written: the Hub makes a commit
of every file, allows some hundred in an hour, and has no conditional creation.
"""

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn
from urllib.parse import quote

import httpx2
from huggingface_hub import constants, get_hf_file_metadata
from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status
from pydantic import BaseModel, Field, TypeAdapter

from fcaps_pipeline.errors import MissingFileError, OutputError, StorageError, UsageError
from fcaps_pipeline.storage.hub_address import HubAddress, refuse_writing
from fcaps_pipeline.storage.hub_requests import TIMEOUT_S, AskAgainError, patiently
from fcaps_pipeline.storage.store import Found

_PLAIN = {"Accept-Encoding": "identity"}
"""Ranges and sizes are those of the file, not of what a server made of it on the way."""
_PART, _BEYOND = 206, 416
_MAX_MOVED = 4096


class _Commit(BaseModel):
    sha: Annotated[str, Field(pattern="^[0-9a-f]{40}$")]


class _Entry(BaseModel):
    type: Literal["file", "directory"]
    path: str
    size: int = 0


_ENTRIES = TypeAdapter(list[_Entry])


class HubStore:
    """The files of one commit; see `Store`."""

    def __init__(self, address: HubAddress, patience_s: float) -> None:
        """Asks for nothing yet.

        Args:
            address: of a commit.
            patience_s: how long a request is tried again.
        """
        self._address = address
        self._patience_s = patience_s
        self._sizes: dict[str, int] = {}
        self._moved: dict[str, str] = {}
        """Where the Hub sent those who asked for a file: with it one asks there, and the Hub counts one request."""

    @property
    def uri(self) -> str:
        """With the commit."""
        return str(self._address)

    def read(self, key: str) -> bytes:
        """See `Store`."""
        return self._content(key, 0, None)

    def read_range(self, key: str, start: int, num_bytes: int) -> bytes:
        """See `Store`."""
        return self._content(key, start, start + num_bytes) if num_bytes > 0 else b""

    def num_bytes(self, key: str) -> int | None:
        """See `Store`."""
        if key in self._sizes:
            return self._sizes[key]

        def ask() -> int:
            found = get_hf_file_metadata(self._url(key), timeout=self._timeout_s)
            if found.size is None:
                raise ValueError
            return found.size

        try:
            self._sizes[key] = patiently(ask, self._address, f"cannot read {self.uri}/{key}", self._patience_s)
        except MissingFileError:
            return None
        return self._sizes[key]

    def list(self, prefix: str) -> Iterator[Found]:
        """See `Store`; sizes are remembered, so that nobody asks for them again."""
        url: str | None = f"{_api(self._address)}/tree/{self._address.revision}"
        url = f"{url}/{quote(prefix, safe='')}?recursive=true" if prefix else f"{url}?recursive=true"
        while url is not None:
            try:
                found, url = patiently(
                    partial(_page, url, self._timeout_s), self._address, f"cannot read {self.uri}", self._patience_s
                )
            except MissingFileError:
                return
            self._sizes |= {one.key: one.num_bytes for one in found}
            yield from found

    def put(self, key: str, content: bytes | Iterable[bytes]) -> None:
        """Refused."""
        del content
        self._refuse(key)

    def put_file(self, key: str, file: Path) -> None:
        """Refused."""
        del file
        self._refuse(key)

    def put_if_absent(self, key: str, content: bytes) -> bool:
        """Refused."""
        del content
        self._refuse(key)

    def delete(self, key: str) -> None:
        """Refused."""
        self._refuse(key)

    def _refuse(self, key: str) -> NoReturn:
        try:
            refuse_writing(f"{self.uri}/{key}")
        except UsageError as error:
            raise OutputError(str(error)) from None

    @property
    def _timeout_s(self) -> float:
        return min(TIMEOUT_S, self._patience_s)

    def _url(self, key: str) -> str:
        return f"{constants.ENDPOINT}/{self._address.page}/resolve/{self._address.revision}/{quote(key)}"

    def _content(self, key: str, start: int, end: int | None) -> bytes:
        """Bytes from a place on; where a connection is cut, the next request asks for what is still missing."""
        content = bytearray()
        patiently(
            lambda: self._add(key, start, end, content),
            self._address,
            f"cannot read {self.uri}/{key}",
            self._patience_s,
        )
        return bytes(content)

    def _add(self, key: str, start: int, end: int | None, content: bytearray) -> None:
        offset = start + len(content)
        wanted = {"Range": f"bytes={offset}-{'' if end is None else end - 1}"} if offset or end is not None else {}
        moved = self._moved.get(key)
        headers = {**_PLAIN, **wanted, **({} if moved else build_hf_headers())}
        with get_session().stream(
            "GET", moved or self._url(key), headers=headers, timeout=self._timeout_s, follow_redirects=True
        ) as answer:
            if answer.status_code == _BEYOND:
                return
            if moved and answer.is_client_error:  # the signature of that address is over
                self._moved.pop(key, None)
                raise AskAgainError
            hf_raise_for_status(answer)
            self._note(key, answer)
            if offset and answer.status_code != _PART:
                raise StorageError(f"cannot read {self.uri}/{key}: no parts of files are given; check HF_ENDPOINT")
            for piece in answer.iter_bytes():
                content += piece
                if end is not None and len(content) >= end - start:  # who gives no parts gives more
                    del content[end - start :]
                    return

    def _note(self, key: str, answer: httpx2.Response) -> None:
        if answer.url.netloc != httpx2.URL(constants.ENDPOINT).netloc:
            if len(self._moved) >= _MAX_MOVED:
                self._moved.clear()
            self._moved[key] = str(answer.url)


def pinned(address: HubAddress, patience_s: float) -> HubAddress:
    """The address of the commit that a revision is now.

    Raises:
        StorageError: the Hub does not tell.
    """
    if address.is_commit:
        return address
    revision = "" if address.revision is None else f"/revision/{quote(address.revision, safe='')}"

    def ask() -> str:
        answer = _got(f"{_api(address)}{revision}", min(TIMEOUT_S, patience_s))
        return _Commit.model_validate_json(answer.content).sha

    return address._replace(revision=patiently(ask, address, f"cannot read {address}", patience_s))


def _api(address: HubAddress) -> str:
    return f"{constants.ENDPOINT}/api/{address.kind}/{address.name}"


def _page(url: str, timeout_s: float) -> tuple[list[Found], str | None]:
    """Files of one page of a listing, and where the next page is."""
    answer = _got(url, timeout_s)
    found = [Found(one.path, one.size) for one in _ENTRIES.validate_json(answer.content) if one.type == "file"]
    return found, answer.links.get("next", {}).get("url")


def _got(url: str, timeout_s: float) -> Any:
    headers = build_hf_headers() if url.startswith(f"{constants.ENDPOINT}/") else {}  # the next page may be anywhere
    answer = get_session().get(url, headers=headers, timeout=timeout_s)
    hf_raise_for_status(answer)
    return answer
