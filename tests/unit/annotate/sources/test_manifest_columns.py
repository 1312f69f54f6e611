"""Lines of a manifest that are read in columns are what they are one by one: same Recordings, same mistakes."""

import gzip
import json
import string
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fcaps_pipeline.annotate.sources.detection import detect_source
from fcaps_pipeline.annotate.sources.fields import NO_NAMES
from fcaps_pipeline.annotate.sources.jsonl import read_jsonl
from fcaps_pipeline.annotate.sources.listing import list_recordings
from fcaps_pipeline.annotate.sources.manifest import ManifestLine, list_lines
from fcaps_pipeline.annotate.sources.manifest_columns import plain_lines, plain_rows
from fcaps_pipeline.annotate.sources.manifest_file import row_by_row
from fcaps_pipeline.errors import SourceError
from fcaps_pipeline.jobs.sources import ManifestSource
from fcaps_pipeline.records.audio import Recording
from fcaps_pipeline.shards.recording_table import recordings_of

_LETTERS = string.ascii_lowercase[:4] + "AZ09_- .#é中\\'\u0301\u200b\x1f\x85\u2028\U0001f600"
_names = st.text(_LETTERS, min_size=1, max_size=8)
_steps = st.one_of(_names, st.sampled_from(["..", ".", "", "a.wav", "b-c.flac", "x.tar.gz", "a--b.wav", "-a", "b-"]))
_paths = st.one_of(
    st.lists(_steps, min_size=1, max_size=4).map("/".join),
    st.lists(_steps, min_size=1, max_size=3).map(lambda steps: "ROOT/" + "/".join(steps)),
    st.lists(_steps, min_size=1, max_size=3).map(lambda steps: "/" + "/".join(steps)),
    st.sampled_from(["s3://b/k.wav", "file:///a%20b.wav", "/", "a" * 210 + ".wav", "", "a\0b", "file:///t.tar#x"]),
)
_ids = st.one_of(_names, st.sampled_from(["a", "b", "", "x" * 201, "a/b", 7, 1.5, True, "\ud83d\ude00"]))
_texts = st.one_of(st.none(), st.text(max_size=4), st.sampled_from(["", " ", "\0", 3, False]))
_seconds = st.one_of(
    st.none(), st.floats(0, 1e9), st.integers(0, 10**12), st.sampled_from([-1.0, -0.0, 1e9, 1e300, "3.5", "x", True])
)
_tags = st.one_of(st.none(), st.lists(st.sampled_from(["calm", "", " ", "\u2003", "\x1c", None, 4, "é"]), max_size=3))
_plain = st.fixed_dictionaries(
    {"path": _paths},
    optional={"id": _names, "transcript": st.text(max_size=4), "duration_s": st.floats(0, 1e9), "speaker": _names},
)
_others = st.fixed_dictionaries(
    {},
    optional={
        "path": _paths,
        "audio": _paths,
        "id": _ids,
        "transcript": _texts,
        "text": _texts,
        "speaker": _texts,
        "language": _texts,
        "lang": _texts,
        "tags": _tags,
        "licence": _texts,
        "corpus": _texts,
        "duration_s": _seconds,
        "duration": _seconds,
        "offset": st.sampled_from([None, 0, 1.5]),
        "segments": st.sampled_from([None, [], [{"start_s": 0, "end_s": 1}]]),
        "gender": st.sampled_from([None, "f"]),
        "mood": st.sampled_from(["gay", {"a": [1]}]),
        "speakr": st.just("x"),
    },
)
_texts_of_lines = st.one_of(
    st.builds(json.dumps, _plain, ensure_ascii=st.booleans()),
    st.builds(json.dumps, _plain, ensure_ascii=st.booleans()),
    st.builds(json.dumps, _others, ensure_ascii=st.booleans()),
    st.sampled_from(
        [
            "",
            "  ",
            "broken",
            "{}",
            "[1]",
            "null",
            '{"path": "a.wav"} ',
            ' {"path": "a.wav"}',
            '{"path": "a.wav"}\r',
            '{"path": "a.wav", "path": "b.wav"}',
            '{"path": "a.wav"} {"path": "b.wav"}',
            '{"path": "a.wav"}{"path": "b.wav"}',
            '{"path":',
            '"a.wav"}',
            '{"path": "a.wav", "duration_s": 01}',
            '{"path": "a.wav", "duration_s": NaN}',
            '{"path": "a.wav", "duration_s": 1E3}',
            '{"path": "a.wav", "duration_s": .5}',
            '{"path": "a.wav", "speaker": "\\ud800"}',
            '{"path": "a.wav", "speaker": "\\udc00x"}',
            '{"path": "a.wav", "speaker": "\\u0000"}',
            '{"path": "a.wav", "speaker": "tab\there"}',
            '{"p\\u0061th": "a.wav"}',
            '{"path": "a.wav",}',
            '{"path": "a.wav" /* */}',
            "{'path': 'a.wav'}",
            '{"path": "a.wav", "tags": "calm"}',
            '{"path": "a.wav", "tags": [["calm"]]}',
            '{"path": "a.wav", "speaker": {"id": 1}}',
        ]
    ),
).map(lambda text: text.encode("utf-8", "surrogatepass"))
_lines = st.one_of(_texts_of_lines, _texts_of_lines, st.sampled_from([b'{"path": "\xff.wav"}', b"\xef\xbb\xbf{}"]))
_manifests = st.builds(
    lambda lines, end: b"\n".join(lines) + end, st.lists(_lines, max_size=9), st.sampled_from([b"", b"\n"])
)
Outcome = tuple[list[Recording], str | None]


