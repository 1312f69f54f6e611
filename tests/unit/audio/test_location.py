"""Locations are text that leads back to the very bytes, whatever characters names hold."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fcaps_pipeline.audio.location import (
    FilePart,
    ParquetRow,
    file_of,
    local_path,
    location_in,
    location_of,
    parts_of,
)
from fcaps_pipeline.errors import RecordingError

_names = st.binary(min_size=1, max_size=40).map(lambda raw: raw.decode("utf-8", "surrogateescape"))
_paths = st.lists(
    st.binary(min_size=1, max_size=12).filter(lambda raw: not {*b"/\0"} & {*raw} and raw not in {b".", b".."}),
    min_size=1,
    max_size=3,
).map(lambda parts: Path("/", *map(os.fsdecode, parts)))
_numbers = st.integers(0, 10**15)


@given(_paths)
def test_a_plain_path_leads_back_and_has_no_fragment(path: Path) -> None:
    location = location_of(path)
    location.encode()
    assert parts_of(location) == location
    assert (local_path(location), file_of(location)) == (path, location)


@given(_paths, _names, _numbers, _numbers)
def test_a_part_of_a_file_leads_back(path: Path, name: str, offset: int, num_bytes: int) -> None:
    part = FilePart(location_of(path), name, offset, num_bytes)
    location = location_in(part)
    location.encode("ascii")
    found = parts_of(location)
    assert isinstance(found, FilePart)
    assert found[1:] == part[1:]
    assert local_path(found.file) == local_path(location) == path


@given(_paths, _names, st.integers(0, 10**6), st.integers(0, 10**6))
def test_a_row_leads_back(path: Path, column: str, row_group: int, row: int) -> None:
    found = parts_of(location_in(ParquetRow(location_of(path), column, row_group, row)))
    assert isinstance(found, ParquetRow)
    assert (local_path(found.file), *found[1:]) == (path, column, row_group, row)


def test_locations_read_as_their_users_write_them() -> None:
    part = FilePart("/corpus/a b.tar", "x#1&y=2.mp3", 1536, 48211)
    assert location_in(part) == "file:///corpus/a%20b.tar#name=x%231%26y%3D2.mp3&offset=1536&bytes=48211"
    row = ParquetRow("s3://bucket/p.parquet", "audio", 3, 17)
    assert location_in(row) == "s3://bucket/p.parquet#column=audio&row_group=3&row=17"
    assert parts_of(location_in(row)) == row


@pytest.mark.parametrize(
    "fragment",
    ["", "x.mp3", "name=x", "name=x&offset=-1&bytes=2", "offset=1&bytes=2&name=x", "name=x&offset=²&bytes=1"],
)
def test_a_fragment_that_says_nothing_is_refused(fragment: str) -> None:
    with pytest.raises(RecordingError, match=r"write a # of a path as %23"):
        parts_of(f"file:///a.tar#{fragment}")


def test_a_plain_path_may_hold_a_hash_sign() -> None:
    assert parts_of("/corpus/take #1.wav") == "/corpus/take #1.wav"
    assert local_path("/corpus/a#name=x&offset=1&bytes=2") == Path("/corpus/a#name=x&offset=1&bytes=2")
