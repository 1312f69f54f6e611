"""What lies in a file, in part of one or in a row of Parquet is read by the same few calls."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fcaps_pipeline.audio import parquet_rows
from fcaps_pipeline.audio.byte_source import ByteSource, open_bytes, sha256_of
from fcaps_pipeline.audio.location import FilePart, ParquetRow, location_in
from fcaps_pipeline.audio.remote_bytes import fetch_ahead
from fcaps_pipeline.audio.stamp import changes_since, take_stamp
from fcaps_pipeline.errors import MissingFileError, RecordingError
from fcaps_pipeline.storage.path import store_path

CONTENT = bytes(range(200)) * 10
AUDIO = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


@pytest.fixture(params=["file", "part", "row"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "file":
        (tmp_path / "sound.MP3").write_bytes(CONTENT)
        return str(tmp_path / "sound.MP3")
    if request.param == "part":
        (tmp_path / "a.tar").write_bytes(b"before" + CONTENT + b"behind")
        return location_in(FilePart(str(tmp_path / "a.tar"), "folder/sound.MP3", 6, len(CONTENT)))
    rows = [{"bytes": bytes([one]), "path": f"{one}.wav"} for one in range(4)]
    rows += [{"bytes": CONTENT, "path": "sound.MP3"}]
    _write(tmp_path / "p.parquet", rows, row_group_size=3)
    return location_in(ParquetRow(str(tmp_path / "p.parquet"), "audio", 1, 1))


def _write(path: Path, values: Sequence[object], kind: pa.DataType = AUDIO, row_group_size: int = 3) -> None:
    table = pa.table({"id": [str(one) for one in range(len(values))], "audio": pa.array(values, kind)})
    pq.write_table(table, path, row_group_size=row_group_size)


def test_the_bytes_are_those_that_were_put_there(location: str) -> None:
    source: ByteSource
    with closing(open_bytes(location)) as source:
        assert (source.num_bytes, source.suffix) == (len(CONTENT), ".mp3")
        assert source.at(0, 9999) == CONTENT
        assert source.at(7, 5) == CONTENT[7:12]
        assert source.at(len(CONTENT) - 2, 9) == CONTENT[-2:]
        assert source.at(len(CONTENT), 9) == b""
        assert source.modified_ns is not None
        source.close()
    assert sha256_of(location) == hashlib.sha256(CONTENT).hexdigest()
    assert changes_since(take_stamp(location), location) == ()


@pytest.fixture
def parquet(tmp_path: Path) -> Path:
    path = tmp_path / "p.parquet"
    _write(
        path, [{"bytes": b"x", "path": "a.wav"}, None, {"bytes": None, "path": "c.wav"}, {"bytes": b"", "path": None}]
    )
    return path


@pytest.mark.parametrize(
    ("row_group", "row", "column", "message"),
    [
        (0, 1, "audio", "row 1 of row group 0 in .* holds no bytes in column audio"),
        (0, 2, "audio", "row 2 of row group 0 in .* holds no bytes"),
        (1, 0, "audio", "row 0 of row group 1 in .* holds no bytes"),
        (1, 1, "audio", "the row group ends with row 0"),
        (2, 0, "audio", "has no row group 2"),
        (0, 0, "id", "has no column 'id' of sound"),
        (0, 0, "sound", "has no column 'sound' of sound"),
    ],
)
def test_a_row_without_sound_is_named(parquet: Path, row_group: int, row: int, column: str, message: str) -> None:
    with pytest.raises(RecordingError, match=message):
        open_bytes(location_in(ParquetRow(str(parquet), column, row_group, row)))


def test_plain_bytes_are_sound_too(tmp_path: Path) -> None:
    _write(tmp_path / "p.parquet", [b"abc"], pa.large_binary())
    with closing(open_bytes(location_in(ParquetRow(str(tmp_path / "p.parquet"), "audio", 0, 0)))) as source:
        assert (source.at(0, 9), source.suffix) == (b"abc", "")


def test_a_row_group_is_read_once_for_all_of_its_rows(parquet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"bytes": bytes([one % 256]) * 100, "path": None} for one in range(40)]
    _write(parquet, rows, row_group_size=10)
    read: list[int] = []
    read_column = parquet_rows._read_column

    def counting(row: ParquetRow, source: ByteSource) -> pa.ChunkedArray:
        read.append(row.row_group)
        return read_column(row, source)

    monkeypatch.setattr(parquet_rows, "_read_column", counting)
    for group in range(4):
        for row in range(10):
            for _ in range(3):
                with closing(open_bytes(location_in(ParquetRow(str(parquet), "audio", group, row)))) as source:
                    assert source.at(0, 1) == bytes([10 * group + row])
    assert read == [0, 1, 2, 3]
    assert len(parquet_rows._columns._kept) <= 2


def test_a_file_that_was_written_again_is_read_again(parquet: Path) -> None:
    location = location_in(ParquetRow(str(parquet), "audio", 0, 0))
    assert sha256_of(location) == hashlib.sha256(b"x").hexdigest()
    _write(parquet, [{"bytes": b"other", "path": None}])
    assert sha256_of(location) == hashlib.sha256(b"other").hexdigest()


def test_a_row_group_beyond_all_measure_is_refused(parquet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dictionary of one value may promise gigabytes in a few bytes."""
    monkeypatch.setattr(parquet_rows, "_MAX_COLUMN_BYTES", 10_000)
    _write(parquet, [{"bytes": bytes(1_000), "path": None}] * 500, row_group_size=500)
    assert parquet.stat().st_size < 10_000
    with pytest.raises(RecordingError, match="holds more than 10,000 bytes of sound"):
        open_bytes(location_in(ParquetRow(str(parquet), "audio", 0, 0)))


