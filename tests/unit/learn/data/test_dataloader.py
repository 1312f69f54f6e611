"""Every row once per epoch, whatever the ranks, the workers and the interruptions; and what is broken is named."""

import gc
import multiprocessing
import os
import signal
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import torch

from fcaps_pipeline.errors import CorruptRunError, JobError, MissingFileError, ResourceError
from fcaps_pipeline.learn.data.batch_sampler import Position, SamplerSettings
from fcaps_pipeline.learn.data.batches import TrainingBatch
from fcaps_pipeline.learn.data.catalogue import Catalogue
from fcaps_pipeline.learn.data.dataloader import ShardDataLoader, read_in_order
from fcaps_pipeline.learn.data.sources import read_catalogue
from fcaps_pipeline.records.captions import Granularity
from tests.unit.learn.training.written_runs import (
    Annotate,
    MakeAudio,
    RunWriter,
    corpus,
    data_shard,
    rewrite_shard,
    with_events,
)

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")

BOTH = frozenset(Granularity)
SETTINGS = SamplerSettings(seed=3, batch_s=12.0, max_s=1.5, min_rows=4)
NUM_ROWS = 50


@pytest.fixture
def runs(make_audio: MakeAudio, annotate: Annotate) -> RunWriter:
    return RunWriter(make_audio, annotate)


@pytest.fixture
def root(runs: RunWriter, tmp_path: Path) -> Path:
    return runs.write(tmp_path / "run", corpus(NUM_ROWS), unit_rows=17, row_group_bytes=150_000)


def _epoch(
    catalogue: Catalogue,
    *,
    num_workers: int = 0,
    rank: int = 0,
    world_size: int = 1,
    start: Position | None = None,
    epoch: int = 0,
) -> list[TrainingBatch]:
    """Batches up to the end of an epoch."""
    loader = ShardDataLoader(catalogue, SETTINGS, BOTH, num_workers=num_workers, rank=rank, world_size=world_size)
    start = start or Position(epoch=epoch)
    with closing(loader.batches(start)) as batches:
        return list(islice(batches, loader.num_batches(epoch) - start.step))


def _content(batches: list[TrainingBatch]) -> list[tuple[Any, ...]]:
    """Everything in the batches, comparable."""
    return [
        (batch.position, batch.rows, batch.bad_rows, batch.lengths_B.tolist(), batch.audio_BT.numpy().tobytes())
        for batch in batches
    ]


def _rows(batches: list[TrainingBatch]) -> list[int]:
    return [row.row for batch in batches for row in batch.rows]


