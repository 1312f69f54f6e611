"""Rows of every kind of source: each caption at its own sound, and what is missing is counted and bounded."""

import gzip
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile

from fcaps_pipeline.audio.flac import encode_flac
from fcaps_pipeline.errors import SourceError, UsageError
from fcaps_pipeline.learn.data.config import SeparateRuns, Source
from fcaps_pipeline.learn.data.dataloader import read_in_order
from fcaps_pipeline.learn.data.sources import AnySource, read_catalogue
from fcaps_pipeline.learn.data.splits import read_splits
from fcaps_pipeline.records.captions import Granularity
from tests.unit.learn.training.written_runs import Annotate, MakeAudio, RunWriter, corpus

_BOTH = frozenset(Granularity)


def _pcm(number: int) -> Any:
    """A tone whose pitch tells the clip."""
    return (9000 * np.sin(np.arange(8000) * 0.02 * (number + 1))).astype(np.int16)


def _heard(*sources: AnySource) -> dict[str, tuple[Any, ...]]:
    """What a training hears and reads of each Recording; audio as the number of the clip."""
    found = {}
    for batch in read_in_order(read_catalogue(sources), _BOTH, batch_s=60.0, num_workers=0):
        assert not batch.bad_rows
        for row, audio_T in zip(batch.rows, batch.audio_BT.numpy(), strict=True):
            distances = [float(np.abs(audio_T[:7000] * 32768 - _pcm(number)[:7000]).mean()) for number in range(6)]
            told = (row.speaker, row.global_captions, row.fine_captions)
            found[row.recording_id] = (int(np.argmin(distances)), *told)
    return found


def _expected(*numbers: int) -> list[tuple[Any, ...]]:
    return [(number, f"s{number}", (f"{number} global",), (f"{number} a", f"{number} b")) for number in numbers]


def _captions(number: int) -> dict[str, Any]:
    return {"short_captions": [f"{number} global"], "long_captions": [f"{number} a", f"{number} b"]}


def _cut(number: int) -> dict[str, Any]:
    """A line as FCaps publishes them."""
    source = {"type": "file", "channels": [0], "source": f"clips/{number}.wav"}
    recording = {"id": f"r{number}", "sources": [source], "sampling_rate": 16000, "num_samples": 8000, "duration": 0.5}
    supervision = {"id": f"r{number}", "recording_id": f"r{number}", "start": 0.0, "duration": 0.5, "channel": 0}
    supervision |= {"speaker": f"s{number}", "custom": _captions(number)}
    cut = {"id": f"r{number}", "start": 0.0, "duration": 0.5, "channel": 0, "type": "MonoCut"}
    return cut | {"supervisions": [supervision], "recording": recording}


def _jsonl(folder: Path, numbers: list[int], written: list[int]) -> Path:
    (folder / "clips").mkdir(parents=True)
    for number in written:
        soundfile.write(folder / "clips" / f"{number}.wav", _pcm(number), 16_000)
    with gzip.open(folder / "cuts.jsonl.gz", "wt") as file:
        file.writelines(json.dumps(_cut(number)) + "\n" for number in numbers)
    return folder / "cuts.jsonl.gz"


def test_cuts_as_fcaps_publishes_them_are_read_where_their_audio_lies(tmp_path: Path) -> None:
    assert list(_heard(_jsonl(tmp_path, [0, 1, 2], [0, 1, 2])).values()) == _expected(0, 1, 2)


def test_missing_audio_is_counted_named_and_bounded(tmp_path: Path) -> None:
    path = str(_jsonl(tmp_path, [0, 1, 2, 3], [0, 3]))
    with pytest.raises(UsageError, match=r"r1 is not at .*clips/1\.wav; .*max_missing of the source \(now 0\)"):
        read_catalogue([path])
    bounded = Source(path=path, max_missing=2)
    assert list(_heard(bounded).values()) == _expected(0, 3)
    other = _jsonl(tmp_path / "dev", [4], [4])
    splits = read_splits(SeparateRuns(kind="runs", train=(bounded,), dev=(str(other),)))
    (note,) = splits.notes
    assert note.startswith(f"2 recordings of {path} are missing and were left out; the first: r1 is not at")


def test_tars_of_webdataset_are_read_in_place(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "train-000000.tar", "w") as tar:
        for number in range(3):
            content = {"speaker": f"s{number}", "duration": 0.5, **_captions(number)}
            for suffix, data in (("flac", encode_flac(_pcm(number))), ("json", json.dumps(content).encode())):
                member = tarfile.TarInfo(f"clip{number}.{suffix}")
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
    assert list(_heard(tmp_path / "train-*.tar").values()) == _expected(0, 1, 2)


def test_a_dataset_of_the_hub_is_read_row_by_row(tmp_path: Path) -> None:
    sound = [{"bytes": encode_flac(_pcm(number)), "path": f"{number}.flac"} for number in range(4)]
    table = pa.table(
        {
            "audio": pa.array(sound, pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
            "speaker_id": [f"s{number}" for number in range(4)],
            "global_captions": [f"{number} global" for number in range(4)],
            "fine_captions": [[f"{number} a", f"{number} b"] for number in range(4)],
        }
    )
    options = {"compression": {"audio.bytes": "none"}, "use_dictionary": ["speaker_id"], "row_group_size": 2}
    pq.write_table(table, tmp_path / "train.parquet", **options)
    source = Source(path=str(tmp_path / "*.parquet"), fields={"speaker": "speaker_id"})
    assert list(_heard(source).values()) == _expected(0, 1, 2, 3)


def test_shards_without_an_index_are_a_source(tmp_path: Path, make_audio: MakeAudio, annotate: Annotate) -> None:
    root = RunWriter(make_audio, annotate).write(tmp_path / "run", corpus(9))
    whole = read_catalogue([root])
    for path in (root / "data" / "*.parquet", root / "data"):
        plain = read_catalogue([path])
        assert plain.audio_N.tolist() == whole.audio_N.tolist()
        assert [plain.names(row) for row in range(9)] == [whole.names(row) for row in range(9)]


def test_what_cannot_be_listed_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=r"empty is neither a run nor a release, and .*no Parquet file or tar"):
        read_catalogue([tmp_path / "empty"])
    line = _cut(0)
    line["supervisions"][0]["custom"]["short_captions"] = [{"text": "a"}]
    (tmp_path / "clips").mkdir()
    soundfile.write(tmp_path / "clips" / "0.wav", _pcm(0), 16_000)
    (tmp_path / "cuts.jsonl").write_text(json.dumps(line))
    with pytest.raises(SourceError, match="global_captions is list, expected a list of texts"):
        read_catalogue([tmp_path / "cuts.jsonl"])
