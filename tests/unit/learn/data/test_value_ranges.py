"""The bytes of every value are where the index says, whatever the pages look like."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fcaps_pipeline.errors import CorruptRunError, UsageError
from fcaps_pipeline.learn.data.value_ranges import value_ranges

_PLAIN: dict[str, Any] = {"compression": "none", "use_dictionary": False}
_KIND = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def _found(path: Path, leaf: str) -> list[bytes]:
    content = path.read_bytes()
    found = []
    with path.open("rb") as file:
        metadata = pq.ParquetFile(path).metadata
        for group in range(metadata.num_row_groups):
            ranges = value_ranges(file, metadata, group, leaf, str(path))
            found += [content[start : start + size] for start, size in zip(*ranges, strict=True)]
    return found


@given(
    values=st.lists(st.none() | st.sampled_from([b"", b"\x00" * 3, b"a" * 700, b"b" * 90]), max_size=120),
    group=st.integers(1, 60),
    page=st.sampled_from(["1.0", "2.0"]),
    page_bytes=st.sampled_from([1, 1000, 2**20]),
    chunked=st.booleans(),
)
def test_values_are_found_in_all_kinds_of_pages(
    tmp_path_factory: pytest.TempPathFactory,
    values: list[bytes | None],
    group: int,
    page: str,
    page_bytes: int,
    chunked: bool,  # noqa: FBT001
) -> None:
    path = tmp_path_factory.mktemp("parquet") / "a.parquet"
    audio = [None if value is None else {"bytes": value or None, "path": "x"} for value in values]
    table = pa.table({"number": range(len(values)), "audio": pa.array(audio, _KIND)})
    options = {"data_page_version": page, "data_page_size": page_bytes, "write_batch_size": 7}
    options |= {"use_content_defined_chunking": chunked, "row_group_size": group}
    pq.write_table(table, path, **options, **_PLAIN)
    assert _found(path, "audio.bytes") == [value or b"" for value in values]


def test_a_column_that_cannot_be_null_is_read_too(tmp_path: Path) -> None:
    schema = pa.schema([pa.field("sound", pa.binary(), nullable=False)])
    pq.write_table(pa.table({"sound": [b"one", b"three"]}, schema), tmp_path / "a.parquet", **_PLAIN)
    assert _found(tmp_path / "a.parquet", "sound") == [b"one", b"three"]


@pytest.mark.parametrize(
    ("options", "how"),
    [
        ({"compression": "snappy", "use_dictionary": False}, r"compressed \(SNAPPY\)"),
        ({"compression": "none", "use_dictionary": True}, "coded by a dictionary"),
    ],
)
def test_sound_that_is_compressed_or_coded_is_refused(tmp_path: Path, options: dict[str, Any], how: str) -> None:
    pq.write_table(pa.table({"sound": [b"one", b"two"]}), tmp_path / "a.parquet", **options)
    with pytest.raises(UsageError, match=rf"a\.parquet: column sound is {how}, so that single rows cannot be read"):
        _found(tmp_path / "a.parquet", "sound")


def test_a_damaged_page_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"sound": [b"one" * 50, b"two" * 50]}), path, **_PLAIN)
    content = bytearray(path.read_bytes())
    first = pq.ParquetFile(path).metadata.row_group(0).column(0).data_page_offset
    for damage in (b"\xff" * 8, np.random.default_rng(0).bytes(40)):
        content[first : first + len(damage)] = damage
        path.write_bytes(content)
        with pytest.raises(CorruptRunError, match=r"row group 0 has (a )?broken pages? of sound; restore the file"):
            _found(path, "sound")
