"""The bench of the index builds one and finds what it put there."""

from pathlib import Path

from fcaps_pipeline.lab.bench import reuse


def test_every_key_is_found_and_memory_is_told(tmp_path: Path) -> None:
    found = reuse.bench_reuse(tmp_path, num_keys=2_000, num_processes=1)
    assert found.num_keys == 2_000
    assert found.index_bytes > 2_000 * 100
    assert min(found.lookups_per_s, found.ordered_lookups_per_s, found.build_s) > 0
    assert 10_000_000 < found.lookup_peak_bytes < 1_000_000_000
