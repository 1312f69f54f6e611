"""Safe, stable Recording ids from the names that sources use.

Enters: an id of a manifest, or a path relative to the root of a source. Leaves: an id of letters,
digits, `_` and `-`, at most 200 characters. A name that cannot be written that way without losing
information gets digits of its own hash, enough for ten million names that look alike without them.
"""

import hashlib
import re
from pathlib import PurePosixPath

MAX_ID_CHARACTERS = 200
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]")
_PLAIN_PART = re.compile(r"[A-Za-z0-9_]+(-[A-Za-z0-9_]+)*")
_HASH_DIGITS = 16


def id_from_name(name: str) -> str:
    """Id of a Recording whose source gives it a name: the name itself where it is safe."""
    safe = _UNSAFE.sub("_", name.replace("/", "--"))
    return _capped(name, safe, is_exact=safe == name)


def id_from_path(relative: str) -> str:
    """Id of a file: `a/b.wav` becomes `a--b_wav`. The suffix stays, as `b.mp3` may lie beside `b.wav`."""
    path = PurePosixPath(relative)
    parts = [*path.parts[:-1], path.stem]
    safe = "--".join(_UNSAFE.sub("_", part) for part in parts)
    suffix = _UNSAFE.sub("_", path.suffix.removeprefix("."))
    is_exact = all(_PLAIN_PART.fullmatch(part) for part in parts) and suffix == path.suffix.removeprefix(".")
    return _capped(relative, f"{safe}_{suffix}" if suffix else safe, is_exact=is_exact)


def id_from_outside(location: str) -> str:
    """Id of a file outside the root of its source: its last part, and the hash of the whole."""
    path = PurePosixPath(location)
    return _capped(location, _UNSAFE.sub("_", path.name), is_exact=False)


def _capped(original: str, safe: str, *, is_exact: bool) -> str:
    if is_exact and safe and len(safe) <= MAX_ID_CHARACTERS:
        return safe
    digest = hashlib.sha256(original.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH_DIGITS]
    return f"{safe[: MAX_ID_CHARACTERS - len(digest) - 1]}-{digest}"