def _one_by_one(path: Path, lines: Iterable[tuple[int, ManifestLine]]) -> Outcome:
    """What the same lines are without columns."""
    found: list[Recording] = []
    first: dict[str, str] = {}
    try:
        for recording, where in list_lines(lines, None, path):
            if (before := first.setdefault(recording.recording_id, where)) is not where:
                return found, f"two recordings have the id {recording.recording_id!r}: {before} and {where}"
            found.append(recording)
    except SourceError as error:
        return found, str(error)
    return found, None


def _as_listed(path: Path) -> Outcome:
    found: list[Recording] = []
    try:
        for recording in list_recordings(ManifestSource(kind="manifest", path=str(path))):
            found.append(recording)  # noqa: PERF402 - those before a mistake count
    except SourceError as error:
        return found, str(error)
    return found, None


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lists")


@settings(max_examples=400)
@given(content=_manifests, block_bytes=st.sampled_from([1, 60, 200, 8_000_000]))
def test_columns_and_lines_are_the_same(folder: Path, content: bytes, block_bytes: int) -> None:
    path = folder / "m.jsonl"
    path.write_bytes(content.replace(b"ROOT", str(folder).encode()))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fcaps_pipeline.annotate.sources.jsonl._BLOCK_BYTES", block_bytes)
        found, mistake = _as_listed(path)
    expected, expected_mistake = _one_by_one(path, read_jsonl(path, ManifestLine))
    if expected_mistake is not None and expected_mistake.startswith("two recordings"):
        assert mistake is not None
        assert mistake.startswith(expected_mistake)
        assert found[: len(expected)] == expected
    else:
        assert (found, mistake) == (expected, expected_mistake)


@settings(max_examples=200)
@given(lines=st.lists(_plain, min_size=1, max_size=6), is_ascii=st.booleans())
def test_plain_lines_are_read_in_columns(folder: Path, lines: list[dict[str, Any]], *, is_ascii: bool) -> None:
    lines = [{**line, "path": line["path"].replace("\0", "") or "a"} for line in lines]
    path = folder / "plain.jsonl"
    path.write_bytes(b"".join(json.dumps(line, ensure_ascii=is_ascii).encode() + b"\n" for line in lines))
    table = plain_lines(path.read_bytes(), folder)
    assert table is not None
    rows = list_lines(read_jsonl(path, ManifestLine), None, path)
    assert list(recordings_of(table)) == [one.recording for one in rows]


