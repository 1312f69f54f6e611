"""The same rows are the same bytes: through a kill, in the next version, on a store, and however runs are laid out."""

import errno
import gc
import hashlib
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fcaps_pipeline.errors import JobError, OutputError, UsageError
from fcaps_pipeline.release.build.release import Listener, build_release
from fcaps_pipeline.release.dataset import open_dataset
from fcaps_pipeline.shards.tombstones import Tombstone, no_tombstones, write_tombstones
from fcaps_pipeline.storage.path import store_path
from tests.unit.learn.training.written_runs import Annotate, MakeAudio, RunWriter, Spoken, corpus
from tests.unit.release.test_build import recipe

SMALL = {"shard_mb": 1, "splits": {"shares": {"train": 1.0}}}
KILLED = """
import os, signal, sys
from pathlib import Path
from fcaps_pipeline.release.build.release import Listener, build_release
from tests.unit.release.test_build import recipe
from tests.unit.release.test_build_again import SMALL

def on_shard(num_done, num_shards):
    if num_done == 2:
        os.kill(os.getpid(), signal.SIGKILL)

build_release(recipe(Path(sys.argv[1]), **SMALL), sys.argv[2], Listener(on_shard=on_shard))
"""


pytestmark = pytest.mark.usefixtures("no_figures")


@pytest.fixture
def runs(make_audio: MakeAudio, annotate: Annotate) -> RunWriter:
    return RunWriter(make_audio, annotate)


