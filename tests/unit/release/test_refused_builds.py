"""A build that is refused leaves its folder free, and says what would let it through."""

import json
from pathlib import Path

import pytest

from fcaps_pipeline.errors import CorruptRunError, UsageError
from fcaps_pipeline.release.build.release import build_release
from fcaps_pipeline.release.dataset import open_dataset
from fcaps_pipeline.release.export.export import export, settings_for
from fcaps_pipeline.release.overrides import read_overrides
from fcaps_pipeline.storage.path import store_path
from tests.unit.learn.training.written_runs import RunWriter, corpus
from tests.unit.release.test_build import recipe


@pytest.fixture
def run(run_writer: RunWriter, tmp_path: Path) -> Path:
    return run_writer.write(tmp_path / "run", corpus(4))


@pytest.mark.usefixtures("no_figures")
def test_a_corrected_recipe_goes_into_the_folder_of_a_refused_one(run: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"4 by license.*no row has the license MTI that is allowed; there are"):
        build_release(recipe(run, rows={"licenses": ["MTI"]}), tmp_path / "out")
    assert build_release(recipe(run), tmp_path / "out").is_new


def test_nothing_is_made_inside_its_source(run: Path) -> None:
    with pytest.raises(UsageError, match=r"run/release lies inside the run .*choose another --out"):
        build_release(recipe(run), run / "release")
    dataset = open_dataset(run)
    with pytest.raises(UsageError, match=r"run/export lies inside the run"):
        export(dataset, settings_for("parquet", dataset), run / "export")
    assert not (run / "release").exists()
    assert not (run / "export").exists()


@pytest.mark.parametrize("name", ["all", "All", "unit"])
def test_names_that_readers_keep_for_themselves_are_no_splits(name: str) -> None:
    with pytest.raises(ValueError, match="choose another"):
        recipe(Path("run"), splits={"shares": {name: 1.0}})


def test_a_caption_of_blanks_is_deleted(tmp_path: Path) -> None:
    table = tmp_path / "overrides.csv"
    table.write_text("segment_id,granularity,old_text,new_text,author,reason,time\na,fine,Old.,  ,me,no,2026-01-02\n")
    (found,) = read_overrides(store_path(table))
    assert found.new_text == ""


def test_one_caption_is_corrected_in_one_way(tmp_path: Path) -> None:
    table = tmp_path / "overrides.csv"
    header = "segment_id,granularity,old_text,new_text,author,reason,time\n"
    table.write_text(f"{header}a,fine,Old.,New.,me,why,now\na,fine,Old.,New.,me,why,now\n")
    assert len(read_overrides(store_path(table))) == 1
    table.write_text(f"{header}a,fine,Old.,New.,me,why,now\na,fine,Old.,Other.,me,why,now\n")
    with pytest.raises(UsageError, match="row 2 corrects a fine caption of a a second time"):
        read_overrides(store_path(table))


@pytest.mark.usefixtures("no_figures")
def test_a_row_without_any_caption_is_left_out(run: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no row is left .*4 by caption"):
        build_release(recipe(run, rows={"captions": {"without": ["."]}}), tmp_path / "out")


@pytest.mark.parametrize("change", ["dropped", "doubled"])
def test_an_index_that_was_edited_is_no_dataset(run: Path, change: str) -> None:
    index = run / "index.json"
    content = json.loads(index.read_text())
    data = [file for file in content["shards"] if file["table"] == "data"]
    others = [file for file in content["shards"] if file["table"] != "data"]
    content["shards"] = others + (data * 2 if change == "doubled" else [])
    index.write_text(json.dumps(content))
    with pytest.raises(CorruptRunError, match=r"names shards with \d rows of data, but its totals say 4"):
        open_dataset(run)
