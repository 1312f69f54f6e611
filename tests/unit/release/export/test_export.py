"""An export is whole or unfinished, never torn: kills, other settings, folders that hold something, a full disk."""

import errno
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fcaps_pipeline.errors import JobError, OutputError, UsageError
from fcaps_pipeline.release.dataset import open_dataset
from fcaps_pipeline.release.export import export as exporting
from fcaps_pipeline.release.export.clips import Clip
from fcaps_pipeline.release.export.export import ExportRecord, settings_for
from fcaps_pipeline.release.export.files import TarShard
from fcaps_pipeline.release.export.form import FormatName
from fcaps_pipeline.release.export.registry import FORMS
from fcaps_pipeline.shards.layout import Table
from fcaps_pipeline.shards.schema import Row
from fcaps_pipeline.storage.path import store_path
from tests.conftest import Typed
from tests.unit.learn.training.written_runs import RunWriter, Spoken
from tests.unit.release.export.exported import SPOKEN, exported
from tests.unit.release.laid_out import lay_out, rows_of

LEAVES_FILES_OPEN = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
"""As a kill does."""


class Killed(BaseException):
    """What a kill is to a test: nothing that is handled."""


def _content(folder: Path) -> dict[str, str]:
    """Every file by its sha256, but locks."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.parent.name != ".lease"
    }


def _in_shards_of_three(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "_MAX_ROWS", 3)


def _killed_at(monkeypatch: pytest.MonkeyPatch, row: int) -> None:
    """The process dies when it takes the row of that number."""
    shard: Any = exporting._OpenShard
    add, count = shard.add, 0

    def counting(self: object, clip: Clip) -> None:
        nonlocal count
        count += 1
        if count == row:
            raise Killed
        add(self, clip)

    monkeypatch.setattr(shard, "add", counting)
    monkeypatch.setattr(shard, "discard", lambda self: None)


@LEAVES_FILES_OPEN
@pytest.mark.parametrize("name", FORMS)
def test_a_killed_export_goes_on_and_equals_one_in_one_go(
    name: FormatName, release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _in_shards_of_three(monkeypatch)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    record = exported(release, whole, name)
    with monkeypatch.context() as patch:
        _killed_at(patch, 9)
        with pytest.raises(Killed):
            exported(release, killed, name)
    assert (killed / ".unfinished").is_dir()
    assert not (killed / "export.json").exists()
    assert exported(release, killed, name) == record
    assert _content(killed) == _content(whole)
    assert not (killed / ".unfinished").exists()
    assert record.num_rows == len(SPOKEN)
    files = [path for path in _content(whole) if path != "export.json"]
    assert record.num_files == len(files)
    assert not (whole / ".lease").exists()


def test_an_export_that_is_there_is_not_made_again(run: Path, tmp_path: Path) -> None:
    record = exported(run, tmp_path / "out", "webdataset")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.tar")}
    assert exported(run, tmp_path / "out", "webdataset") == record
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.tar")} == before
    assert ExportRecord.model_validate_json((tmp_path / "out" / "export.json").read_text()) == record
    with pytest.raises(UsageError, match=r"neither empty nor an unfinished export \(it holds \S+\); choose another"):
        exported(run, tmp_path / "out", "shar")


@LEAVES_FILES_OPEN
def test_an_unfinished_export_takes_no_other_settings(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _in_shards_of_three(monkeypatch)
    with monkeypatch.context() as patch:
        _killed_at(patch, 5)
        with pytest.raises(Killed):
            exported(run, tmp_path / "out", "webdataset")
    with pytest.raises(JobError, match=r"differs in format \(was 'webdataset', is 'shar'\)"):
        exported(run, tmp_path / "out", "shar")


def test_splits_are_chosen_by_name(release: Path, run: Path, tmp_path: Path) -> None:
    record = exported(release, tmp_path / "out", "webdataset", splits=("test",))
    assert set(record.splits) == {"test"}
    assert sorted(path.name for path in (tmp_path / "out").glob("*.tar")) == ["test-000000.tar"]
    with pytest.raises(UsageError, match="has no split dev: its splits are train, validation, test; correct --split"):
        exported(release, tmp_path / "other", "webdataset", splits=("dev",))
    with pytest.raises(UsageError, match="has no split test: it has no splits"):
        exported(run, tmp_path / "other", "webdataset", splits=("test",))
    assert not (tmp_path / "other").exists()


def test_options_that_a_format_has_not_are_refused(run: Path, tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match="clips of shar come with their audio; --by-reference goes with fcaps, energon"
    ):
        exported(run, tmp_path / "out", "shar", by_reference=True)
    with pytest.raises(UsageError, match="--inline-audio is for tasks of labelstudio, not for fcaps"):
        exported(run, tmp_path / "out", "fcaps", inline_audio=True)


def test_a_full_disk_is_one_line_and_the_same_command_goes_on(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _in_shards_of_three(monkeypatch)
    add: Callable[..., None] = TarShard.add
    count = 0

    def filling(self: TarShard, name: str, content: bytes) -> None:
        nonlocal count
        count += 1
        if count == 12:
            raise OSError(errno.ENOSPC, "No space left on device")
        add(self, name, content)

    with monkeypatch.context() as patch:
        patch.setattr(TarShard, "add", filling)
        with pytest.raises(OutputError, match=r"No space left on device; make room .* run the same command again"):
            exported(run, tmp_path / "out", "webdataset")
    assert [path.name for path in (tmp_path / "out").glob("*.tar")] == ["train-000000.tar"]
    assert exported(run, tmp_path / "out", "webdataset").num_rows == len(SPOKEN)


def test_a_folder_that_is_not_empty_is_refused_in_one_line(run: Path, tmp_path: Path, typed: Typed) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("keep")
    code, _, error = typed("export", run, "--format", "fcaps", "--out", tmp_path / "out")
    assert code == 2
    assert "is neither empty nor an unfinished export (it holds mine.txt)" in error
    assert len(error.splitlines()) == 1


def test_the_command_says_what_it_wrote(release: Path, tmp_path: Path, typed: Typed) -> None:
    out = tmp_path / "out"
    code, said, told = typed("export", release, "--format", "shar", "--out", out, "--split", "test", "--split", "train")
    record = json.loads((out / "export.json").read_text())
    assert code == 0
    assert record["settings"]["source"] == "release tales 1.0.0"
    assert f"{out}: {sum(one['num_rows'] for one in record['splits'].values())} rows as shar" in said
    assert "test: 4 rows in 1 shards, 0 left out" in told
    code, _, told = typed("export", release, "--format", "shar", "--out", "s3://bucket/out")
    assert (code, "is an address; folders must lie on a file system" in told) == (2, True)


def test_an_export_of_nothing_says_so(tmp_path: Path, typed: Typed) -> None:
    code, _, error = typed("export", tmp_path, "--format", "shar", "--out", tmp_path / "out")
    assert (code, "is neither a run nor a release" in error) == (2, True)


def test_parquet_always_refers(run: Path) -> None:
    dataset = open_dataset(run)
    assert settings_for("parquet", dataset).by_reference
    assert not settings_for("fcaps", dataset).by_reference


def _rows_of_four(writer: RunWriter, folder: Path) -> dict[Table, list[Row]]:
    return rows_of(writer, folder / "run", [Spoken(f"r{number}", f"s{number}") for number in range(4)])


@pytest.mark.parametrize("name", FORMS)
def test_a_release_without_some_columns_is_exported(name: FormatName, run_writer: RunWriter, tmp_path: Path) -> None:
    without = ("transcript", "pitch", "start_s", "end_s", "extra", "source_rate_hz", "warnings", "f0_median_hz")
    made = lay_out(tmp_path / "release", _rows_of_four(run_writer, tmp_path), without_columns=without)
    made.finish([])
    record = exported(made.layout.root.on_disk(), tmp_path / "out", name)
    assert record.num_rows == 4


def test_a_release_on_a_store_is_exported_as_one_on_disk(release: Path, tmp_path: Path) -> None:
    store = store_path(f"memory://{tmp_path.name.replace('_', '-')}")
    for path in release.rglob("*"):
        if path.is_file():
            (store / path.relative_to(release).as_posix()).put(path.read_bytes())
    exported(release, tmp_path / "here", "webdataset")
    dataset = open_dataset(store)
    exporting.export(dataset, settings_for("webdataset", dataset), tmp_path / "there")
    assert _content(tmp_path / "there") == _content(tmp_path / "here")
