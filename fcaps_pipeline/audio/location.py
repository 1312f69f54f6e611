"""Where audio lies: a location as the records hold it, a path as the file system takes it.

Enters: a path. Leaves: a location, which is text that JSON and Parquet can hold: the path itself or, where its bytes
are not UTF-8, a `file://` URI. `local_path` goes back, and is the one place that knows what can be opened.
"""

import os
import re
from pathlib import Path
from urllib.parse import unquote_to_bytes

from fcaps_pipeline.errors import RecordingError

_FILE_URI = "file://"
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_ESCAPED_BYTE = 0xDC00
"""Python holds an undecodable byte of a file name as the surrogate this far above it."""


def location_of(path: Path) -> str:
    """The location of an absolute path."""
    text = str(path)
    return text if _is_text(text) else path.as_uri()


def local_path(location: str) -> Path:
    """The path of a location.

    Raises:
        RecordingError: it lies where nothing can be opened, on an object store for instance.
    """
    if location.startswith(_FILE_URI):
        return Path(os.fsdecode(unquote_to_bytes(location.removeprefix(_FILE_URI))))
    if is_url(location):
        raise RecordingError(
            f"{location} is an address, and audio is read from file systems only; copy it to one, or mount its store"
        )
    return Path(location)


def is_url(location: str) -> bool:
    """Whether it names something outside the file system, such as `s3://bucket/key`."""
    return _URL.match(location) is not None and not location.startswith(_FILE_URI)


def shown_name(text: str) -> str:
    """The text on one line, storable everywhere: bytes that are not UTF-8 and control characters are escaped."""
    return _UNPRINTABLE.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - _ESCAPED_BYTE:02x}"
    return found[0].encode("unicode_escape", "surrogatepass").decode("ascii") if code < 0xD800 else f"\\u{code:04x}"


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
