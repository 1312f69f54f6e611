"""Peaks of memory, each in a process of its own."""

from pathlib import Path

import pytest

from fcaps_pipeline.lab.bench.train_batch import first_batch, longest_samples, of_size
from fcaps_pipeline.lab.bench.train_memory import measure_memory
from fcaps_pipeline.learn.data.splits import read_splits
from tests.unit.lab.bench.train_jobs import write_job
from tests.unit.learn.training.written_runs import Annotate, MakeAudio


def test_a_bigger_batch_takes_more_memory_and_caching_less(
    tmp_path: Path, make_audio: MakeAudio, annotate: Annotate
) -> None:
    job = write_job(tmp_path, make_audio, annotate)
    found = measure_memory(job, batch_rows=(300,), chunk_rows=8)
    assert found.audio_s == pytest.approx(0.4)
    assert found.chunk_rows == 8
    (point,) = found.points
    assert point.num_rows == 300
    assert point.whole_bytes is not None
    assert point.cached_bytes is not None
    assert point.whole_bytes > point.cached_bytes > 0


def test_the_parts_are_those_of_the_job(tmp_path: Path, make_audio: MakeAudio, annotate: Annotate) -> None:
    job = write_job(tmp_path, make_audio, annotate)
    optimisation = job.optimisation.model_copy(update={"chunk_rows": 3})
    found = measure_memory(job.model_copy(update={"optimisation": optimisation}), batch_rows=(), chunk_rows=8)
    assert (found.chunk_rows, found.points) == (3, ())


def test_a_batch_of_noise_repeats_the_texts_of_a_real_one(
    tmp_path: Path, make_audio: MakeAudio, annotate: Annotate
) -> None:
    job = write_job(tmp_path, make_audio, annotate)
    train = read_splits(job.data.splits).train
    real = first_batch(job, train)
    num_rows, num_samples = 2 * len(real.rows) + 1, longest_samples(job, train)
    batch = of_size(real, num_rows=num_rows, num_samples=num_samples, seed=0)
    assert batch.audio_BT.shape == (num_rows, 6400)
    assert batch.lengths_B.tolist() == [6400] * num_rows
    assert batch.rows == (*real.rows, *real.rows, real.rows[0])
    assert batch.num_global_rows == num_rows
    assert 0.05 < float(batch.audio_BT.std()) < 0.2
