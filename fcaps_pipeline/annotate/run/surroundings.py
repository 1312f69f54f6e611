"""What a run needs of its machine before Ray starts, and the way out where it is not there.

Looks at the folder for sockets, at the limit of open files and at the home folder. An ordinary machine that lacks one
of them is no defect: what can be mended is mended, what cannot is told in one line.
"""

import os
import resource
import secrets
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from fcaps_pipeline.errors import ResourceError

_SOCKET_BYTES = 107
"""Longest path of a socket. Source: unix(7), `sun_path` holds 108 bytes with the final zero."""
_RAY_TAIL = "/session_2026-12-01_01-15-39_123456_1234567/sockets/plasma_store.1234567"
"""What Ray puts behind its folder for the longest of its sockets."""
_WANTED_FILES = 65_536
_LEAST_FILES = 256
"""A run of two actors works with 300."""


def ray_folder(candidates: Sequence[Path] | None = None) -> Path:
    """Folder for Ray's sockets: where Ray itself would put them, or the first other one that is fit.

    Args:
        candidates: folders in order of preference; None means those that a machine has.

    Raises:
        ResourceError: no folder is both writable and short enough.
    """
    tried = list(candidates or _folders())
    fit = next((folder for folder in tried if _is_short(folder) and _is_writable(folder)), None)
    if fit is not None:
        return fit / "ray"
    short = [folder for folder in tried if _is_short(folder)]
    why = f"{short[0]} is not writable" if short else f"{tried[0]} is too long for the sockets of Ray"
    raise ResourceError(
        f"{why} (a socket's path has at most {_SOCKET_BYTES} bytes): set RAY_TMPDIR to a short folder that you may "
        "write to"
    )


def raise_file_limit(wanted: int = _WANTED_FILES, least: int = _LEAST_FILES) -> None:
    """Lets this process and its children open as many files as the machine allows.

    Raises:
        ResourceError: that is too few for Ray.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
        soft = allowed
    if soft != resource.RLIM_INFINITY and soft < least:
        raise ResourceError(
            f"this process may open {soft} files, Ray needs {least}: raise the hard limit (`ulimit -Hn {least}` as "
            "root, or /etc/security/limits.conf) and start again"
        )


def give_ray_a_token() -> None:
    """Ray keeps the token of its clusters in the home folder; where that cannot be written, this one gets its own.

    Source: ray, `authentication_token_setup`.
    """
    if any(name in os.environ for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_AUTH_MODE")):
        return
    try:
        folder = Path.home() / ".ray"
        folder.mkdir(parents=True, exist_ok=True)
        is_kept = os.access(folder / "auth_token", os.R_OK) or os.access(folder, os.W_OK, effective_ids=True)
    except (OSError, RuntimeError):  # RuntimeError: a user without a home
        is_kept = False
    if not is_kept:
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder that is gone afterwards.

    Raises:
        ResourceError: there is no place for one.
    """
    try:
        folder = tempfile.TemporaryDirectory()
    except OSError as error:
        raise ResourceError(
            f"no folder for temporary files can be written ({error.strerror}): set TMPDIR to one that can"
        ) from error
    with folder as name:
        yield Path(name)


def _folders() -> list[Path]:
    """Where Ray looks first, then short folders that machines have. Source: ray, `get_default_system_temp_dir`."""
    first = os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR")
    names = [*([first] if first else []), "/tmp", "/var/tmp", "/dev/shm"]  # noqa: S108 - folders for sockets of this user's Ray
    return [Path(name) for name in names]


def _is_short(folder: Path) -> bool:
    return len(os.fsencode(f"{folder.absolute()}/ray{_RAY_TAIL}")) <= _SOCKET_BYTES


def _is_writable(folder: Path) -> bool:
    """Whether a folder can be made in it, or in the one that Ray left there."""
    inside = folder / "ray"
    try:
        with tempfile.TemporaryDirectory(dir=inside if inside.is_dir() else folder):
            return True
    except OSError:
        return False
