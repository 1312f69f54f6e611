"""The bench of plans measures all of its parts, on a corpus that is tiny here."""

from pathlib import Path

from fcaps_pipeline.annotate.run.inspection import status
from fcaps_pipeline.annotate.run.soundness import last_verified
from fcaps_pipeline.lab.bench.plan import Size, bench_plan
from fcaps_pipeline.shards.layout import RunLayout


def test_every_part_is_measured_and_the_run_is_whole(tmp_path: Path) -> None:
    parts = bench_plan(tmp_path, Size(num_recordings=1_050, num_units=10, num_rows=300))
    assert [one.name.partition(",")[0] for one in parts] == [
        "plan from JSONL",
        "plan from Parquet",
        "plan again",
        "read all units back",
        "status",
        "start and finish",
        "start",
        "show",
        "fcaps show RUN ID",
        "verify",
        "verify",
    ]
    assert all(one.seconds > 0 for one in parts)
    assert all(one.peak_bytes is None or one.peak_bytes > 10_000_000 for one in parts)
    seen = status(RunLayout(tmp_path / "run"))
    assert (seen.plan.num_recordings, seen.totals.num_recordings, seen.indexed) == (1_050, 1_050, True)
    assert last_verified(RunLayout(tmp_path / "run")) is None