def sums(release: Path) -> dict[str, str]:
    files = [path for path in release.rglob("*") if path.is_file() and ".lease" not in path.parts]
    return {str(path.relative_to(release)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_a_killed_build_goes_on_and_equals_an_uninterrupted_one(runs: RunWriter, tmp_path: Path) -> None:
    run = runs.write(tmp_path / "run", corpus(140, 12))
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    build_release(recipe(run, **SMALL), whole)
    ended = subprocess.run([sys.executable, "-c", KILLED, run, killed], check=False, capture_output=True, text=True)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert not (killed / "release.json").exists()
    with pytest.raises(UsageError, match="neither a run nor a release"):
        open_dataset(killed)
    with pytest.raises(JobError, match=r"was started with another job; it differs in recipe\.shard_mb"):
        build_release(recipe(run, **{**SMALL, "shard_mb": 2}), killed)
    first, second = (killed / "data" / f"train-{number:05d}.parquet" for number in (0, 1))
    kept = first.stat().st_mtime_ns
    second.write_bytes(second.read_bytes()[:-1] + b"?")
    build_release(recipe(run, **SMALL), killed)
    assert first.stat().st_mtime_ns == kept
    assert sums(killed) == sums(whole)
    assert len(list((whole / "data").iterdir())) >= 3


def test_a_version_may_become_higher_in_the_middle(runs: RunWriter, tmp_path: Path) -> None:
    run = runs.write(tmp_path / "run", corpus(140, 12))

    def stop(_done: int, _all: int) -> None:
        raise OutputError("no room")

    with pytest.raises(OutputError):
        build_release(recipe(run, **SMALL), tmp_path / "out", Listener(on_shard=stop))
    record = build_release(recipe(run, version="1.1.0", **SMALL), tmp_path / "out").record
    assert record.version == "1.1.0"


def test_the_next_version_has_most_shards_byte_for_byte_however_its_run_is_laid_out(
    runs: RunWriter, tmp_path: Path
) -> None:
    rows = corpus(140, 12)
    more = [*rows, Spoken("r3-1", "s3", 8000, noise_seed=999)]
    first = runs.write(tmp_path / "run", rows)
    other = runs.write(tmp_path / "other", rows, unit_rows=31, row_group_bytes=200_000)
    longer = runs.write(tmp_path / "longer", more)
    names = ("made", "made of other", "made of longer")
    for name, run in zip(names, (first, other, longer), strict=True):
        build_release(recipe(run, **SMALL), tmp_path / name)
    shards = [
        {key: value for key, value in sums(tmp_path / name).items() if key.startswith(("data/", "candidates/"))}
        for name in names
    ]
    assert shards[0] == shards[1]
    same = set(shards[0].values()) & set(shards[2].values())
    assert len(shards[0]) - 4 <= len(same) < len(shards[2])


def test_a_run_on_a_store_becomes_a_release_on_a_store(runs: RunWriter, tmp_path: Path) -> None:
    run = runs.write(tmp_path / "run", corpus(20))
    far = store_path("memory://bench/runs/a")
    for name in store_path(run).sizes():
        (far / name).put((run / name).read_bytes())
    build_release(recipe(run, **SMALL), tmp_path / "near")
    made = build_release(recipe(run, **{**SMALL, "runs": [str(far)]}), "memory://bench/releases/a").record
    near = open_dataset(tmp_path / "near").content.shards
    assert [file.sha256 for file in made.shards] == [file.sha256 for file in near]
    names = store_path("memory://bench/releases/a").sizes()
    assert {"README.md", "release.json"} <= set(names)
    assert not [name for name in names if name.startswith(".build")]


def test_a_full_disk_is_one_line_and_the_build_goes_on_later(
    runs: RunWriter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = runs.write(tmp_path / "run", corpus(140, 12))

    def full(_self: object, _content: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("fcaps_pipeline.storage.files.HashedFile.write", full)
        with pytest.raises(OutputError, match="No space left on device; make room"):
            build_release(recipe(run, **SMALL), tmp_path / "out")
        gc.collect()
    assert not list((tmp_path / "out").rglob("*.parquet"))
    assert build_release(recipe(run, **SMALL), tmp_path / "out").is_new


def test_a_version_that_is_too_low_is_refused_and_a_higher_one_goes_on(runs: RunWriter, tmp_path: Path) -> None:
    run = runs.write(tmp_path / "run", corpus(30))
    longer = runs.write(tmp_path / "longer", [*corpus(30), Spoken("new", "s9", noise_seed=999)])
    build_release(recipe(run, **SMALL), tmp_path / "1.0.0")
    after = {**SMALL, "parent": str(tmp_path / "1.0.0")}
    with pytest.raises(UsageError, match=r"version 1\.0\.1 is too low after 1\.0\.0: 1 row added.* give 1\.1\.0"):
        build_release(recipe(longer, version="1.0.1", **after), tmp_path / "next")
    (shard,) = (tmp_path / "next" / "data").iterdir()
    written = shard.stat().st_mtime_ns
    record = build_release(recipe(longer, version="1.1.0", **after), tmp_path / "next").record
    assert shard.stat().st_mtime_ns == written
    assert record.parent is not None
    assert record.parent.version == "1.0.0"
    assert "## 1.0.0" in (tmp_path / "next" / "CHANGES.md").read_text()
    same = build_release(recipe(run, version="1.0.1", **after), tmp_path / "patch").record
    assert [file.sha256 for file in same.shards] == [
        file.sha256 for file in open_dataset(tmp_path / "1.0.0").content.shards
    ]


def test_what_is_taken_back_in_the_middle_of_a_build_is_not_built_into_it(runs: RunWriter, tmp_path: Path) -> None:
    run = runs.write(tmp_path / "run", corpus(20))

    def stop(_done: int, _all: int) -> None:
        raise OutputError("no room")

    with pytest.raises(OutputError):
        build_release(recipe(run, **SMALL), tmp_path / "out", Listener(on_shard=stop))
    empty = no_tombstones()
    entry = Tombstone(what="speaker", digest=empty.digest("speaker", "s1"), reason="asked to")
    write_tombstones(store_path(run / "tombstones.json"), empty.having([entry], is_unfinished=False))
    with pytest.raises(JobError, match="was started with another job; it differs in taken_back"):
        build_release(recipe(run, **SMALL), tmp_path / "out")
