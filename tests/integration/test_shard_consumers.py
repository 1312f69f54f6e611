"""Shards are read without this package: `datasets` streaming, plain torch and lhotse, ten lines each."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile
import torch
from datasets import Audio, load_dataset
from torch.utils.data import DataLoader, IterableDataset

from tests.unit.training.written_runs import Annotate, MakeAudio, RunWriter, corpus

ROWS = corpus(23)
COLUMNS = ["segment_id", "audio", "speaker", "transcript", "global_captions", "fine_captions"]


@pytest.fixture
def writer(make_audio: MakeAudio, annotate: Annotate) -> RunWriter:
    return RunWriter(make_audio, annotate)


@pytest.fixture
def run(writer: RunWriter, tmp_path: Path) -> Path:
    return writer.write(tmp_path / "run", ROWS, unit_rows=8, row_group_bytes=100_000)


def _expected(writer: RunWriter) -> dict[str, Any]:
    """Samples of each Segment, as float32 in [-1, 1)."""
    audios = [writer.audio(spoken, index) for index, spoken in enumerate(ROWS)]
    return {audio.segment.segment_id: audio.float_T() for audio in audios}


def read_with_datasets(run: Path) -> Iterator[dict[str, Any]]:
    """Streams rows in shuffled order; nothing is copied, and a shard is never whole in memory."""
    rows = load_dataset("parquet", data_files=f"{run}/data/*.parquet", split="train", streaming=True)
    rows = rows.select_columns(["segment_id", "audio", "global_captions", "fine_captions"])
    rows = rows.cast_column("audio", Audio(decode=False)).shuffle(seed=0, buffer_size=1000)
    for row in rows:
        audio_T, rate_hz = soundfile.read(io.BytesIO(row["audio"]["bytes"]), dtype="float32")
        yield {"id": row["segment_id"], "audio": audio_T, "rate_hz": rate_hz, "captions": row["fine_captions"]}


class TorchRows(IterableDataset[dict[str, Any]]):
    """Rows of a run, row group by row group, divided among loader workers by row group."""

    def __init__(self, run: Path) -> None:
        shards = sorted(run.glob("data/*.parquet"))
        self.row_groups = [(shard, group) for shard in shards for group in range(pq.ParquetFile(shard).num_row_groups)]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        worker = torch.utils.data.get_worker_info()
        for shard, group in self.row_groups[worker.id :: worker.num_workers] if worker else self.row_groups:
            for row in pq.ParquetFile(shard).read_row_group(group, columns=COLUMNS).to_pylist():
                audio_T, rate_hz = soundfile.read(io.BytesIO(row["audio"]["bytes"]), dtype="float32")
                yield {"id": row["segment_id"], "audio": audio_T, "rate_hz": rate_hz, "captions": row["fine_captions"]}


def read_with_lhotse(run: Path) -> Iterator[Any]:
    """One MonoCut per row, with the audio in memory and the captions where FCaps has them."""
    from lhotse import MonoCut, Recording, SupervisionSegment

    for shard in sorted(run.glob("data/*.parquet")):
        for part in pq.ParquetFile(shard).iter_batches(100, columns=COLUMNS):
            for row in part.to_pylist():
                name, audio = row["segment_id"], Recording.from_bytes(row["audio"]["bytes"], row["segment_id"])
                captions = {"short_captions": row["global_captions"], "long_captions": row["fine_captions"]}
                about = {"text": row["transcript"], "speaker": row["speaker"], "custom": captions}
                said = SupervisionSegment(name, name, start=0.0, duration=audio.duration, **about)
                yield MonoCut(name, start=0.0, duration=audio.duration, channel=0, supervisions=[said], recording=audio)


def _compare(rows: list[dict[str, Any]], expected: dict[str, Any]) -> None:
    assert sorted(row["id"] for row in rows) == sorted(expected)
    for row in rows:
        np.testing.assert_array_equal(row["audio"], expected[row["id"]])
        assert row["captions"] == ["A man begins softly and grows louder."]
        assert row["rate_hz"] == 16_000


def test_datasets_streams_every_row(run: Path, writer: RunWriter) -> None:
    _compare(list(read_with_datasets(run)), _expected(writer))


@pytest.mark.parametrize("num_workers", [0, 2])
@pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_plain_torch_reads_every_row_once(run: Path, writer: RunWriter, num_workers: int) -> None:
    context = "fork" if num_workers else None
    loader = DataLoader(
        TorchRows(run), batch_size=4, collate_fn=list, num_workers=num_workers, multiprocessing_context=context
    )
    _compare([row for batch in loader for row in batch], _expected(writer))


def test_lhotse_makes_a_cut_of_every_row(run: Path, writer: RunWriter) -> None:
    lhotse = pytest.importorskip("lhotse")
    cuts = lhotse.CutSet.from_cuts(read_with_lhotse(run))
    expected = _expected(writer)
    assert sorted(cut.id for cut in cuts) == sorted(expected)
    for cut in cuts:
        np.testing.assert_array_equal(cut.load_audio()[0], expected[cut.id])
        assert cut.supervisions[0].custom["long_captions"] == ["A man begins softly and grows louder."]
