"""Datasets of the hub as Parquet: sound in rows or in files beside them, everything else as it is called there."""

import datetime
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile

from fcaps_pipeline.annotate.sources.detection import detect_source
from fcaps_pipeline.annotate.sources.listing import Listing, list_recordings
from fcaps_pipeline.audio.byte_source import open_bytes
from fcaps_pipeline.audio.location import ParquetRow, parts_of
from fcaps_pipeline.audio.stream import decode_all
from fcaps_pipeline.errors import MissingFileError, RecordingError, SourceError, StorageError
from fcaps_pipeline.jobs.sources import ParquetSource
from fcaps_pipeline.records.audio import Recording

AUDIO = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def run(name: str, audio: Sequence[object], kind: pa.DataType = AUDIO, rows: int = 2, **columns: object) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        table = pa.table({"audio": pa.array(audio, kind), **columns})
        pq.write_table(table, path, row_group_size=rows, compression=None)
        return path

    return run


def _listing(path: Path | str, **more: Any) -> Listing:
    return list_recordings(ParquetSource(kind="parquet", path=str(path), **more))


def _all(path: Path | str, **more: Any) -> list[Recording]:
    return list(_listing(path, **more))


def _sounds(*names: str | None) -> list[dict[str, object]]:
    return [{"bytes": f"{place}".encode(), "path": name} for place, name in enumerate(names)]


def test_a_dataset_as_it_comes(write: Write) -> None:
    path = write(
        "cv/data/train-0.parquet",
        _sounds("a.mp3", "b.mp3", "c.mp3"),
        sentence=["One.", "Two.", None],
        client_id=["x", "y", "z"],
        locale=["en", "en", "en"],
        duration=[1.5, float("nan"), 2.0],
        gender=["female", "", "male_masculine"],
        when=pa.array([datetime.datetime(2020, 1, 2), None, None], pa.timestamp("ms")),
        waveform=pa.array([b"x", b"y", b"z"]),
        votes=pa.array([[1, 2], [], None]),
    )
    fields = {"transcript": "sentence", "speaker": "client_id", "language": "locale"}
    first, second, third = _all(path.parents[1], fields=fields, license="CC0-1.0", corpus="CV")
    assert first.model_dump(exclude={"recording_id", "location", "extra"}, exclude_defaults=True) == {
        "source": "data/train-0.parquet/a.mp3",
        "duration_s": 1.5,
        "transcript": "One.",
        "speaker": "x",
        "speaker_gender": "female",
        "language": "en",
        "license": "CC0-1.0",
        "corpus": "CV",
    }
    assert json.loads(first.extra or "") == {"gender": "female", "when": "2020-01-02T00:00:00", "votes": [1, 2]}
    assert first.recording_id.startswith("data--train-0_parquet--a_mp3")
    assert (second.duration_s, third.transcript) == (None, None)
    assert parts_of(third.location) == ParquetRow(path.as_uri(), "audio", 1, 0)
    assert open_bytes(third.location).at(0, 5) == b"2"


def test_samples_are_those_of_the_file(write: Write, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.flac", np.random.default_rng(0).normal(0, 0.1, 32_000), 16_000)
    path = write("p.parquet", [*_sounds("x"), {"bytes": (tmp_path / "a.flac").read_bytes(), "path": None}])
    _, found = _all(path)
    np.testing.assert_array_equal(decode_all(found.location), decode_all(str(tmp_path / "a.flac")))


@pytest.mark.parametrize("paths", [("a.wav", "a.wav", "a.wav"), (None, None, None), ("a.wav", None, "b/c.wav")])
def test_ids_are_stable_and_differ(write: Write, paths: tuple[str | None, ...]) -> None:
    path = write("p.parquet", _sounds(*paths))
    ids = [recording.recording_id for recording in _all(path)]
    assert len(set(ids)) == 3
    assert ids == [recording.recording_id for recording in _all(path)]
    assert [one.recording_id for one in _all(write("q.parquet", _sounds(*paths), id=[7, 8, 9]))] == ["7", "8", "9"]


@pytest.mark.parametrize("statistics", ["with", "without"])
def test_rows_without_bytes_name_files(write: Write, tmp_path: Path, statistics: str) -> None:
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "b.wav").write_bytes(b"beside")
    values = [*_sounds("a.wav"), {"bytes": None, "path": "clips/b.wav"}, {"bytes": None, "path": "gone.wav"}, None]
    path = write("p.parquet", values, rows=4)
    if statistics == "without":
        pq.write_table(pq.read_table(path), path, write_statistics=False)
    inside, beside, gone, nothing = _all(path)
    assert (open_bytes(inside.location).at(0, 9), open_bytes(beside.location).at(0, 9)) == (b"0", b"beside")
    assert (beside.source, beside.recording_id) == ("clips/b.wav", "clips--b_wav")
    with pytest.raises(MissingFileError, match=r"gone\.wav does not exist"):
        open_bytes(gone.location)
    with pytest.raises(RecordingError, match=r"row 3 of row group 0 in .* holds no bytes"):
        open_bytes(nothing.location)
    write("only/paths.parquet", [{"bytes": None, "path": "b.wav"}])
    (found,) = _all(tmp_path / "only", audio_root=str(tmp_path / "clips"))
    assert open_bytes(found.location).at(0, 9) == b"beside"


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.string(), pa.large_string()])
def test_columns_of_bytes_or_of_paths_are_taken_when_named(write: Write, tmp_path: Path, kind: pa.DataType) -> None:
    (tmp_path / "a.wav").write_bytes(b"a.wav")
    path = write("p.parquet", ["a.wav"] if "string" in str(kind) else [b"a.wav"], kind)
    (found,) = _all(path, column="audio")
    assert open_bytes(found.location).at(0, 9) == b"a.wav"
    with pytest.raises(SourceError, match=r"p\.parquet has no column of bytes and path, but audio; name one with"):
        _all(path)


