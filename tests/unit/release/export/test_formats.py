"""Each format is read back by its own library, and every caption is on its own clip."""

import base64
import gzip
import json
import struct
import tarfile
import warnings
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pyarrow.parquet as pq
import pytest
import webdataset
from lhotse import CutSet

from fcaps_pipeline.release.dataset import open_dataset
from tests.unit.release.export.exported import (
    Read,
    assert_same,
    exported,
    rows_of,
    sha256_of,
    sha256_of_samples,
)

_SPLITS = ("train", "validation", "test")
LEAVES_FILES_OPEN = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
"""Readers of tars in lhotse and webdataset leave that to the garbage collector."""


def _of_cut(cut: Any) -> Read:
    (supervision,) = cut.supervisions
    custom = supervision.custom
    return cut.id, custom["short_captions"], custom["long_captions"], sha256_of_samples(cut.load_audio()[0])


def _fields(content: Any) -> dict[str, Any]:
    """Names at every level, but of custom values."""
    if isinstance(content, dict):
        return {name: _fields(value) for name, value in content.items()}
    return _fields(content[0]) if isinstance(content, list) and content else {}


_CUSTOM = "short_captions long_captions accent pitch speaking_rate intrinsic_tags situational_tags"
_SUPERVISION = "id recording_id start duration channel text speaker gender"
_RECORDING = "id sampling_rate num_samples duration"


def _names(text: str, **deeper: Any) -> dict[str, Any]:
    return {name: {} for name in text.split()} | deeper


PUBLISHED = _names(
    "id start duration channel type",
    recording=_names(_RECORDING, sources=_names("type channels source")),
    supervisions=_names(_SUPERVISION, custom=_names(_CUSTOM)),
)


