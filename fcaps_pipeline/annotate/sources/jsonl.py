"""Reads JSONL line by line, plain or compressed (`.gz`, `.zst`), into pydantic models; one JSON array as its items.

Enters: a path and a model. Leaves: pairs of line number, or place in the array, and model. Every mistake becomes a
SourceError that names file and line.
"""

import gzip
import io
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import IO, NamedTuple, TypeVar, cast

import pyarrow as pa
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, from_json, to_json

from fcaps_pipeline.annotate.sources.fields import NO_NAMES, FieldNames
from fcaps_pipeline.annotate.sources.lines import LINE_FAULT, OpenLine
from fcaps_pipeline.annotate.sources.source_path import SourcePath, is_file, opened
from fcaps_pipeline.errors import SourceError

LineT = TypeVar("LineT", bound=BaseModel)
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_HEAD_BYTES = 64
_MAX_LINE_BYTES = 16_000_000
"""The segments of a day of speech, with their words, take less."""
_MAX_ARRAY_BYTES = 256_000_000
_MAX_BLANK_LINES = 100_000
_BLOCK_BYTES = 8_000_000


def read_jsonl(path: SourcePath, model: type[LineT], fields: FieldNames = NO_NAMES) -> Iterator[tuple[int, LineT]]:
    """Yields line number and model for every line that is not blank.

    Args:
        path: of the list.
        model: of one line.
        fields: names that the job maps.

    Raises:
        SourceError: the file cannot be read, or a line is not what the model asks for.
    """
    return parsed(raw_lines(path), path, model, fields)


def parsed(
    lines: Iterable[tuple[int, bytes]], path: SourcePath, model: type[LineT], fields: FieldNames
) -> Iterator[tuple[int, LineT]]:
    """The models of lines, see `read_jsonl`."""
    for number, line in lines:
        try:
            yield number, model.model_validate_json(line, context=fields)
        except ValidationError as error:
            raise SourceError(f"{path}:{number}: {explained(error, model)}") from None


def explained(error: ValidationError, model: type[BaseModel]) -> str:
    """All that is wrong with one line."""
    return "; ".join(_explain(item, model) for item in error.errors())


def raw_lines(path: SourcePath) -> Iterator[tuple[int, bytes]]:
    """Yields number and content of every line that is not blank.

    Raises:
        SourceError: the file is missing, unreadable or damaged.
        StorageError: it is on a store, which does not give it.
    """
    if not is_file(path) and path.exists():
        raise SourceError(f"{path} is no regular file; give a JSONL file, plain or compressed")
    try:
        _refuse_what_is_no_list(path)
        with _open(path) as stream:
            yield from enumerate(_items(stream, path), start=1) if _is_array(stream) else _lines(stream, path)
    except FileNotFoundError:
        raise SourceError(f"{path} does not exist; check the path of the source") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise SourceError(f"{path} is not whole gzip data ({error}); write it again") from error
    except OSError as error:
        said = error.strerror or " ".join(str(error).split())  # pyarrow, of zstd data, tells no strerror
        raise SourceError(f"{path} cannot be read: {said}; check the path and its permissions") from error


class LineBlock(NamedTuple):
    """Neighbouring whole lines of a JSONL file."""

    content: bytes
    first_number: int
    lines: Callable[[], Iterator[tuple[int, bytes]]]
    """Number and content of each that is not blank."""


def line_blocks(path: SourcePath) -> Iterator[LineBlock]:
    """The lines of `raw_lines` in blocks of some megabytes; what cannot be cut into blocks is one without content.

    Raises:
        SourceError: see `raw_lines`; other faults are raised by the lines of the last block.
    """
    number, num_blank = 0, 0
    try:
        if not is_file(path):
            raise FileNotFoundError
        _refuse_what_is_no_list(path)
        with _open(path) as stream:
            if _is_array(stream):
                yield LineBlock(b"", 1, partial(raw_lines, path))
                return
            while content := stream.read(_BLOCK_BYTES):
                content += stream.readline(_MAX_LINE_BYTES + 1)
                yield LineBlock(content, number + 1, partial(_lines, io.BytesIO(content), path, number, num_blank))
                number += content.count(b"\n")
                text = content.rstrip()
                num_blank = content.count(b"\n", len(text)) - 1 if text else num_blank + content.count(b"\n")
    except (EOFError, zlib.error, OSError):
        yield LineBlock(b"", number + 1, lambda: (one for one in raw_lines(path) if one[0] > number))


