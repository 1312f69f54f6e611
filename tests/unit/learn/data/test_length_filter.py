"""Rows that a tower cannot take leave the batch, and their padding with them."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from fcaps_pipeline.learn.data.batch_sampler import Position
from fcaps_pipeline.learn.data.batches import BadRow, TrainingBatch, TrainingRow
from fcaps_pipeline.learn.data.catalogue import Catalogue
from fcaps_pipeline.learn.data.length_filter import drop_unusable
from fcaps_pipeline.learn.data.sources import read_catalogue
from fcaps_pipeline.learn.dual_encoder.model import DualEncoder
from fcaps_pipeline.learn.dual_encoder.speech_towers import SpeechTower
from tests.unit.learn.dual_encoder.building import TEXTS, TINY, write_whisper
from tests.unit.learn.training.written_runs import Annotate, MakeAudio, RunWriter, corpus


@pytest.fixture
def catalogue(tmp_path: Path, make_audio: MakeAudio, annotate: Annotate) -> Catalogue:
    return read_catalogue([RunWriter(make_audio, annotate).write(tmp_path, corpus(4))])


def _batch(*lengths: int) -> TrainingBatch:
    rows = [
        TrainingRow(
            row=index,
            segment_id=f"s{index}",
            recording_id="r",
            speaker=None,
            tags=(),
            global_captions=(),
            fine_captions=("A man speaks.",),
            events=(),
            audio_id=f"a{index}",
        )
        for index in range(len(lengths))
    ]
    return TrainingBatch(
        position=Position(),
        is_last_of_epoch=False,
        num_global_rows=len(lengths),
        audio_BT=torch.randn(len(lengths), max(lengths), generator=torch.Generator().manual_seed(0)),
        lengths_B=torch.tensor(lengths),
        rows=tuple(rows),
        bad_rows=(),
    )


@pytest.fixture
def model(tmp_path: Path) -> DualEncoder:
    """With Whisper's encoder for 2 s, which gives every clip that length itself."""
    return DualEncoder.new(TINY.model_copy(update={"speech": write_whisper(tmp_path / "whisper")}), TEXTS).eval()


@pytest.fixture
def tower(model: DualEncoder) -> SpeechTower:
    return model.speech_tower


def test_a_batch_is_as_long_as_its_longest_kept_row(model: DualEncoder, catalogue: Catalogue) -> None:
    batch = _batch(3000, 48_000, 32_000, model.speech_tower.min_samples - 1)
    kept = drop_unusable(batch, model.speech_tower, catalogue)
    assert (tuple(kept.audio_BT.shape), kept.lengths_B.tolist()) == ((2, 32_000), [3000, 32_000])
    assert torch.equal(kept.audio_BT, batch.audio_BT[[0, 2], :32_000])
    assert len(model.encode_speech(kept.audio_BT, kept.lengths_B)) == 2
    assert [row.segment_id for row in kept.rows] == ["s0", "s2"]
    assert [(bad.segment_id, bad.shard) for bad in kept.bad_rows] == [
        (f"s{row}", catalogue.names(row).shard) for row in (1, 3)
    ]
    assert "lasts 3.00 s, the speech tower takes 2.00 s at most" in kept.bad_rows[0].reason


def test_a_batch_without_a_usable_row_is_empty(tower: SpeechTower, catalogue: Catalogue) -> None:
    kept = drop_unusable(_batch(33_000, 48_000), tower, catalogue)
    assert (tuple(kept.audio_BT.shape), kept.rows, len(kept.bad_rows)) == ((0, 0), (), 2)


def test_bad_rows_of_before_stay_named(tower: SpeechTower, catalogue: Catalogue) -> None:
    before = BadRow(segment_id="x", shard="shard", reason="has no audio")
    batch = replace(_batch(3000, 48_000), bad_rows=(before,))
    assert drop_unusable(batch, tower, catalogue).bad_rows[0] == before
    whole = replace(_batch(3000, 3500), bad_rows=(before,))
    assert drop_unusable(whole, tower, catalogue) is whole
