"""Three readers of the same shards."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from fcaps_pipeline.errors import CorruptRunError, UsageError
from fcaps_pipeline.lab.bench.train_reading import measure_reading
from tests.unit.lab.bench.train_jobs import write_job
from tests.unit.learn.training.tones import tone_job
from tests.unit.learn.training.written_runs import Annotate, MakeAudio, RunWriter, rewrite_shard

_SHARE: dict[str, Any] = {"kind": "share", "dev_share": 0.2}


def test_every_reader_is_timed_with_and_without_workers(
    tmp_path: Path, make_audio: MakeAudio, annotate: Annotate
) -> None:
    job = write_job(tmp_path, make_audio, annotate, num_workers=1)
    speeds = measure_reading(job, max_rows=1000, min_s=0.0)
    assert [(one.reader, one.num_workers) for one in speeds] == [
        ("bare soundfile", 0),
        ("datasets streaming", 0),
        ("loader", 0),
        ("datasets streaming", 1),
        ("loader", 1),
    ]
    assert all(one.rows_per_s > 0 for one in speeds)


def test_whole_shards_are_read_until_there_are_enough_rows(
    tmp_path: Path, make_audio: MakeAudio, annotate: Annotate
) -> None:
    job = write_job(tmp_path, make_audio, annotate)
    second = sorted((tmp_path / "train" / "data").glob("*.parquet"))[1]
    _spoil(second)
    assert len(measure_reading(job, max_rows=40, min_s=0.0)) == 3
    with pytest.raises(CorruptRunError, match=r"the audio of t40-\S+ does not decode .*`fcaps verify"):
        measure_reading(job, max_rows=41, min_s=0.0)


def test_runs_that_are_divided_by_speaker_are_read_whole(
    tmp_path: Path, make_audio: MakeAudio, annotate: Annotate
) -> None:
    job = write_job(tmp_path, make_audio, annotate)
    splits = _SHARE | {"runs": [str(tmp_path / "train")]}
    data = job.data.model_validate(job.data.model_dump() | {"splits": splits})
    assert len(measure_reading(job.model_copy(update={"data": data}), max_rows=10, min_s=0.0)) == 3


def test_runs_without_rows_are_refused(tmp_path: Path, make_audio: MakeAudio, annotate: Annotate) -> None:
    empty = RunWriter(make_audio, annotate).write(tmp_path / "empty", [])
    with pytest.raises(UsageError, match="have no row; annotate more"):
        measure_reading(tone_job(empty, empty), max_rows=10, min_s=0.0)


def _spoil(shard: Path) -> None:
    def change(table: pa.Table) -> pa.Table:
        position = table.schema.get_field_index("audio")
        field = table.schema.field(position)
        spoilt = [{"bytes": b"no audio", "path": None}] * table.num_rows
        return table.set_column(position, field, pa.array(spoilt, field.type))

    rewrite_shard(shard, change, 20)