def test_fcaps_is_a_monocut_a_line_with_the_published_fields(release: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    record = exported(release, out, "fcaps")
    files = [out / f"{split}-00000.jsonl.gz" for split in _SPLITS]
    cuts = CutSet.from_files(files).with_recording_path_prefix(str(out))
    expected = rows_of(open_dataset(release))
    assert_same(map(_of_cut, cuts), expected)
    assert record.num_rows == len(expected)
    line = json.loads(_unzipped(files[0]).splitlines()[0])
    assert _fields(line) == PUBLISHED
    assert (line["start"], line["channel"], line["recording"]["sampling_rate"]) == (0.0, 0, 16_000)
    assert line["supervisions"][0]["custom"]["situational_tags"] == ["calm"]
    assert line["supervisions"][0]["custom"]["pitch"] == expected[line["id"]]["pitch"]


def _unzipped(path: Path) -> str:
    return gzip.decompress(path.read_bytes()).decode()


@LEAVES_FILES_OPEN
def test_shar_holds_cuts_beside_their_sound(release: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    exported(release, out, "shar", shard_mb=1)
    expected = rows_of(open_dataset(release))
    read = [_of_cut(cut) for split in _SPLITS for cut in CutSet.from_shar(in_dir=out / split)]
    assert_same(read, expected)


def _of_sample(sample: dict[str, Any]) -> Read:
    row = json.loads(sample["json"])
    assert row["segment_id"] == sample["__key__"]
    return sample["__key__"], row["global_captions"], row["fine_captions"], sha256_of(sample["flac"])


@LEAVES_FILES_OPEN
def test_webdataset_holds_flac_and_json_of_each_clip(release: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    exported(release, out, "webdataset")
    tars = [str(out / f"{split}-000000.tar") for split in _SPLITS]
    read = map(_of_sample, webdataset.WebDataset(tars, shardshuffle=False, empty_check=False))
    assert_same(read, rows_of(open_dataset(release)))


def test_audiofolder_is_read_by_datasets(release: Path, tmp_path: Path) -> None:
    from datasets import Audio, load_dataset

    out = tmp_path / "out"
    exported(release, out, "audiofolder")
    loaded = load_dataset("audiofolder", data_dir=str(out), cache_dir=str(tmp_path / "cache"))
    assert set(loaded) == set(_SPLITS)
    read: list[Read] = []
    for rows in loaded.values():
        for row in rows.cast_column("audio", Audio(decode=False)):
            flac = Path(row["audio"]["path"]).read_bytes()
            read.append((row["segment_id"], row["global_captions"], row["fine_captions"], sha256_of(flac)))
    assert_same(read, rows_of(open_dataset(release)))


def test_parquet_has_all_columns_but_the_samples(release: Path, tmp_path: Path) -> None:
    from datasets import load_dataset

    out = tmp_path / "out"
    exported(release, out, "parquet")
    loaded = load_dataset(str(out), cache_dir=str(tmp_path / "cache"))
    expected = rows_of(open_dataset(release))
    read = [
        (row["segment_id"], row["global_captions"], row["fine_captions"], row["audio_sha256"])
        for rows in loaded.values()
        for row in rows
    ]
    assert_same(read, expected)
    table = pq.read_table(out / "data" / "test-00000.parquet")
    for row in table.to_pylist():
        whole = dict(expected[row["segment_id"]])
        del whole["audio"]
        assert row == whole


def test_a_prepared_energon_dataset_names_its_shards_and_where_samples_lie(release: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    exported(release, out, "energon")
    expected = rows_of(open_dataset(release))
    counts = json.loads((out / ".nv-meta" / ".info.json").read_text())["shard_counts"]
    parts = json.loads((out / ".nv-meta" / "split.yaml").read_text())["split_parts"]
    assert parts == {"train": ["train-000000.tar"], "val": ["validation-000000.tar"], "test": ["test-000000.tar"]}
    assert sum(counts.values()) == len(expected)
    read: list[Read] = []
    for name, count in counts.items():
        starts = _places(out / f"{name}.idx")
        assert len(starts) == count + 1
        content = (out / name).read_bytes()
        for start, end in pairwise(starts):
            read.append(_of_members(content[start:end], tmp_path))
    assert_same(read, expected)


def _places(path: Path) -> list[int]:
    content = path.read_bytes()
    return list(struct.unpack(f"<{len(content) // 8}Q", content))


def _of_members(content: bytes, folder: Path) -> Read:
    """A sample, cut out of its tar, is a tar of its own."""
    path = folder / "sample.tar"
    path.write_bytes(content + bytes(1024))
    with tarfile.open(path) as tar:
        found = {member.name: tar.extractfile(member) for member in tar.getmembers()}
        sample = {name.partition(".")[2]: file.read() for name, file in found.items() if file is not None}
    (key,) = {name.partition(".")[0] for name in found}
    return _of_sample({"__key__": key, **sample})


def test_energon_by_reference_is_jsonl_with_its_index(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    exported(run, out, "energon", by_reference=True)
    content, starts = (out / "train.jsonl").read_bytes(), _places(out / "train.jsonl.idx")
    rows = [json.loads(content[start:end]) for start, end in pairwise(starts)]
    assert starts[-1] == len(content)
    read = [(row["segment_id"], row["global_captions"], row["fine_captions"], row["audio_sha256"]) for row in rows]
    assert_same(read, rows_of(open_dataset(run)))
    assert all(row["location"] == "/speech/tale.wav" for row in rows)


def _of_energon(path: Path, part: str) -> list[dict[str, Any]]:
    """Crude samples, as a cooker gets them."""
    pytest.importorskip("megatron.energon", reason="megatron-energon is not installed")
    from megatron.energon import (
        Cooker,
        CrudeSample,
        DefaultTaskEncoder,
        WorkerConfig,
        get_savable_loader,
        get_val_dataset,
        stateless,
    )

    class Encoder(DefaultTaskEncoder[Any, Any, Any, Any]):  # type: ignore[misc]
        cookers = [Cooker(stateless(lambda sample: CrudeSample(sample)))]  # noqa: RUF012 - as energon declares it

    config = WorkerConfig(rank=0, world_size=1, num_workers=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = get_val_dataset(path, split_part=part, worker_config=config, batch_size=None, task_encoder=Encoder())
        return list(get_savable_loader(dataset))


def test_energon_itself_reads_the_tars(release: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    exported(release, out, "energon")
    samples = [one for part in ("train", "val", "test") for one in _of_energon(out, part)]
    read = [
        (
            one["__key__"],
            one["json"]["global_captions"],
            one["json"]["fine_captions"],
            sha256_of(one["flac"].stream.getvalue()),
        )
        for one in samples
    ]
    assert_same(read, rows_of(open_dataset(release)))


def test_energon_itself_reads_the_lines(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    exported(run, out, "energon", by_reference=True)
    rows = [one["json"] for one in _of_energon(out / "train.jsonl", "train")]
    read = [(row["segment_id"], row["global_captions"], row["fine_captions"], row["audio_sha256"]) for row in rows]
    assert_same(read, rows_of(open_dataset(run)))


def test_tasks_of_label_studio_fit_their_configuration(release: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    exported(release, out, "labelstudio")
    controls = {area.get("name") for area in ET.parse(out / "labelling.xml").iter("TextArea")}  # noqa: S314 - our own
    assert controls == {"global_1", "global_2", "fine_1", "fine_2", "reason"}
    read: list[Read] = []
    for task in _tasks(out):
        (prediction,) = task["predictions"]
        assert {one["from_name"] for one in prediction["result"]} <= controls
        texts = {one["from_name"]: one["value"]["text"] for one in prediction["result"]}
        assert texts == {name: [text] for name, text in task["data"]["captions"].items()}
        path = out / task["data"]["audio"].removeprefix("/data/local-files/?d=")
        by_kind = [[text for name, (text,) in texts.items() if name.startswith(kind)] for kind in ("global", "fine")]
        read.append((task["data"]["segment_id"], *by_kind, sha256_of(path.read_bytes())))
    assert_same(read, rows_of(open_dataset(release)))


def _tasks(out: Path) -> Iterator[dict[str, Any]]:
    for path in sorted((out / "tasks").glob("*.json")):
        yield from json.loads(path.read_text(encoding="utf-8"))


def test_tasks_hold_their_audio_where_that_is_asked_for(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    exported(run, out, "labelstudio", inline_audio=True)
    expected = rows_of(open_dataset(run))
    assert not (out / "audio").exists()
    for task in _tasks(out):
        content = base64.b64decode(task["data"]["audio"].removeprefix("data:audio/flac;base64,"))
        assert sha256_of(content) == expected[task["data"]["segment_id"]]["audio_sha256"]


def test_label_studio_itself_accepts_tasks_and_predictions(release: Path, tmp_path: Path) -> None:
    interface = pytest.importorskip("label_studio_sdk.label_interface", reason="label-studio-sdk is not installed")
    out = tmp_path / "out"
    exported(release, out, "labelstudio")
    config = interface.LabelInterface((out / "labelling.xml").read_text(encoding="utf-8"))
    for task in _tasks(out):
        assert config.validate_task({"data": task["data"]})
        assert config.validate_prediction(task["predictions"][0], return_errors=True) == []
