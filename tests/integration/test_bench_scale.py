"""The benchmark of the dispatcher, small: one case in which a replica leaves, on a real Ray."""

from pathlib import Path

from fcaps_pipeline.lab.bench.scale.benchmark import bench_scale
from fcaps_pipeline.lab.bench.scale.cases import Case, Fault, Part
from fcaps_pipeline.lab.bench.scale.rows import ScaleRow


def test_engines_are_busy_and_nothing_is_lost_when_one_leaves(tmp_path: Path) -> None:
    parts = (Part(fault=Fault.NODE_LOST), *(Part(),) * 3)
    rows: list[ScaleRow] = []
    summary = bench_scale(tmp_path, [Case("one leaves", 4, parts, measured_s=12.0)], 10.0, rows.append)
    (row,) = rows
    assert row.case == "one leaves"
    # How busy depends on what else this machine does; that they were at work does not.
    assert 0 < row.busy_share <= 1
    assert row.clips_per_s > 0
    assert set(row.cpu_ms_per_clip) == {"queue", "segmenters", "replicas", "progress", "other"}
    assert summary.num_clips == 100 * summary.num_units > 0
    assert summary.num_convicted == 0
