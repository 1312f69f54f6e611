"""The runs that releases are measured with are finished runs like any other, and the later one differs a little."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from fcaps_pipeline.lab.bench.release_corpus import write_run
from fcaps_pipeline.release.dataset import open_dataset
from fcaps_pipeline.shards.layout import RunLayout
from fcaps_pipeline.shards.reader import check_file, read_index
from fcaps_pipeline.shards.schema import Row


def _rows(run: Path, table: str) -> list[Row]:
    return [row for file in sorted(run.glob(f"{table}/*.parquet")) for row in pq.read_table(file).to_pylist()]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("runs")
    write_run(folder / "first", 1500, is_later=False)
    write_run(folder / "later", 1500, is_later=True)
    return folder / "first", folder / "later"


def test_it_is_a_run_whose_captions_are_its_kept_candidates(runs: tuple[Path, Path]) -> None:
    for file in read_index(RunLayout(runs[0])).shards:
        check_file(RunLayout(runs[0]), file)
    rows = _rows(runs[0], "data")
    assert len({row["segment_id"] for row in rows}) == len({row["audio_sha256"] for row in rows}) == 1500
    kept = {
        (one["segment_id"], one["candidate_id"], one["text"]) for one in _rows(runs[0], "candidates") if one["kept"]
    }
    assert kept == {(row["segment_id"], one["candidate_id"], one["text"]) for row in rows for one in row["captions"]}
    assert all(
        row["global_captions"] + row["fine_captions"] == [one["text"] for one in row["captions"]] for row in rows
    )
    assert [part.name for part in open_dataset(runs[0]).parts()] == ["unit-00000"]


def test_a_few_rows_of_the_later_run_are_new_and_a_few_reworded(runs: tuple[Path, Path]) -> None:
    first, later = ({row["segment_id"]: row["captions"] for row in _rows(run, "data")} for run in runs)
    same = set(first) & set(later)
    assert len(first) - len(same) == len(later) - len(same) == 8
    assert sum(first[name] != later[name] for name in same) == 15
