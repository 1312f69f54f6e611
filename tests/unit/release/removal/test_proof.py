"""Nothing that was taken back is left, and what is planted is found in every kind of file."""

import gzip
import json
import sqlite3
import zlib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fcaps_pipeline.release.removal.from_run import take_back_from_run
from fcaps_pipeline.release.removal.needles import needle
from fcaps_pipeline.release.removal.proof import prove
from fcaps_pipeline.release.removal.request import Request
from fcaps_pipeline.release.removal.search import Needle, Search
from fcaps_pipeline.shards.layout import RunLayout
from fcaps_pipeline.shards.recording_table import id_hashes
from fcaps_pipeline.storage.path import store_path
from tests.unit.release.removal.spoken_run import segment_ids

CAPTION = "A voice that nobody may hear again begins softly."
SHA256 = "0123456789abcdef" * 4
SEARCH = Search(
    [
        needle("the-secret-recording", "recording id"),
        needle(CAPTION, "caption"),
        needle("Grüße, “hier” spricht …", "transcript"),
        needle(SHA256, "sample checksum"),
        needle("al", "speaker"),
    ]
)


def _parquet(path: Path) -> None:
    table = pa.table({"captions": [[{"text": "nothing"}, {"text": CAPTION}]], "other": ["plain"]})
    pq.write_table(table, path, compression="zstd")


def _dictionary(path: Path) -> None:
    column = pa.DictionaryArray.from_arrays(pa.array([0, 0], pa.int32()), pa.array(["stays", CAPTION]))
    pq.write_table(pa.table({"text": column}), path, compression="zstd")


def _short_value(path: Path) -> None:
    pq.write_table(pa.table({"speaker": ["alan", "al"]}), path)


def _database(path: Path, *, leaves: bool) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA secure_delete = OFF")
        database.execute("CREATE TABLE answers (answer BLOB)")
        database.execute("INSERT INTO answers VALUES (?)", (zlib.compress(CAPTION.encode()),))
        database.commit()
        if not leaves:
            database.execute("DELETE FROM answers")
            database.commit()


PLANTED: dict[str, Callable[[Path], object]] = {
    "run.log.jsonl": lambda path: path.write_text('{"message": "the-secret-recording: no audio"}\n'),
    "report.json": lambda path: path.write_text(json.dumps({"failures": ["Grüße, “hier” spricht …"]})),
    "unicode.json": lambda path: path.write_text(json.dumps(["Grüße, “hier” spricht …"], ensure_ascii=False)),
    "speaker.json": lambda path: path.write_text(json.dumps({"speaker": "al"})),
    "lines.jsonl": lambda path: path.write_text('{"a": 1}\n{"speaker": "al"}\n'),
    "nested.parquet": _parquet,
    "dictionary.parquet": _dictionary,
    "short.parquet": _short_value,
    "torn.parquet": lambda path: path.write_bytes(b"PAR1" + CAPTION.encode()),
    "answers.sqlite": lambda path: _database(path, leaves=True),
    "freed.sqlite": lambda path: _database(path, leaves=False),
    "list.txt.gz": lambda path: path.write_bytes(gzip.compress(CAPTION.encode())),
    "figure.png": lambda path: path.write_bytes(b"\x89PNG" + bytes(9) + CAPTION.encode() + bytes(9)),
    "ids-00001.bin": lambda path: path.write_bytes(
        np.array([5, *id_hashes(pa.array(["the-secret-recording"])), 0, 0], np.uint64).tobytes()
    ),
    "digest.bin": lambda path: path.write_bytes(b"xyz" + bytes.fromhex(SHA256)),
    ".hidden.tmp": lambda path: path.write_text(SHA256),
    "the-secret-recording.wav": lambda path: path.write_bytes(b""),
}


@pytest.mark.parametrize("name", PLANTED)
def test_what_is_planted_is_found_in_every_kind_of_file(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    PLANTED[name](tmp_path / "folder" / name)
    proof = prove(store_path(tmp_path), SEARCH)
    assert [hit.path for hit in proof.hits] == [f"folder/{name}"]
    assert proof.num_files == 1
    assert proof.num_bytes == (tmp_path / "folder" / name).stat().st_size


def test_what_only_resembles_is_not_found(tmp_path: Path) -> None:
    content = {"id": ["the-secret-recording2", "not_the-secret-recording"], "speaker": "alan", "text": CAPTION[1:]}
    (tmp_path / "a.json").write_text(json.dumps(content))
    assert prove(store_path(tmp_path), SEARCH).hits == []
    segment = {"segment_id": "the-secret-recording-c0-000000000-000016000"}
    (tmp_path / "a.json").write_text(json.dumps(segment))
    (hit,) = prove(store_path(tmp_path), SEARCH).hits
    assert (hit.place, hit.needle.what) == ("byte 16", "recording id")


def test_a_needle_is_found_wherever_it_lies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fcaps_pipeline.release.removal.search._CHUNK_BYTES", 100)
    names = [f"name-{number:04d}" for number in range(50)]
    search = Search([Needle(name, "name", "name") for name in names])
    rng = np.random.default_rng(0)
    content, places = bytearray(), {}
    for name in names:
        content += bytes(rng.integers(128, 256, rng.integers(1, 90), np.uint8))
        places[name] = len(content)
        content += name.encode()
    assert {found.value: place for place, found in search.inside(bytes(content))} == places


def test_nothing_is_left_of_a_speaker(run: RunLayout) -> None:
    request = Request(what="speaker", values=("speaker-anna",), reason="asked")
    rehearsed = take_back_from_run(run.root, request, proves=True, is_dry=True)
    assert rehearsed.proof is not None
    assert {hit.path.partition("/")[0] for hit in rehearsed.proof.hits} >= {"data", "plan"}
    account = take_back_from_run(run.root, request, proves=True)
    assert account.proof is not None
    assert account.proof.hits == []
    assert account.num_needles > 30
    again = take_back_from_run(run.root, request, proves=True)
    assert (again.is_changed, again.proof and again.proof.hits) == (False, [])


def test_of_a_segment_only_what_is_its_own_is_looked_for(run: RunLayout) -> None:
    request = Request(what="segment", values=(segment_ids("talk-both")[0],), reason="asked")
    account = take_back_from_run(run.root, request, proves=True)
    assert account.proof is not None
    assert account.proof.hits == []
    assert account.num_shared >= 3  # its Recording, source and speaker are those of others too
    assert b"words 0 of talk-both" not in b"".join(path.read() for path in run.root.list())
