"""Sources that lie on a store tell what they tell on a file system."""

import gzip
import io
import json
import tarfile
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fcaps_pipeline.annotate.sources.detection import detect_source
from fcaps_pipeline.annotate.sources.listing import Listing, list_recordings
from fcaps_pipeline.audio.byte_source import open_bytes
from fcaps_pipeline.errors import RecordingError, SourceError, StorageError, UsageError
from fcaps_pipeline.jobs.sources import KaldiSource, LhotseSource, ManifestSource, ParquetSource, TarSource
from fcaps_pipeline.records.audio import Recording
from fcaps_pipeline.storage.path import StorePath, store_path

Fill = Callable[[dict[str, bytes]], StorePath]
_NUMBERS = count()


@pytest.fixture
def fill() -> Fill:
    """Puts files below a prefix of a store of its own."""

    def create(files: dict[str, bytes]) -> StorePath:
        root = store_path(f"memory://corpora-{next(_NUMBERS)}/speech")
        for name, content in files.items():
            (root / name).put(content)
        return root

    return create


def _listed(where: StorePath) -> tuple[Listing, list[Recording]]:
    listing = list_recordings(detect_source(str(where)))
    return listing, list(listing)


def _as_on_disk(files: dict[str, bytes], folder: Path) -> list[Recording]:
    """The same files in a folder."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return list(list_recordings(detect_source(folder)))


def _told(recordings: list[Recording]) -> list[Recording]:
    """Without where they are."""
    return [one.model_copy(update={"location": ""}) for one in recordings]


def test_a_folder_is_listed_in_the_order_of_its_paths_and_the_rest_is_counted(fill: Fill, tmp_path: Path) -> None:
    files = dict.fromkeys(("b.wav", "a/2 #é.mp3", "a/1.flac", "a.wav", ".x.wav", "c/.h/x.wav", "c/notes.pdf"), b"x")
    root = fill(files)
    (root.parent / "speech-2/other.wav").put(b"x")
    listing, recordings = _listed(root)
    assert [one.source for one in recordings] == ["a/1.flac", "a/2 #é.mp3", "a.wav", "b.wav"]
    assert _told(recordings) == _told(_as_on_disk(files, tmp_path))
    assert recordings[1].location == f"{root}/a/2%20%23%C3%A9.mp3"
    assert open_bytes(recordings[1].location).at(0, 9) == b"x"
    assert dict(listing.passed_over.by_suffix) == {".pdf": 1}


def test_texts_beside_audio_are_named_where_they_are_not_read(fill: Fill) -> None:
    root = fill({"a.wav": b"x", "a.txt": b"Words.", "b/a.json": b"{}", "b/b.JSON": b"{}"})
    listing, (recording,) = _listed(root)
    assert recording.transcript is None
    assert dict(listing.passed_over.by_suffix) == {".txt": 1, ".json": 2}
    assert listing.passed_over.notes == [
        f"{root}: 2 x .json and 1 x .txt are not read on a store; let a manifest tell what they say"
    ]


def test_runs_among_the_files_are_no_part_of_the_corpus(fill: Fill) -> None:
    root = fill({"a.wav": b"x", "run/job.json": b"{}", "run/data/deep/b.wav": b"x", "ran/c.wav": b"x"})
    assert [one.source for one in _listed(root)[1]] == ["a.wav", "ran/c.wav"]


def test_one_audio_file_is_a_source(fill: Fill) -> None:
    (recording,) = _listed(fill({"a/one.wav": b"x"}) / "a/one.wav")[1]
    assert (recording.recording_id, recording.source) == ("one_wav", "one.wav")


_LINES = [
    {"path": "a/1.wav", "text": "One."},
    {"path": "../beside/2 #.wav"},
    {"path": "/data/3.wav"},
    {"path": "s3://bucket/4.wav"},
    {"path": "../../../5.wav"},
]


@pytest.mark.parametrize("in_columns", [True, False])
@pytest.mark.parametrize("name", ["list.jsonl", "list.json", "list.jsonl.gz", "list.jsonl.zst", "list.parquet"])
def test_paths_of_a_list_start_where_it_lies(fill: Fill, name: str, in_columns: bool) -> None:  # noqa: FBT001
    lines = _LINES if in_columns else [{**line, "mood": "glad"} for line in _LINES]
    root = fill({f"lists/{name}": _list_of(lines, name)})
    recordings = _listed(root / f"lists/{name}")[1]
    assert [one.location for one in recordings] == [
        f"{root}/lists/a/1.wav",
        f"{root}/beside/2%20%23.wav",
        "/data/3.wav",
        "s3://bucket/4.wav",
        f"{root.store.uri}/../5.wav",
    ]
    assert [one.source for one in recordings] == ["a/1.wav", "2 #.wav", "3.wav", "4.wav", "5.wav"]
    assert recordings[0].recording_id == "a--1_wav"
    assert recordings[0].transcript == "One."
    with pytest.raises(RecordingError, match="no name for an object"):
        open_bytes(recordings[-1].location)


def _list_of(lines: list[dict[str, str]], name: str) -> bytes:
    content = "".join(f"{json.dumps(line)}\n" for line in lines).encode()
    if name.endswith(".json"):
        return json.dumps(lines).encode()
    if name.endswith(".gz"):
        return gzip.compress(content)
    if name.endswith(".zst"):
        return bytes(pa.compress(content, "zstd", asbytes=True))
    return _parquet(pa.Table.from_pylist(lines)) if name.endswith(".parquet") else content


def _parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


def test_many_plain_lines_are_as_lines_one_by_one(fill: Fill) -> None:
    names = ["a/b.wav", "é/ü.wav", "with space.wav", "hash#.wav", "a//b.wav", "./c.wav", "s3://b/x.wav", "per%cent.wav"]
    plain, odd = (
        [{"path": f"{number}/{name}", **more} for number, name in enumerate(names)] for more in ({}, {"x": "y"})
    )
    root = fill({"plain.jsonl": _list_of(plain, "plain.jsonl"), "odd.jsonl": _list_of(odd, "odd.jsonl")})
    found = [_listed(root / name)[1] for name in ("plain.jsonl", "odd.jsonl")]
    assert found[0] == [one.model_copy(update={"extra": None}) for one in found[1]]


def test_an_audio_root_may_be_a_store(fill: Fill, tmp_path: Path) -> None:
    root = fill({"a.wav": b"x"})
    (tmp_path / "list.jsonl").write_text('{"path": "a.wav"}')
    source = ManifestSource(kind="manifest", path=str(tmp_path / "list.jsonl"), audio_root=str(root))
    assert [one.location for one in list_recordings(source)] == [f"{root}/a.wav"]


def test_a_table_and_lines_of_lhotse(fill: Fill) -> None:
    recording = {
        "id": "r",
        "sources": [{"type": "file", "channels": [0], "source": "a.wav"}],
        "sampling_rate": 16000,
        "num_samples": 16000,
        "duration": 1.0,
    }
    root = fill({"t.tsv": b"path\ttext\na.wav\tOne.\n", "l.jsonl": json.dumps(recording).encode()})
    for name in ("t.tsv", "l.jsonl"):
        assert [one.location for one in _listed(root / name)[1]] == [f"{root}/a.wav"]


def _tar(members: dict[str, bytes]) -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return sink.getvalue()


def test_members_of_tars_are_found_where_they_lie(fill: Fill, tmp_path: Path) -> None:
    members = {"a.mp3": b"sound of a", "a.json": b'{"id": "utt-a", "text": "One."}', "b.mp3": b"sound of b"}
    files = {
        "EN/0.tar": _tar(members),
        "EN/1.tar": _tar({"c.mp3": b"sound of c"}),
        "EN/deep/2.tar": _tar({"d.mp3": b"d"}),
    }
    root = fill(files)
    recordings = _listed(root)[1]
    assert _told(recordings) == _told(_as_on_disk(files, tmp_path))
    assert recordings[0].location == f"{root}/EN/0.tar#name=a.mp3&offset=512&bytes=10"
    assert open_bytes(recordings[0].location).at(0, 99) == b"sound of a"
    pattern = TarSource(kind="tar", path=f"{root}/EN/*.tar")
    assert detect_source(pattern.path) == pattern
    assert [one.source for one in list_recordings(pattern)] == ["0.tar/a.mp3", "0.tar/b.mp3", "1.tar/c.mp3"]
    with pytest.raises(SourceError, match="does not exist"):
        list_recordings(TarSource(kind="tar", path=f"{root}/DE/*.tar"))


def test_an_empty_tar_fails_by_name_and_a_broken_one_keeps_what_came_before(fill: Fill) -> None:
    whole = _tar({"a.mp3": b"x" * 600})
    listing, recordings = _listed(fill({"0.tar": b"", "1.tar": whole[: 512 + 600]}))
    assert [one.source for one in recordings] == ["0.tar", "1.tar/a.mp3"]
    assert any("breaks off" in note for note in listing.passed_over.notes)


def test_rows_of_parquet_hold_their_sound_or_name_it(fill: Fill) -> None:
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    values = [{"bytes": b"sound", "path": "a.mp3"}, {"bytes": None, "path": "b.mp3"}]
    root = fill({"data/train.parquet": _parquet(pa.table({"audio": pa.array(values, kind)}))})
    recordings = _listed(root)[1]
    assert isinstance(detect_source(str(root)), ParquetSource)
    assert [one.location for one in recordings] == [
        f"{root}/data/train.parquet#column=audio&row_group=0&row=0",
        f"{root}/data/b.mp3",
    ]
    assert open_bytes(recordings[0].location).at(0, 9) == b"sound"


def test_lhotse_shar_is_read_where_it_lies(fill: Fill) -> None:
    cut = {
        "id": "cut-1",
        "start": 0.0,
        "duration": 1.0,
        "channel": 0,
        "type": "MonoCut",
        "supervisions": [],
        "recording": {
            "id": "r",
            "sources": [{"type": "shar", "channels": [0], "source": ""}],
            "sampling_rate": 16000,
            "num_samples": 16000,
            "duration": 1.0,
        },
    }
    root = fill(
        {
            "cuts.000000.jsonl.gz": gzip.compress(json.dumps(cut).encode()),
            "recording.000000.tar": _tar({"cut-1.flac": b"sound", "cut-1.json": b"{}"}),
        }
    )
    assert isinstance(detect_source(str(root)), LhotseSource)
    (recording,) = _listed(root)[1]
    assert recording.location == f"{root}/recording.000000.tar#name=cut-1.flac&offset=512&bytes=5"


def test_what_is_not_there_and_what_a_store_cannot_be(fill: Fill, monkeypatch: pytest.MonkeyPatch) -> None:
    root = fill({"wav.scp": b"a a.wav\n"})
    with pytest.raises(SourceError, match=f"{root}/none does not exist; give"):
        detect_source(f"{root}/none")
    with pytest.raises(UsageError, match="must lie on a file system"):
        list_recordings(KaldiSource(kind="kaldi", path=str(root)))
    with pytest.raises(SourceError, match="is a folder, expected a list"):
        list_recordings(ManifestSource(kind="manifest", path=str(root)))
    with pytest.raises(UsageError, match="no storage of the kind https"):
        detect_source("https://host/speech")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "none")
    with pytest.raises(StorageError, match="no credentials are found"):
        detect_source("s3://bucket/speech")