def test_the_column_must_be_clear_and_there(write: Write) -> None:
    path = write("p.parquet", _sounds("a.wav"), other=pa.array(_sounds("b.wav"), AUDIO), number=[1])
    with pytest.raises(SourceError, match=r"several columns of sound \(audio, other\)"):
        _all(path)
    with pytest.raises(SourceError, match="has no column 'sound', found audio, other, number"):
        _all(path, column="sound")
    with pytest.raises(SourceError, match="column 'number' is int64, expected bytes, paths or both"):
        _all(path, column="number")
    (found,) = _all(path, column="other")
    assert found.source == "p.parquet/b.wav"
    with pytest.raises(SourceError, match=r"p\.parquet has no column 'sentence', which source\.fields names"):
        _all(path, column="audio", fields={"transcript": "sentence"})


def test_a_row_that_says_what_cannot_be_is_a_mistake_with_its_place(write: Write) -> None:
    path = write("p.parquet", _sounds("a", "b", "c"), duration=[1.0, 2.0, -3.0])
    with pytest.raises(SourceError, match=r"p\.parquet, row 0 of row group 1: duration_s: .*, found -3\.0"):
        _all(path)
    path = write("q.parquet", _sounds("a"), speaker=pa.array([{"id": "x"}]))
    with pytest.raises(SourceError, match="row 0 of row group 0: speaker: "):
        _all(path)
    assert _all(path, fields={"speaker": None})[0].speaker is None
    assert _all(path, fields={"speaker": "speaker.id"})[0].speaker == "x"


def test_a_damaged_file_stands_for_its_rows(write: Write) -> None:
    good = write("b.parquet", _sounds("b.wav"))
    (good.parent / "a.parquet").write_bytes(good.read_bytes()[:-20])
    lost, found = _all(good.parent)
    with pytest.raises(RecordingError, match=r"every row in .*a\.parquet is lost: .*cannot be read as Parquet"):
        open_bytes(lost.location)
    assert found.source == "b.parquet/b.wav"


def test_a_damaged_row_group_costs_its_own_rows(write: Write) -> None:
    path = write("p.parquet", _sounds(*"abcdef"), text=["words " * 50 + name for name in "uvwxyz"])
    content = bytearray(path.read_bytes())
    at = content.index(b"words " * 50 + b"w")
    content[at - 24 : at - 4] = bytes(20)
    path.write_bytes(content)
    found = _all(path)
    assert [one.source for one in found if "&refused=" in one.location] == ["p.parquet/row group 1 from row 0 on"]
    assert [one.source[-1] for one in found if "&refused=" not in one.location] == ["a", "b", "e", "f"]


def test_a_storage_that_fails_while_listing_is_no_damage(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write("p.parquet", _sounds(*"abcdef"))
    monkeypatch.setattr("fcaps_pipeline.annotate.sources.blocks._BLOCK_ROWS", 1)
    listing = iter(_listing(path))
    next(listing)

    def failing(file: int, size: int, offset: int) -> bytes:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("os.pread", failing)
    with pytest.raises(StorageError, match="cannot be read"):
        list(listing)


def test_a_run_inside_the_folder_is_no_part_of_the_corpus(write: Write) -> None:
    path = write("corpus/a.parquet", _sounds("a.wav"))
    write("corpus/run/data/unit-0.parquet", _sounds("b.wav"))
    assert len(_all(path.parent)) == 2
    (path.parent / "run" / "job.json").write_text("{}")
    assert len(_all(path.parent)) == 1


def test_parquet_is_told_from_other_sources(write: Write) -> None:
    path = write("data/train-0.parquet", _sounds("a.wav"))
    for location in (path, path.parents[1], path.parent / "train-*.parquet"):
        assert detect_source(location).kind == "parquet"
    with pytest.raises(SourceError, match="has no row"):
        _all(write("empty.parquet", []))
