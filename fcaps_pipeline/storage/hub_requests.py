"""Requests to the Hugging Face hub: asked again while trouble may pass, told in one line where it does not.

The token comes from `HF_TOKEN`, or from where `hf auth login` keeps it, and is never part of a message: of what the Hub
says, only its status and its known codes are told.
"""

import random
import time
from collections.abc import Callable
from typing import TypeVar

import httpx2
from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled
from huggingface_hub.utils import parse_ratelimit_headers

from fcaps_pipeline.errors import FcapsError, MissingFileError, StorageError
from fcaps_pipeline.storage.hub_address import HubAddress

TIMEOUT_S = 30.0
"""For a sign of life."""
_TROUBLE = (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError)
"""What the client raises; ValueError over answers that mean nothing, and over tokens that are none."""
_PASSING = (httpx2.TimeoutException, httpx2.NetworkError, httpx2.RemoteProtocolError)
_PASSING_STATUS = frozenset({408, 429, 500, 502, 503, 504})
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.2, 15.0
_TOO_MANY = 429
_T = TypeVar("_T")


class AskAgainError(OSError):
    """The next request will be another one."""


def patiently(
    ask: Callable[[], _T],
    address: HubAddress,
    what: str,
    patience_s: float,
    failure: type[FcapsError] = StorageError,
    passing: frozenset[int] = frozenset(),
) -> _T:
    """What a request brings, made again as long as its trouble may pass.

    Args:
        ask: makes it; what it raises is that of `huggingface_hub`.
        address: of the repository.
        what: is not possible if it fails, for messages.
        patience_s: after which no more is asked, nor waited for.
        failure: raised where it fails.
        passing: statuses that pass here, besides those that always may.

    Raises:
        MissingFileError: the repository has no such file.
        FcapsError: the `failure`, where the Hub does not do it.
    """
    deadline_s, wait_s = time.monotonic() + patience_s, _FIRST_WAIT_S
    while True:
        try:
            return ask()
        except _TROUBLE as error:
            pause_s = _pause_s(error, wait_s, passing)
            if pause_s is None or time.monotonic() + pause_s > deadline_s:
                raise _told(error, address, what, failure) from None
        time.sleep(pause_s)
        wait_s = min(2 * wait_s, _LONGEST_WAIT_S)


def _told(error: Exception, address: HubAddress, what: str, failure: type[FcapsError]) -> FcapsError:
    """An error of the client in one line, without a word that the Hub chose."""
    if isinstance(error, HfHubHTTPError):
        if _code(error) == "EntryNotFound":
            return MissingFileError(f"{what}: it does not exist; restore it, or correct the address")
        return failure(f"{what}: {_cause(error, address)}")
    if isinstance(error, OfflineModeIsEnabled):
        cause = "HF_HUB_OFFLINE forbids to ask the Hub; unset it"
    elif isinstance(error, UnicodeError):
        cause = "the token holds characters that no token has; correct HF_TOKEN"
    elif isinstance(error, httpx2.HTTPError | httpx2.InvalidURL | OSError):
        cause = "the Hub cannot be reached; check the network and HF_ENDPOINT"
    else:
        cause = "what answers is not the Hub; check HF_ENDPOINT"
    return failure(f"{what}: {cause}")


def _cause(error: HfHubHTTPError, address: HubAddress) -> str:
    status, said = error.response.status_code, error.response.headers.get("X-Error-Message", "")
    match _code(error), status:
        case "GatedRepo", _:
            return (
                f"its owner wants terms accepted; accept them at https://huggingface.co/{address.page}, and set "
                "HF_TOKEN to a token of that account"
            )
        case "RevisionNotFound", _:
            return f"{address.repository} has no revision {address.revision}; correct it"
        case _, 401 if "invalid credentials" in said.lower():
            return "the token is wrong or has expired; set HF_TOKEN to one that is valid"
        case ("RepoNotFound", _) | (_, 401 | 404):
            return (
                f"{address.repository} does not exist, or this token may not see it; correct the name, or set HF_TOKEN "
                "to a token that may"
            )
        case _, 403:
            return "this token may not do that; set HF_TOKEN to one that may"
        case _, 409 | 412:
            return "somebody else changed it meanwhile; look at what is there, then run the same command again"
        case _, 429:
            wait_s = _told_wait_s(error)
            until = f"again in {wait_s:.0f} s" if wait_s else "again later"
            return f"the Hub throttles; try {until}, with fewer workers, or with HF_TOKEN set"
        case _:
            return f"the Hub answers status {status}"


def _code(error: HfHubHTTPError) -> str | None:
    code: str | None = error.response.headers.get("X-Error-Code")
    return code


def _pause_s(error: Exception, wait_s: float, passing: frozenset[int]) -> float | None:
    """How long to wait before the request is made again; None where that is no use."""
    if isinstance(error, AskAgainError):
        return 0.0
    if isinstance(error, HfHubHTTPError):
        if error.response.status_code not in _PASSING_STATUS | passing:
            return None
        return _told_wait_s(error) or _spread(wait_s)
    return _spread(wait_s) if isinstance(error, _PASSING) else None


def _told_wait_s(error: HfHubHTTPError) -> float | None:
    """What the Hub asks to wait for: the end of the window of its limit, or a time of its own."""
    headers = error.response.headers
    limit = parse_ratelimit_headers(headers) if error.response.status_code == _TOO_MANY else None
    if limit is not None and limit.remaining == 0:
        return limit.reset_in_seconds + 1.0
    after = headers.get("Retry-After", "").strip()
    return float(after) if after.isascii() and after.isdigit() else None


def _spread(wait_s: float) -> float:
    """So that many workers do not come back at once."""
    return wait_s * random.uniform(0.5, 1.0)
