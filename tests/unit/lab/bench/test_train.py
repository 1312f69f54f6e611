"""Waiting for data is measured on real steps of the job."""

import hashlib
from pathlib import Path

import pyarrow as pa
import pytest

from fcaps_pipeline.errors import TrainingError, UsageError
from fcaps_pipeline.lab.bench.train import measure_waiting
from tests.unit.lab.bench.train_jobs import write_job
from tests.unit.learn.training.tones import tone_job
from tests.unit.learn.training.written_runs import Annotate, MakeAudio, rewrite_shard


def test_waiting_is_a_part_of_the_steps_after_the_warm_up(
    tmp_path: Path, make_audio: MakeAudio, annotate: Annotate
) -> None:
    job = write_job(tmp_path, make_audio, annotate)
    found = measure_waiting(job, num_steps=8, num_warmup_steps=2)
    assert 0 < found.share < 1
    assert found.num_steps == 8
    assert 8 * job.data.min_rows <= found.num_rows <= 8 * 20
    assert found.rows_per_s == pytest.approx(found.num_rows / found.step_s)
    assert found.machine.startswith("1 x ")


def test_more_steps_than_the_job_has_are_taken(tmp_path: Path, make_audio: MakeAudio, annotate: Annotate) -> None:
    job = write_job(tmp_path, make_audio, annotate)
    assert job.optimisation.steps == 4
    assert measure_waiting(job, num_steps=6, num_warmup_steps=0).num_steps == 6


def test_a_batch_without_a_usable_row_is_one_clear_line(
    tmp_path: Path, make_audio: MakeAudio, annotate: Annotate
) -> None:
    job = write_job(tmp_path, make_audio, annotate)
    for shard in (tmp_path / "train" / "data").glob("*.parquet"):
        rewrite_shard(shard, _with_other_checksums, 20)
    with pytest.raises(TrainingError, match=r"no row of a batch can be used; t\d+-c0.* sha256: `fcaps train` names"):
        measure_waiting(job, num_steps=1, num_warmup_steps=0)


def test_a_run_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    job = tone_job(tmp_path / "nowhere", tmp_path / "neither")
    with pytest.raises(UsageError, match="nowhere does not exist"):
        measure_waiting(job, num_steps=1, num_warmup_steps=0)


def _with_other_checksums(table: pa.Table) -> pa.Table:
    position = table.schema.get_field_index("audio_sha256")
    changed = [hashlib.sha256(one.encode()).hexdigest() for one in table["audio_sha256"].to_pylist()]
    return table.set_column(position, table.schema.field(position), pa.array(changed))