_columns: dict[str, list[st.SearchStrategy[Any]]] = {
    "path": [st.one_of(_paths, st.none())],
    "audio": [st.none(), _paths],
    "id": [_names, st.integers(-5, 2**60), st.one_of(st.none(), _names), st.floats(0, 9)],
    "text": [st.one_of(st.none(), st.text(max_size=3)), st.integers(0, 9), st.booleans()],
    "speaker": [st.one_of(st.none(), _names), st.sampled_from(["", "a"])],
    "tags": [_tags.filter(lambda tags: 4 not in (tags or ()))],
    "duration": [st.floats(0, 1e9), st.sampled_from([None, float("nan"), -1.0, 2e9]), st.integers(0, 10**9)],
    "mood": [st.none(), st.sampled_from(["gay", "sad"])],
    "offset": [st.none(), st.sampled_from([0.0, 1.0])],
}


@st.composite
def _tables(draw: st.DrawFn) -> pa.Table:
    num_rows = draw(st.integers(0, 6))
    names = draw(st.sets(st.sampled_from(sorted(_columns.keys() - {"path"})), max_size=4)) | {"path"}
    kinds = {name: draw(st.sampled_from(_columns[name])) for name in sorted(names)}
    return pa.table({name: pa.array([draw(kind) for _ in range(num_rows)]) for name, kind in kinds.items()})


@settings(max_examples=300)
@given(table=_tables(), batch=st.sampled_from([1, 2, 65_536]))
def test_rows_of_parquet_in_columns_and_one_by_one_are_the_same(folder: Path, table: pa.Table, batch: int) -> None:
    path = folder / "m.parquet"
    pq.write_table(table, path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fcaps_pipeline.annotate.sources.manifest_file._BATCH_ROWS", batch)
        found, mistake = _as_listed(path)
    expected, expected_mistake = _one_by_one(path, row_by_row(table, 1, path, NO_NAMES))
    if expected_mistake is not None and expected_mistake.startswith("two recordings"):
        assert mistake is not None
        assert mistake.startswith(expected_mistake)
    else:
        assert (found, mistake) == (expected, expected_mistake)


def test_plain_rows_are_read_in_columns(folder: Path) -> None:
    rows = pa.table({"path": ["a.wav", "b/c.wav"], "id": [7, 8], "duration": pa.array([1, 2], pa.float32())})
    table = plain_rows(rows, folder)
    assert table is not None
    assert [(one.recording_id, one.source, one.duration_s) for one in recordings_of(table)] == [
        ("7", "a.wav", 1.0),
        ("8", "b/c.wav", 2.0),
    ]
    assert plain_rows(rows.append_column("mood", pa.array(["gay", None])), folder) is None


def test_lines_with_fields_of_others_are_read_in_columns(folder: Path) -> None:
    lines = [
        {"path": "a.wav", "duration_s": 2, "gender": "F", "mood": {"of": ["day", 1.0, None]}, "mos": None},
        {"path": "b.wav", "id": "x", "mos": 3.0},
    ]
    table = plain_lines(b"".join(json.dumps(line).encode() + b"\n" for line in lines), folder)
    assert table is not None
    assert [(one.source, one.speaker_gender, one.extra) for one in recordings_of(table)] == [
        ("a.wav", "female", '{"gender":"F","mood":{"of":["day",1.0,null]}}'),
        ("b.wav", None, '{"mos":3.0}'),
    ]
    for name in ("speakr", "start_s", "segments", "offset"):  # a mistake, or not plain
        assert plain_lines(json.dumps({"path": "a.wav", name: 1}).encode(), folder) is None


def test_what_is_no_parquet_is_named(tmp_path: Path) -> None:
    path = tmp_path / "m.parquet"
    path.write_bytes(b"PAR1 and no more")
    assert "cannot be read as Parquet from row 1 on" in str(_as_listed(path)[1])
    assert detect_source(path).kind == "parquet"
    pq.write_table(pa.table({"path": pa.array([], pa.string())}), path)
    assert detect_source(path).kind == "manifest"
    assert "holds no line" in str(_as_listed(path)[1])


def test_a_damaged_list_is_told_where_it_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fcaps_pipeline.annotate.sources.jsonl._BLOCK_BYTES", 100_000)
    path = tmp_path / "m.jsonl.gz"
    lines = b"".join(b'{"path": "%06d.wav"}\n' % number for number in range(20_000))
    path.write_bytes(gzip.compress(lines, 1)[:-20])
    found, mistake = _as_listed(path)
    assert (found, mistake) == _one_by_one(path, read_jsonl(path, ManifestLine))
    assert "is not whole gzip data" in str(mistake)
    assert len(found) > 15_000
