"""Where audio lies: a location as the records hold it, a path as the file system takes it.

Enters: a path, and what in its file is the sound. Leaves: a location, which is text that JSON and Parquet can hold. A
file is the path itself or, where its bytes are not UTF-8, a `file://` URI. What is only part of a file is a URI with a
fragment: `file:///corpus/a.tar#name=x.mp3&offset=1536&bytes=48211`, or
`file:///corpus/p.parquet#column=audio&row_group=3&row=17`. What a source names and nobody may open has the reason in
place of the bytes, so that it fails by name as a broken file does. A plain path has no fragment and may hold `#`. What
lies on an object store is its URI, with a fragment where it is part of a file.
"""

import os
import re
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, unquote_to_bytes

from fcaps_pipeline.errors import RecordingError
from fcaps_pipeline.storage.path import StorePath

_FILE_URI = "file://"
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_PART = re.compile(r"name=([^&=#]*)&offset=(\d{1,18})&bytes=(\d{1,18})", re.ASCII)
_REFUSED = re.compile(r"name=([^&=#]*)&refused=([^&=#]*)")
_ROW = re.compile(r"column=([^&=#]*)&row_group=(\d{1,9})&row=(\d{1,12})", re.ASCII)
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_ESCAPED_BYTE = 0xDC00
"""Python holds an undecodable byte of a file name as the surrogate this far above it."""


class FilePart(NamedTuple):
    """Bytes of a file that have a name of their own, such as a member of a tar."""

    file: str
    """Location of the file."""
    name: str
    """As the file gives it."""
    offset: int
    num_bytes: int


class RefusedPart(NamedTuple):
    """What a file holds and is not opened, such as a link in a tar."""

    file: str
    name: str
    reason: str
    """What follows its name in a message: `is a link, …`."""


class ParquetRow(NamedTuple):
    """The sound in one row of a Parquet file."""

    file: str
    """Location of the file."""
    column: str
    row_group: int
    row: int
    """Counted from 0 within the row group."""


def location_of(path: Path | StorePath) -> str:
    """The location of an absolute path, or of a file of a store."""
    text = str(path)
    return text if isinstance(path, StorePath) or _is_text(text) else path.as_uri()


def location_in(part: FilePart | RefusedPart | ParquetRow) -> str:
    """The location of what is only part of a file."""
    file = part.file if part.file.startswith(_FILE_URI) or _URL.match(part.file) else Path(part.file).as_uri()
    if isinstance(part, FilePart):
        return f"{file}#name={_quoted(part.name)}&offset={part.offset}&bytes={part.num_bytes}"
    if isinstance(part, RefusedPart):
        return f"{file}#name={_quoted(part.name)}&refused={_quoted(part.reason)}"
    return f"{file}#column={_quoted(part.column)}&row_group={part.row_group}&row={part.row}"


def parts_of(location: str) -> str | FilePart | RefusedPart | ParquetRow:
    """What a location names: a file, which is a location itself, or part of one.

    Raises:
        RecordingError: its fragment says nothing that is known here.
    """
    file, hash_sign, fragment = location.partition("#")
    if not hash_sign or not _URL.match(location):
        return location
    if found := _PART.fullmatch(fragment):
        return FilePart(file, _unquoted(found[1]), int(found[2]), int(found[3]))
    if found := _ROW.fullmatch(fragment):
        return ParquetRow(file, _unquoted(found[1]), int(found[2]), int(found[3]))
    if found := _REFUSED.fullmatch(fragment):
        return RefusedPart(file, *map(_unquoted, found.groups()))
    raise RecordingError(
        f"{location} has a fragment (from # on) that names neither part of a file (name, offset, bytes) nor a row "
        "(column, row_group, row); write a # of a path as %23"
    )


def file_of(location: str) -> str:
    """The file that has it: the location without its fragment."""
    return location.partition("#")[0] if _URL.match(location) else location


def local_path(location: str) -> Path:
    """The path of the file that a location names, one on a file system."""
    file = file_of(location)
    if file.startswith(_FILE_URI):
        return Path(os.fsdecode(unquote_to_bytes(file.removeprefix(_FILE_URI))))
    return Path(file)


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


def _quoted(name: str) -> str:
    return quote(name.encode("utf-8", "surrogateescape"))


def _unquoted(text: str) -> str:
    return unquote_to_bytes(text).decode("utf-8", "surrogateescape")


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
