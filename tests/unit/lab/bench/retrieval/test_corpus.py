import hashlib
from pathlib import Path

import numpy as np
import pytest

from fcaps_pipeline.audio.flac import decode_flac
from fcaps_pipeline.lab.bench.retrieval.corpus import SHARD_ROWS, RunPlan, make_row, write_runs
from fcaps_pipeline.lab.synthesis.sentences import split_of
from fcaps_pipeline.learn.data.dataloader import read_in_order
from fcaps_pipeline.learn.data.sources import read_catalogue
from fcaps_pipeline.learn.data.splits import split_by_runs
from fcaps_pipeline.records.audio import SAMPLE_RATE_HZ
from fcaps_pipeline.records.captions import Granularity
from fcaps_pipeline.shards.layout import RunLayout
from fcaps_pipeline.shards.reader import check_file, read_index, read_rows
from fcaps_pipeline.shards.schema import Row, table_schema
from tests.unit.lab.bench.retrieval.truths import make_truth
from tests.unit.lab.conftest import needs_synthesizers


def plan(name: str, split: str, *, num_rows: int = 3, number: int = 0, num_global: int = 1) -> RunPlan:
    content = {"name": name, "split": split, "number": number, "num_rows": num_rows, "num_fine": 2}
    return RunPlan.model_validate(content | {"num_global": num_global, "seed": 11})


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("corpus")
    plans = (plan("train", "train"), plan("dev", "validation"), plan("test", "test"))
    told: list[int] = []
    write_runs(folder, plans, workers=2, on_rows=told.append)
    assert told == [0, 3, 3, 3]
    write_runs(folder, plans, workers=2, on_rows=told.append)
    assert told[4:] == [9]
    return {one.name: folder / one.name for one in plans}


def rows_of(run: Path) -> list[Row]:
    return list(read_rows(RunLayout(run), "data"))


def test_a_row_is_its_recording() -> None:
    truth = make_truth(4, num_stretches=3)
    pcm_T = np.arange(round(truth.duration_s * SAMPLE_RATE_HZ)).astype(np.int16)
    row = make_row(truth, pcm_T, plan("train", "train"), np.random.default_rng(0))
    assert set(row) <= set(table_schema("data").names)
    assert np.array_equal(decode_flac(row["audio"]["bytes"]), pcm_T)
    assert row["speaker"] == "somebody"
    assert [event["phrase"] for event in row["events"]] == [event.phrase for event in truth.events]
    assert (len(row["fine_captions"]), len(row["global_captions"])) == (2, 1)


def test_the_last_shard_has_the_rest() -> None:
    whole = plan("train", "train", num_rows=2 * SHARD_ROWS + 7)
    assert [whole.shard_rows(index) for index in range(whole.num_shards)] == [SHARD_ROWS, SHARD_ROWS, 7]


@needs_synthesizers
def test_a_run_is_what_its_index_says(runs: dict[str, Path]) -> None:
    index = read_index(RunLayout(runs["train"]))
    assert (index.totals.num_annotations, index.totals.num_recordings) == (3, 3)
    for file in index.shards:
        content = (runs["train"] / file.path).read_bytes()
        assert (file.num_bytes, file.sha256) == (len(content), hashlib.sha256(content).hexdigest())
        check_file(RunLayout(runs["train"]), file)


@needs_synthesizers
def test_training_reads_every_row(runs: dict[str, Path]) -> None:
    batches = list(read_in_order(read_catalogue([runs["train"]]), frozenset(Granularity), batch_s=60.0, num_workers=0))
    assert sum(len(batch.rows) for batch in batches) == 3
    assert not any(batch.bad_rows for batch in batches)
    assert any(row.events for batch in batches for row in batch.rows)


@needs_synthesizers
def test_events_lie_inside_their_audio(runs: dict[str, Path]) -> None:
    for run in runs.values():
        for row in rows_of(run):
            for event in row["events"]:
                assert 0 <= event["start_samples"] < event["end_samples"] <= row["end_samples"]


@needs_synthesizers
def test_splits_share_neither_voices_nor_sentences(runs: dict[str, Path]) -> None:
    train, dev, test = (read_catalogue([runs[name]]) for name in ("train", "dev", "test"))
    split_by_runs(train, dev, test)
    wanted = {"train": "train", "dev": "validation", "test": "test"}
    for name, run in runs.items():
        sentences = [one.strip() for row in rows_of(run) for one in row["transcript"].split(".") if one.strip()]
        # A transcript begins each sentence with a capital, which the sentence itself may lack.
        assert all(wanted[name] in (split_of(one), split_of(lowered(one))) for one in sentences)


def lowered(sentence: str) -> str:
    return sentence[0].lower() + sentence[1:]
