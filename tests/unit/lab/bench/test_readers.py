from pathlib import Path
from random import Random

from fcaps_pipeline.lab.bench.readers.benchmark import Budget, _Process, bench_readers
from fcaps_pipeline.lab.bench.readers.formats import FORMATS, write_file
from fcaps_pipeline.lab.bench.readers.mutations import mutate

BUDGET = Budget(max_s=60.0, max_bytes=2 << 30)


def test_the_seed_decides_the_damage() -> None:
    content = bytes(range(256)) * 8
    assert mutate(content, Random("a 1")) == mutate(content, Random("a 1"))
    assert len({mutate(content, Random(f"a {index}")) for index in range(50)}) > 45
    for index in range(50):
        mutate(b"", Random(index))


def test_every_mutation_is_accounted_for() -> None:
    done: list[int] = []
    rows = bench_readers(FORMATS[:2], num_mutations=21, seed=3, workers=2, budget=BUDGET, on_done=done.append)
    assert [row.format for row in rows] == ["wav", "wav-24"]
    assert [row.num_mutations for row in rows] == [11, 10]
    assert sum(done) == 21
    for row in rows:
        assert row.num_read + row.num_refused == row.num_mutations
        assert (row.num_hangs, row.num_crashes, row.num_unforeseen) == (0, 0, 0)


def test_a_worker_that_dies_or_hangs_costs_one_file(tmp_path: Path) -> None:
    whole = write_file(tmp_path, FORMATS[0])
    process = _Process(Budget(max_s=60.0, max_bytes=2 << 30), tmp_path)
    try:
        assert process.read(f"{tmp_path / 'missing.wav'} 1 1") == ("crash", 0.0)
        assert process.read(f"{whole} 1 1")[0] in {"read", "refused"}
    finally:
        process.stop()
    process = _Process(Budget(max_s=0.0, max_bytes=2 << 30), tmp_path)
    try:
        assert process.read(f"{whole} 1 1") == ("hang", 0.0)
    finally:
        process.stop()
