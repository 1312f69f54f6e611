from pathlib import Path

import pytest

from fcaps_pipeline.errors import JobError, UsageError
from fcaps_pipeline.lab.bench.retrieval.benchmark import bench_retrieval
from fcaps_pipeline.lab.bench.retrieval.jobs import VARIANTS, Scale
from fcaps_pipeline.lab.bench.retrieval.train_variant import VariantResult
from tests.unit.lab.conftest import needs_synthesizers

TINY = Scale(large_rows=8, small_rows=8, dev_rows=6, test_rows=6, steps=2, batch_s=40.0, width=16)


def run(work: Path, scale: Scale, notes: list[str]) -> list[VariantResult]:
    return bench_retrieval(work, scale, workers=1, on_rows=lambda _: None, note=notes.append, today="2026-01-02")


@needs_synthesizers
def test_the_benchmark_runs_from_nothing_to_its_page_and_is_read_back_afterwards(tmp_path: Path) -> None:
    notes: list[str] = []
    results = run(tmp_path, TINY, notes)
    assert [result.variant for result in results] == list(VARIANTS)
    assert all(result.retrieval.mean_map_at_10.num_items == 6 for result in results)
    assert {point.step for point in results[2].curve} == {1, 2}
    assert any("on dev after step" in line for line in notes)
    page = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "2026-01-02" in page
    assert all(f"| {variant.title} |" in page for variant in VARIANTS)
    assert (tmp_path / "curves.png").stat().st_size > 0
    again: list[str] = []
    assert run(tmp_path, TINY, again) == results
    assert again == []
    with pytest.raises(JobError, match="steps"):
        run(tmp_path, TINY.model_copy(update={"steps": 3}), again)


def test_a_folder_with_other_things_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"notes\.txt"):
        run(tmp_path, TINY, [])
