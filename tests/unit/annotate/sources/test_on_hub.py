"""A dataset of the Hub is planned and heard where it lies, at the commit that it had when it was planned."""

import io
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile

from fcaps_pipeline.annotate.run.drift import drift_line
from fcaps_pipeline.annotate.run.plan import load_or_make
from fcaps_pipeline.annotate.sources.detection import detect_source
from fcaps_pipeline.annotate.sources.listing import list_recordings
from fcaps_pipeline.audio.byte_source import open_bytes
from fcaps_pipeline.audio.stream import decode_all
from fcaps_pipeline.errors import StorageError
from fcaps_pipeline.jobs.annotate_job import Job
from fcaps_pipeline.jobs.sources import ParquetSource
from fcaps_pipeline.shards.layout import RunLayout
from fcaps_pipeline.shards.plan import load_units
from fcaps_pipeline.storage import path
from tests.hub_server import contents, entered, hub_server
from tests.hub_state import TOKEN, HubServer


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    with hub_server() as running, entered(running, monkeypatch):
        yield running


def _sound(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(-3000, 3000, 32_000, np.int16)


def _audio(seed: int) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, _sound(seed), 16_000, format="FLAC")
    return file.getvalue()


def _shard(*seeds: int) -> bytes:
    """As `datasets` writes it, with a feature Audio."""
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    sound = [{"bytes": _audio(seed), "path": f"{seed}.flac"} for seed in seeds]
    file = io.BytesIO()
    pq.write_table(pa.table({"audio": pa.array(sound, kind), "text": [f"Words {seed}." for seed in seeds]}), file)
    return file.getvalue()


def _job(path: str) -> Job:
    return Job.model_validate(
        {
            "source": detect_source(path).model_dump(),
            "engines": {"rules": {"kind": "cascade"}},
            "captions": {"fine": {"engine": "rules", "prompt": "embedded_fine.v1"}},
        }
    )


def test_parquet_is_planned_and_heard_at_one_commit(hub: HubServer, tmp_path: Path) -> None:
    files = {"README.md": b"card", "data/train-0.parquet": _shard(0, 1), "data/train-1.parquet": _shard(2)}
    repository = hub.repository(files, "private")
    commit, job, layout = repository.names["main"], _job(repository.uri), RunLayout(tmp_path / "run")
    assert isinstance(job.source, ParquetSource)
    plan = load_or_make(layout, job)
    assert (plan.num_recordings, plan.duration_s, plan.num_missing) == (3, 6.0, 0)

    repository.commit({"README.md": b"another card", **{name: files[name] for name in files if name != "README.md"}})
    path._remote.cache_clear()  # as in another process
    assert drift_line(layout, job, plan) is None, "what was planned is still there"
    repository.commit({"README.md": b"empty"})
    hub.set("", "deny", times=100)
    path._remote.cache_clear()
    assert "cannot be compared" in str(drift_line(layout, job, plan)), "what is planned is gone on with"
    hub.faults.clear()
    recordings = [one for unit in load_units(layout) for one in unit.recordings]
    where = f"{repository.uri}@{commit}/data/train-0.parquet#column=audio&row_group=0&row=0"
    assert recordings[0].location == where
    assert [one.transcript for one in recordings] == ["Words 0.", "Words 1.", "Words 2."]
    for seed, recording in enumerate(recordings):
        assert np.array_equal(decode_all(recording.location).ravel(), _sound(seed))
    assert all(TOKEN.encode() not in content for content in contents(tmp_path).values())


def test_audio_files_and_lists_are_read_there_as_on_any_store(hub: HubServer, tmp_path: Path) -> None:
    files = {"EN/a.flac": _audio(0), "EN/b.flac": _audio(1), "list.jsonl": b'{"path": "EN/b.flac", "text": "B."}\n'}
    repository = hub.repository(files)
    plans = {
        name: load_or_make(RunLayout(tmp_path / str(number)), _job(f"{repository.uri}@main/{name}"))
        for number, name in enumerate(("EN", "EN/a.flac", "list.jsonl"))
    }
    assert {name: plan.num_recordings for name, plan in plans.items()} == {"EN": 2, "EN/a.flac": 1, "list.jsonl": 1}
    (unit,) = load_units(RunLayout(tmp_path / "2"))
    assert open_bytes(unit.recordings[0].location).at(0, 99_999) == files["EN/b.flac"]


def test_a_hub_that_is_not_there_is_told_at_once(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(path, "_FIRST_PATIENCE_S", 0.2)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    began_s = time.monotonic()
    with pytest.raises(StorageError, match="the Hub cannot be reached; check the network and HF_ENDPOINT"):
        detect_source("hf://datasets/o/n/data")
    with pytest.raises(StorageError, match="the Hub cannot be reached"):
        list_recordings(ParquetSource(kind="parquet", path="hf://datasets/o/n/data"))
    assert time.monotonic() - began_s < 5
