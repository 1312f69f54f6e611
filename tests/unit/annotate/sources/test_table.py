"""Tables with a header: the columns are mapped, the rows are lines of a manifest."""

import csv
import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fcaps_pipeline.annotate.sources.detection import detect_source
from fcaps_pipeline.annotate.sources.listing import list_recordings
from fcaps_pipeline.errors import SourceError
from fcaps_pipeline.jobs.sources import TableSource
from fcaps_pipeline.records.audio import Recording

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def run(text: str, name: str = "t.csv") -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return run


def _all(path: Path, **more: Any) -> list[Recording]:
    return list(list_recordings(TableSource(kind="table", path=str(path), **more)))


def test_columns_are_mapped_and_the_rest_travels(write: Write, tmp_path: Path) -> None:
    path = write('\ufeffwav,sentence,who,tags,sex,up\n1.wav,"One, two.",7,calm; low ;,f,3\n2.wav,,,,,\n')
    fields = {"path": "wav", "transcript": "sentence", "speaker": "who", "speaker_gender": "sex"}
    first, second = _all(
        path, fields=fields, language="en", license="CC0-1.0", corpus="C", audio_root=str(tmp_path / "w")
    )
    assert first.model_dump(exclude_defaults=True) == {
        "recording_id": "1_wav",
        "location": str(tmp_path / "w" / "1.wav"),
        "source": "1.wav",
        "transcript": "One, two.",
        "speaker": "7",
        "speaker_gender": "female",
        "tags": ("calm", "low"),
        "language": "en",
        "license": "CC0-1.0",
        "corpus": "C",
        "extra": '{"up":"3","gender":"f"}',
    }
    assert (second.transcript, second.tags, second.extra) == (None, (), None)


def test_rows_with_an_offset_are_segments(write: Write) -> None:
    path = write("path\toffset\tduration\ttext\na.wav\t0\t2\tOne.\na.wav\t2\t2.5\tTwo.\n", "t.tsv")
    (found,) = _all(path)
    assert [(one.start_s, one.end_s, one.transcript) for one in found.cuts or ()] == [(0, 2, "One."), (2, 4.5, "Two.")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no line"),
        ("path,text\n", "holds no line"),
        ("path;text\na;b\n", r"t\.csv:1: one column alone, 'path;text'; set source.separator to ';'"),
        ("path,path\na,b\n", r"t\.csv:1: two columns have the name 'path'"),
        ("path,,\na,b,c\n", r"t\.csv:1: two columns have no name"),
        ("path,text\na,b\nc\n", r"t\.csv:3: 1 cells, the header has 2"),
        ('path,text\na,b\nc,"open\nd,e\n', r"t\.csv:4: no row of a table \(unexpected end of data\)"),
        ("path,duration\na,1\nb,long\n", r"t\.csv:3: duration_s: .*found 'long'"),
        ("text\nwords\n", r"t\.csv:2: the field 'path' is missing"),
        ("path,trancript\na,b\n", r"t\.csv:2: unknown field 'trancript'; did you mean 'transcript'\?"),
        ("path,text\n" + "a," + "x" * 200_000 + "\n", r"t\.csv:2: no row of a table \(field larger"),
        ("path,offset\na,1\n", r"t\.csv:2: a line with an offset is one segment"),
    ],
)
def test_mistakes_are_told_with_their_line(write: Write, text: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        _all(write(text))


def test_columns_that_the_job_names_must_be_there(write: Write) -> None:
    path = write("wav,text\na.wav,b\n")
    with pytest.raises(SourceError, match=r"t\.csv:1: no column 'audio', which source\.fields names; found wav, text"):
        _all(path, fields={"path": "audio"})
    assert _all(path, fields={"path": "wav", "transcript": None})[0].transcript is None


def test_what_is_no_utf8_is_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"path,text\na.wav,caf\xe9\n")
    with pytest.raises(SourceError, match=r"t\.csv:2: no UTF-8 .*iconv"):
        _all(path)


def test_tables_are_told_from_other_lists(write: Write, tmp_path: Path) -> None:
    path = write("path|text\na.wav|b\n")
    assert _all(path, separator="|")[0].transcript == "b"
    (tmp_path / "t.tsv.gz").write_bytes(gzip.compress(b"path\ttext\na.wav\tb\n"))
    for location in (path, tmp_path / "t.tsv.gz"):
        assert detect_source(location).kind == "table"
    assert _all(tmp_path / "t.tsv.gz")[0].transcript == "b"


_cells = st.text(st.characters(blacklist_categories=["Cs", "Cc"]), max_size=20).map(str.strip)


@given(st.lists(st.tuples(_cells, _cells), min_size=1, max_size=5))
def test_cells_are_those_that_a_writer_wrote(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]
) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["path", "text", "note"])
    writer.writerows([f"{number}.wav", *cells] for number, cells in enumerate(rows))
    path = tmp_path_factory.mktemp("tables") / "t.csv"
    path.write_text(text.getvalue(), encoding="utf-8")
    found = _all(path)
    assert [(one.transcript or "", json.loads(one.extra or "{}").get("note", "")) for one in found] == rows