def _lines(stream: IO[bytes], path: SourcePath, number: int = 0, num_blank: int = 0) -> Iterator[tuple[int, bytes]]:
    """Lines of bounded length that are not blank: a few bytes of gzip may unpack to more than any memory holds.

    Args:
        stream: of lines.
        path: for messages.
        number: of the line before.
        num_blank: blank lines just before.
    """
    while line := stream.readline(_MAX_LINE_BYTES + 1):
        number += 1
        num_blank = 0 if line.strip() else num_blank + 1
        if len(line) > _MAX_LINE_BYTES:
            raise SourceError(
                f"{path}:{number}: longer than {_MAX_LINE_BYTES:,} bytes; expected one recording per line, with "
                "at most a few thousand segments"
            )
        if num_blank > _MAX_BLANK_LINES:
            raise SourceError(f"{path}:{number}: more than {_MAX_BLANK_LINES:,} blank lines in a row; write it again")
        content = line.removeprefix(_BYTE_ORDER_MARK) if number == 1 else line
        if content.strip():
            yield number, content


def _is_array(stream: io.BufferedReader) -> bool:
    return stream.peek(_HEAD_BYTES).removeprefix(_BYTE_ORDER_MARK).lstrip().startswith(b"[")


def _items(stream: IO[bytes], path: SourcePath) -> Iterator[bytes]:
    """Objects of an array, each as a line of its own."""
    content = stream.read(_MAX_ARRAY_BYTES + 1)
    if len(content) > _MAX_ARRAY_BYTES:
        raise SourceError(f"{path} is one array of more than {_MAX_ARRAY_BYTES:,} bytes; write it as JSONL")
    try:
        items = from_json(content.removeprefix(_BYTE_ORDER_MARK))
    except ValueError as error:
        raise SourceError(f"{path} is no whole JSON array ({error}); write it again") from None
    yield from map(to_json, items)


def _refuse_what_is_no_list(path: SourcePath) -> None:
    with opened(path) as stream:
        head = stream.read(_HEAD_BYTES).lstrip().lower()
    if head.startswith(b"version https://git-lfs"):
        raise SourceError(f"{path} is a Git LFS pointer, not a list: run git lfs pull where the corpus was cloned")
    if head.startswith((b"<!doctype html", b"<html")):
        raise SourceError(f"{path} holds HTML, a web page, not a list: the download went wrong; fetch it again")


@contextmanager
def _open(path: SourcePath) -> Iterator[io.BufferedReader]:
    with opened(path) as packed:
        stream: object = packed
        if path.name.endswith(".gz"):
            stream = gzip.GzipFile(fileobj=packed, mode="rb")
        elif path.name.endswith(".zst"):
            stream = pa.input_stream(packed, compression="zstd")
        plain: io.BufferedReader = io.BufferedReader(cast("io.RawIOBase", stream))
        with plain:
            yield plain


def _explain(item: ErrorDetails, model: type[BaseModel]) -> str:
    key = ".".join(str(part) for part in item["loc"])
    message = item["msg"].removeprefix("Value error, ")
    if item["type"] == "json_invalid":
        return f"not a JSON object ({item['msg'].removeprefix('Invalid JSON: ')})"
    if item["type"] == "missing":
        return f"the field {key!r} is missing{_other_names(key, model)}"
    if item["type"] == LINE_FAULT:
        return f"{key}: {message}" if key else message
    return f"{key}: {message}, found {item['input']!r:.80}" if key else message


def _other_names(key: str, model: type[BaseModel]) -> str:
    others = model.other_names.get(key, ()) if issubclass(model, OpenLine) else ()
    return f" (other names of it: {', '.join(others)})" if others else ""