@pytest.mark.parametrize("world_size", [1, 2, 4])
def test_every_row_is_seen_once_per_epoch_in_the_same_global_batches(root: Path, world_size: int) -> None:
    catalogue = read_catalogue([root])
    alone = _epoch(catalogue)
    ranks = [_epoch(catalogue, rank=rank, world_size=world_size) for rank in range(world_size)]
    assert sorted(row for rank in ranks for row in _rows(rank)) == list(range(NUM_ROWS))
    assert len(alone) > 5
    for step, batch in enumerate(alone):
        shares = [rank[step] for rank in ranks]
        assert all(share.rows for share in shares)
        together = [shares[index % world_size].rows[index // world_size] for index in range(len(batch.rows))]
        assert together == list(batch.rows)
        for index in range(len(batch.rows)):
            share, place = shares[index % world_size], index // world_size
            length = int(batch.lengths_B[index])
            assert int(share.lengths_B[place]) == length
            assert torch.equal(share.audio_BT[place, :length], batch.audio_BT[index, :length])
            assert share.num_global_rows == len(batch.rows)


def test_the_number_of_workers_changes_no_byte(root: Path) -> None:
    catalogue = read_catalogue([root])
    expected = _content(_epoch(catalogue, num_workers=0))
    for num_workers in (1, 3):
        assert _content(_epoch(catalogue, num_workers=num_workers)) == expected


def test_a_resume_at_any_step_goes_on_as_if_nothing_had_happened(root: Path) -> None:
    catalogue = read_catalogue([root])
    for world_size in (1, 2):
        for rank in range(world_size):
            whole = _epoch(catalogue, rank=rank, world_size=world_size)
            for step in range(len(whole)):
                before = whole[:step]
                start = before[-1].next_position if before else Position()
                after = _epoch(read_catalogue([root]), rank=rank, world_size=world_size, start=start)
                assert _content(before + after) == _content(whole)


def test_a_resume_with_workers_and_another_number_of_ranks_sees_every_row_once(root: Path) -> None:
    catalogue = read_catalogue([root])
    step = 4
    before = [_epoch(catalogue, rank=rank, world_size=4)[:step] for rank in range(4)]
    start = before[0][-1].next_position
    after = [_epoch(catalogue, rank=rank, world_size=2, start=start, num_workers=2) for rank in range(2)]
    assert sorted(row for part in (*before, *after) for row in _rows(part)) == list(range(NUM_ROWS))


def test_epochs_follow_each_other_without_end_and_differ(root: Path) -> None:
    loader = ShardDataLoader(read_catalogue([root]), SETTINGS, BOTH, num_workers=0)
    lengths = [loader.num_batches(epoch) for epoch in range(3)]
    batches = list(islice(loader.batches(Position()), sum(lengths)))
    assert [batch.position for batch in batches] == [
        Position(epoch=epoch, step=step) for epoch in range(3) for step in range(lengths[epoch])
    ]
    assert [batch.next_position for batch in batches[:-1]] == [batch.position for batch in batches[1:]]
    orders = [_rows([batch for batch in batches if batch.position.epoch == epoch]) for epoch in range(3)]
    assert all(sorted(order) == list(range(NUM_ROWS)) for order in orders)
    assert orders[0] != orders[1] != orders[2]


def test_a_position_after_the_last_step_is_the_next_epoch(root: Path) -> None:
    loader = ShardDataLoader(read_catalogue([root]), SETTINGS, BOTH, num_workers=0)
    end = Position(epoch=0, step=loader.num_batches(0))
    assert next(loader.batches(end)).position == Position(epoch=1)
    with pytest.raises(CorruptRunError, match="cannot go on at step"):
        loader.batches(Position(step=end.step + 1))


def test_no_worker_outlives_the_iterator(root: Path) -> None:
    loader = ShardDataLoader(read_catalogue([root]), SETTINGS, BOTH, num_workers=2)
    batches = loader.batches(Position())
    next(batches)
    assert len(multiprocessing.active_children()) == 2
    del batches
    gc.collect()
    assert multiprocessing.active_children() == []


def test_more_ranks_than_rows_of_a_batch_are_a_job_error(root: Path) -> None:
    with pytest.raises(JobError, match="5 ranks divide batches that may have 4 rows; set min_rows to 5 or more"):
        ShardDataLoader(read_catalogue([root]), SETTINGS, BOTH, num_workers=0, rank=0, world_size=5)


def test_bad_rows_are_named_and_the_rest_of_the_epoch_is_whole(root: Path) -> None:
    def spoil(table: pa.Table) -> pa.Table:
        rows = table.to_pylist()
        rows[2]["audio"]["bytes"] = rows[2]["audio"]["bytes"][:-40]
        rows[5]["fine_captions"] = []
        return pa.Table.from_pylist(rows, schema=table.schema)

    shard = data_shard(root, 1)
    rewrite_shard(shard, spoil, 4)
    catalogue = read_catalogue([root])
    batches = _epoch(catalogue, num_workers=1)
    bad = {row.segment_id: row for batch in batches for row in batch.bad_rows}
    assert set(bad) == {catalogue.names(17 + 2).segment_id, catalogue.names(17 + 5).segment_id}
    assert {row.shard for row in bad.values()} == {str(shard)}
    assert any("fine caption" in row.reason for row in bad.values())
    assert sorted(_rows(batches)) == sorted(set(range(NUM_ROWS)) - {19, 22})
    assert sum(batch.num_global_rows for batch in batches) == NUM_ROWS


@pytest.mark.parametrize("num_workers", [0, 1])
def test_a_shard_that_is_gone_is_one_line_with_the_next_step(root: Path, num_workers: int) -> None:
    catalogue = read_catalogue([root])
    shard = data_shard(root, 1)
    shard.unlink()
    with pytest.raises(MissingFileError, match=rf"{shard}.* does not exist"):
        _epoch(catalogue, num_workers=num_workers)


def test_damage_within_a_shard_costs_the_rows_that_it_is_in(root: Path) -> None:
    catalogue = read_catalogue([root])
    shard = data_shard(root, 1)
    content = bytearray(shard.read_bytes())
    content[4:2000] = b"\xff" * 1996
    shard.write_bytes(content)
    batches = _epoch(catalogue)
    bad = [row for batch in batches for row in batch.bad_rows]
    assert bad
    assert {row.shard for row in bad} == {str(shard)}
    assert len(_rows(batches)) + len(bad) == NUM_ROWS


def test_a_worker_that_is_killed_is_one_line_with_the_next_step(root: Path) -> None:
    batches = ShardDataLoader(read_catalogue([root]), SETTINGS, BOTH, num_workers=1).batches(Position())
    next(batches)
    for child in multiprocessing.active_children():
        os.kill(child.pid or 0, signal.SIGKILL)
    with pytest.raises(ResourceError, match=r"a loader worker died .*lower num_workers"):
        list(islice(batches, 1000))


def test_timed_events_are_read_where_the_shard_has_them(root: Path) -> None:
    def add(table: pa.Table) -> pa.Table:
        first = {"phrase": "a laugh", "start_s": 0.0, "end_s": 0.01}
        return with_events([[first] if row == 0 else None for row in range(table.num_rows)])(table)

    rewrite_shard(data_shard(root, 1), add, 4)
    batches = read_in_order(read_catalogue([root]), BOTH, batch_s=12.0, num_workers=0)
    events = {row.row: row.events for batch in batches for row in batch.rows}
    assert {row: [one.phrase for one in found] for row, found in events.items() if found} == {17: ["a laugh"]}


@pytest.mark.parametrize("num_workers", [0, 2])
def test_evaluation_reads_all_rows_whole_and_in_order(root: Path, num_workers: int) -> None:
    catalogue = read_catalogue([root])
    batches = list(read_in_order(catalogue, BOTH, batch_s=12.0, num_workers=num_workers))
    assert _rows(batches) == list(range(NUM_ROWS))
    lengths = [length for batch in batches for length in batch.lengths_B.tolist()]
    assert lengths == catalogue.num_samples_N.tolist()
    assert all(batch.audio_BT.numel() <= 12 * 16_000 for batch in batches)
    assert [batch.is_last_of_epoch for batch in batches] == [False] * (len(batches) - 1) + [True]


def test_rows_are_those_that_the_catalogue_names(root: Path) -> None:
    catalogue = read_catalogue([root])
    batches = read_in_order(catalogue, BOTH, batch_s=30.0, num_workers=0)
    for row in (row for batch in batches for row in batch.rows):
        names = catalogue.names(row.row)
        assert (row.segment_id, row.speaker, row.recording_id) == (names.segment_id, names.speaker, names.recording_id)
