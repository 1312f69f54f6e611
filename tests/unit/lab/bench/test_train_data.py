"""What reading costs is measured on rows that are made up and on real sound."""

from pathlib import Path

import pytest

from fcaps_pipeline.lab.bench.train_data import measure_batches, measure_ranks
from fcaps_pipeline.learn.data.splits import read_splits
from tests.unit.lab.bench.train_jobs import write_job
from tests.unit.learn.training.written_runs import Annotate, MakeAudio


def test_batches_of_the_made_up_corpus_are_dense_and_mixed() -> None:
    found = measure_batches(20_000)
    assert found.useful_share > 0.92
    assert found.same_speaker == pytest.approx(found.same_speaker_at_random, rel=0.3)
    assert found.same_speaker_apart < 0.1 * found.same_speaker_at_random


def test_an_epoch_reads_each_byte_about_once(
    tmp_path: Path, make_audio: MakeAudio, annotate: Annotate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fcaps_pipeline.lab.bench.train_data.NUM_WORKERS", 0)
    job = write_job(tmp_path, make_audio, annotate)
    job = job.model_copy(update={"data": job.data.model_copy(update={"min_rows": 8})})
    found = measure_ranks(job, read_splits(job.data.splits).train, num_rows=45)
    assert found.rows_per_s > 0
    assert found.memory_bytes > 0
    assert 1 <= found.bytes_per_byte < 6