def _damaged(whole: bytes) -> Iterator[bytes]:
    yield whole[: len(whole) // 2]
    yield b"PAR1" + bytes(len(whole))
    yield b"no Parquet at all"
    yield whole[:20] + bytes(100) + whole[120:]


@pytest.mark.parametrize("case", range(4))
def test_a_damaged_file_is_told_in_one_line(tmp_path: Path, case: int) -> None:
    path = tmp_path / "p.parquet"
    _write(path, [{"bytes": bytes(range(256)) * 8, "path": "a.wav"}])
    path.write_bytes(list(_damaged(path.read_bytes()))[case])
    with pytest.raises(RecordingError, match=r"p\.parquet cannot be read as Parquet \(") as found:
        open_bytes(location_in(ParquetRow(str(path), "audio", 0, 0)))
    assert "\n" not in str(found.value)


def test_a_part_that_ends_behind_its_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(bytes(100))
    with pytest.raises(RecordingError, match=r"x\.mp3 in .*a\.tar ends behind the end of the file"):
        open_bytes(location_in(FilePart(str(tmp_path / "a.tar"), "x.mp3", 60, 41)))
    with pytest.raises(RecordingError, match=r"x\.mp3 in .*a\.tar is empty"):
        open_bytes(location_in(FilePart(str(tmp_path / "a.tar"), "x.mp3", 60, 0)))
    with pytest.raises(MissingFileError, match=r"b\.tar does not exist"):
        open_bytes(location_in(FilePart(str(tmp_path / "b.tar"), "x.mp3", 60, 1)))


def test_what_lies_where_nothing_can_be_opened_fails_by_name() -> None:
    for location in ("ftp://host/a.wav", "hf2://datasets/x/a.tar#name=x.mp3&offset=1&bytes=2"):
        with pytest.raises(RecordingError, match="there is no storage of the kind"):
            open_bytes(location)


def test_an_object_that_is_missing_or_empty_or_breaks_off_is_named() -> None:
    folder = store_path(f"memory://{uuid4().hex}")
    (folder / "empty.wav").put(b"")
    (folder / "a.tar").put(bytes(100))
    for is_wanted in (False, True):
        part = location_in(FilePart(str(folder / "a.tar"), "x.mp3", 60, 41))
        locations = [str(folder / "none.wav"), str(folder / "empty.wav"), part]
        if is_wanted:
            fetch_ahead(locations)
        with pytest.raises(MissingFileError, match=r"none\.wav does not exist"):
            open_bytes(locations[0])
        with pytest.raises(RecordingError, match=r"empty\.wav is empty"):
            open_bytes(locations[1])
        with pytest.raises(RecordingError, match=r"x\.mp3 in .*a\.tar ends behind the end of the file, which has 100"):
            open_bytes(locations[2])
