"""Where in a Parquet file the bytes of each value of a column lie, so that one row is read without its row group.

Enters: an open file, a row group, a column of bytes in plain pages without compression, as this package and `datasets`
write sound. Leaves: offset and length of every value. Of each page the header is read and of each value its length, so
that a file on a disk is hopped through; one that is far away streams by once.

Source: the Parquet format, `parquet.thrift` and Encodings.md; the compact protocol of Thrift.
"""

from collections.abc import Callable
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from fcaps_pipeline.errors import CorruptRunError, UsageError

_HEADER_BYTES = 16 * 2**10
_DATA_PAGE, _DATA_PAGE_V2 = 0, 3
_PLAIN = 0
_KIND, _COMPRESSED_BYTES, _V1, _V2 = 1, 3, 5, 8
_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LISTS, _MAP, _STRUCT = 1, 2, 3, 7, 8, (9, 10), 11, 12

_Int64s = npt.NDArray[np.int64]
_ReadAt = Callable[[int, int], bytes]
_Fields = dict[int, Any]


class ValueRanges(NamedTuple):
    """Of the rows of a row group; both are 0 where there is no value."""

    offset_N: _Int64s
    num_bytes_N: _Int64s


def value_ranges(file: BinaryIO, metadata: pq.FileMetaData, row_group: int, leaf: str, name: str) -> ValueRanges:
    """Finds the values of a column in a row group.

    Args:
        file: the Parquet file.
        metadata: its footer.
        row_group: which.
        leaf: dotted name of the column.
        name: of the file, for messages.

    Raises:
        UsageError: the column is compressed or coded, so that single rows cannot be read.
        CorruptRunError: the pages do not hold what the footer says.
    """
    place = _place_of(metadata, leaf)
    column = metadata.row_group(row_group).column(place)
    if column.compression != "UNCOMPRESSED" or column.has_dictionary_page:
        how = "coded by a dictionary" if column.has_dictionary_page else f"compressed ({column.compression})"
        raise UsageError(
            f"{name}: column {leaf} is {how}, so that single rows cannot be read; write it anew with this column plain "
            "and uncompressed, as `fcaps pack`, `fcaps release build` and `datasets` do"
        )

    def read_at(offset: int, num_bytes: int) -> bytes:
        file.seek(offset)
        return file.read(num_bytes)

    num_rows, deepest = metadata.row_group(row_group).num_rows, metadata.schema.column(place).max_definition_level
    found: list[tuple[int, int]] = []
    at, end = column.data_page_offset, column.data_page_offset + column.total_compressed_size
    try:
        while at < end and len(found) < num_rows:
            header, num_header_bytes = _struct(read_at(at, _HEADER_BYTES), 0)
            body = at + num_header_bytes
            found += _of_page(read_at, body, header, deepest)
            at = body + header[_COMPRESSED_BYTES]
    except (IndexError, KeyError, ValueError, TypeError) as error:
        raise CorruptRunError(f"{name}: row group {row_group} has a broken page of {leaf}; restore the file") from error
    if len(found) != num_rows or any(offset + num_bytes > end for offset, num_bytes in found):
        raise CorruptRunError(f"{name}: row group {row_group} has broken pages of {leaf}; restore the file")
    return ValueRanges(*np.array(found, np.int64).reshape(-1, 2).T)


def _place_of(metadata: pq.FileMetaData, leaf: str) -> int:
    paths = [metadata.schema.column(place).path for place in range(metadata.num_columns)]
    return paths.index(leaf)


def _of_page(read_at: _ReadAt, body: int, header: _Fields, deepest: int) -> list[tuple[int, int]]:
    """Offset and length of the values of a page."""
    if header[_KIND] == _DATA_PAGE:
        page = header[_V1]
        num_values, encoding, at = page[1], page[2], body
        levels = b""
        if deepest:
            num_level_bytes = int.from_bytes(read_at(body, 4), "little")
            levels, at = read_at(body + 4, num_level_bytes), body + 4 + num_level_bytes
    elif header[_KIND] == _DATA_PAGE_V2:
        page = header[_V2]
        num_values, encoding, at = page[1], page[4], body + page[5] + page[6]
        levels = read_at(body + page[6], page[5])
    else:
        return []
    if encoding != _PLAIN:
        raise ValueError(encoding)
    ranges: list[tuple[int, int]] = []
    for is_there in _is_there(levels, num_values, deepest):
        if not is_there:
            ranges.append((0, 0))
            continue
        num_bytes = int.from_bytes(read_at(at, 4), "little")
        ranges.append((at + 4, num_bytes))
        at += 4 + num_bytes
    return ranges


def _is_there(levels: bytes, num_values: int, deepest: int) -> list[bool]:
    """Which values are not null: those whose definition level is the deepest, in runs and packed groups of 8."""
    if not deepest:
        return [True] * num_values
    width, at = deepest.bit_length(), 0
    found: list[int] = []
    while len(found) < num_values:
        head, at = _number(levels, at)
        if head & 1:
            num_bytes = (head >> 1) * width
            bits = np.unpackbits(np.frombuffer(levels[at : at + num_bytes], np.uint8), bitorder="little")
            found += (bits.reshape(-1, width) @ (1 << np.arange(width))).tolist()
            at += num_bytes
        else:
            found += [levels[at]] * (head >> 1)
            at += 1
        if not head >> 1:
            raise ValueError(head)
    return [level == deepest for level in found[:num_values]]


def _struct(content: bytes, at: int) -> tuple[_Fields, int]:
    """A struct of the compact protocol and where it ends."""
    fields: _Fields = {}
    number = 0
    while head := content[at]:
        at += 1
        if head >> 4:
            number += head >> 4
        else:
            number, at = _signed(content, at)
        fields[number], at = _value(content, at, head & 15)
    return fields, at + 1


def _value(content: bytes, at: int, kind: int) -> tuple[Any, int]:
    if kind in (_TRUE, _FALSE):
        return kind == _TRUE, at
    if kind == _BYTE:
        return content[at], at + 1
    if kind == _DOUBLE:
        return None, at + 8
    if kind == _BINARY:
        num_bytes, at = _number(content, at)
        return None, at + num_bytes
    if kind == _STRUCT:
        return _struct(content, at)
    if kind in _LISTS or kind == _MAP:
        raise ValueError(kind)  # no header of a page has one
    return _signed(content, at)


def _signed(content: bytes, at: int) -> tuple[int, int]:
    number, at = _number(content, at)
    return (number >> 1) ^ -(number & 1), at


def _number(content: bytes, at: int) -> tuple[int, int]:
    """An unsigned number of 7 bits a byte."""
    number = shift = 0
    while True:
        byte = content[at]
        number |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return number, at
