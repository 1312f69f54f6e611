"""A release without what was taken back is a version of its own, its other rows and shards as they were."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from fcaps_pipeline.release.build.release import build_release
from fcaps_pipeline.release.dataset import open_dataset, read_release
from fcaps_pipeline.release.layout import ReleaseRecord
from fcaps_pipeline.release.recipe import Recipe
from tests.conftest import Typed
from tests.unit.learn.training.written_runs import Annotate, MakeAudio, RunWriter, Spoken, corpus

pytestmark = pytest.mark.usefixtures("no_figures")

TWO = {"shares": {"train": 0.5, "test": 0.5}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the first test writes a run and a release of it; a release is never changed."""
    return tmp_path_factory.mktemp("released")


@pytest.fixture
def release(make_audio: MakeAudio, annotate: Annotate, folder: Path) -> Path:
    """Six speakers and one who speaks once, in shards of about a megabyte."""
    if not (folder / "old").exists():
        spoken = [*corpus(120, 6), Spoken("solo", "the-seventh-speaker", 1600)]
        run = RunWriter(make_audio, annotate).write(folder / "run", spoken, unit_rows=200)
        fields = {"name": "voices", "version": "1.4.0", "runs": [str(run)], "splits": TWO, "shard_mb": 1}
        build_release(Recipe.model_validate(fields), folder / "old")
    return folder / "old"


def rows_of(release: Path) -> dict[str, dict[str, Any]]:
    files = sorted(release.glob("data/*.parquet"))
    return {row["segment_id"]: row for file in files for row in pq.read_table(file).to_pylist()}


def shards(record: ReleaseRecord) -> set[str]:
    return {file.sha256 for file in record.shards}


def test_a_new_version_is_without_a_speaker_and_all_else_is_the_same(
    release: Path, tmp_path: Path, typed: Typed
) -> None:
    before, files = read_release(release), {path: path.read_bytes() for path in release.rglob("*") if path.is_file()}
    arguments = ("release", "remove", release, "--speaker", "the-seventh-speaker", "--out", tmp_path / "new")
    code, out, _ = typed(*arguments, "--prove", "--reason", "by mail")
    assert code == 0, out
    assert "1 recordings and 1 segments were taken back" in out
    assert f"{release} itself, which still holds it" in out
    after = read_release(tmp_path / "new")
    assert (after.version, after.parent and after.parent.version) == ("2.0.0", "1.4.0")
    assert [(one.version, one.what, one.num_rows, one.reason) for one in after.removals] == [
        ("2.0.0", "speaker", 1, "by mail")
    ]
    old, new = rows_of(release), rows_of(tmp_path / "new")
    (gone,) = old.keys() - new.keys()
    assert old[gone]["speaker"] == "the-seventh-speaker"
    assert all(old[name] == row for name, row in new.items())
    assert len(before.shards) > 4
    assert len(shards(before) - shards(after)) == 2  # one of data, one of candidates
    assert {path: path.read_bytes() for path in release.rglob("*") if path.is_file()} == files
    tombstones = open_dataset(tmp_path / "new").tombstones
    assert tombstones is not None
    assert tombstones.find("recording", "solo") is not None
    code, out, _ = typed(*arguments)
    assert code == 0
    assert typed("release", "remove", release, "--speaker", "s1", "--out", tmp_path / "new")[0] == 2


def test_what_was_taken_back_stays_away_from_the_versions_after(release: Path, tmp_path: Path, typed: Typed) -> None:
    assert typed("release", "remove", release, "--speaker", "s2", "--out", tmp_path / "newer")[0] == 0
    fields = {"name": "voices", "version": "3.0.0", "runs": [str(release.parent / "run")], "splits": TWO}
    recipe = Recipe.model_validate({**fields, "parent": str(tmp_path / "newer")})
    record = build_release(recipe, tmp_path / "newest").record
    rows = rows_of(tmp_path / "newest")
    assert {row["speaker"] for row in rows.values()} == {"s0", "s1", "s3", "s4", "s5", "the-seventh-speaker"}
    assert [(one.version, one.what) for one in record.removals] == [("2.0.0", "speaker")]


def test_what_cannot_be_is_one_line(release: Path, tmp_path: Path, typed: Typed) -> None:
    new = tmp_path / "new"
    for arguments, expected in (
        (("--speaker", "nobody", "--out", new), "has no speaker 'nobody'; nothing was written"),
        (("--speaker", "s1"), "a version once written stays: give --out"),
        (("--out", new), "what to take back"),
    ):
        code, _, err = typed("release", "remove", release, *arguments)
        assert code == 2
        assert expected in err
    assert not new.exists()
    code, out, _ = typed("release", "remove", release, "--speaker", "s1", "--dry-run")
    assert code == 0
    assert "would be taken back" in out
