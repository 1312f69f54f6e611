"""From stored rows to a batch: what is heard, what is said, and what is bad."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from fcaps_pipeline.audio.flac import decode_flac
from fcaps_pipeline.errors import RecordingError
from fcaps_pipeline.learn.data.batch_sampler import Position
from fcaps_pipeline.learn.data.batches import (
    BadRow,
    DecodedRow,
    Event,
    RowRules,
    TrainingBatch,
    collate,
    usable_row,
)
from fcaps_pipeline.learn.data.row_sound import Sound
from fcaps_pipeline.records.annotations import Annotation
from fcaps_pipeline.records.audio import Event as Measured
from fcaps_pipeline.records.audio import SegmentAudio
from fcaps_pipeline.records.captions import Granularity
from fcaps_pipeline.shards.rows import annotation_row
from fcaps_pipeline.shards.schema import Row

BOTH = frozenset(Granularity)
SHARD = "/data/unit-00000-1.parquet"


@pytest.fixture
def stored(make_audio: Callable[..., SegmentAudio], annotate: Callable[[SegmentAudio], Annotation]) -> Row:
    audio = make_audio()
    return {**annotation_row(annotate(audio), audio), "location": f"file://{SHARD}#name=a&offset=9&bytes=9"}


@pytest.fixture
def pcm(make_audio: Callable[..., SegmentAudio]) -> Any:
    return make_audio().pcm_T


def _read(content: Row, *, row: int = 3, epoch: int = 0, max_samples: int | None = None) -> DecodedRow | BadRow:
    return usable_row(content, _sound(content), row, epoch, RowRules(BOTH, max_samples, seed=9))


def _sound(content: Row) -> Sound:
    return decode_flac(content["audio"]["bytes"]) if content["audio"] else RecordingError("cannot be heard")


def _heard(content: Row, *, row: int = 3, epoch: int = 0, max_samples: int | None = None) -> DecodedRow:
    result = _read(content, row=row, epoch=epoch, max_samples=max_samples)
    assert isinstance(result, DecodedRow)
    return result


def _collate(*rows: DecodedRow | BadRow, position: Position | None = None, last: bool = False) -> TrainingBatch:
    return collate(rows, position or Position(), is_last_of_epoch=last, num_global_rows=7)


def _place(part: Any, whole: Any) -> int:
    """Where the one stretch of samples stands in the other."""
    starts = [at for at in range(len(whole) - len(part) + 1) if np.array_equal(whole[at : at + len(part)], part)]
    assert len(starts) == 1
    return starts[0]


def test_a_row_says_all_that_its_annotation_says(stored: Row, pcm: Any) -> None:
    heard = _heard(stored)
    np.testing.assert_array_equal(heard.pcm_T, pcm)
    row = heard.row
    assert (row.row, row.segment_id, row.recording_id) == (3, stored["segment_id"], "tale_wav")
    assert (row.speaker, row.tags, row.events) == ("anna", ("calm",), ())
    assert row.fine_captions == ("A man begins softly and grows louder.",)
    assert row.global_captions == ("A man with a low voice speaks softly at a measured pace.",)
    assert row.audio_id == stored["audio_sha256"][:16]


def test_measured_events_are_read_as_those_of_synthetic_speech(
    make_audio: Callable[..., SegmentAudio], annotate: Callable[[SegmentAudio], Annotation]
) -> None:
    audio = make_audio()
    place = {"phrase": "pauses", "start_samples": 1600, "end_samples": 8000}
    measured = Measured.model_validate({**place, "source": "acoustics", "confidence": 0.9})
    annotation = annotate(audio).model_copy(update={"events": (measured,)})
    row = annotation_row(annotation, audio)
    synthetic = {**row, "events": [{**place, "source": "synthesis", "confidence": 1.0}]}
    for max_samples in (None, 20_000):
        heard = _heard(row, max_samples=max_samples).row.events
        assert heard == _heard(synthetic, max_samples=max_samples).row.events
    assert _heard(row).row.events == (Event(phrase="pauses", start_s=0.1, end_s=0.5),)
    nobody_looked = annotation_row(annotation.model_copy(update={"events": None}), audio)
    assert nobody_looked["events"] is None
    assert _heard(nobody_looked).row.events == ()


def test_a_batch_is_padded_with_zeros(stored: Row, pcm: Any) -> None:
    batch = _collate(_heard(stored, max_samples=1000), _heard(stored, max_samples=1600))
    assert (batch.audio_BT.dtype, batch.lengths_B.dtype) == (torch.float32, torch.int64)
    assert (batch.lengths_B.tolist(), tuple(batch.audio_BT.shape)) == ([1000, 1600], (2, 1600))
    assert batch.audio_BT[0, 1000:].abs().max() == 0
    whole = _collate(_heard(stored))
    np.testing.assert_array_equal(whole.audio_BT[0].numpy(), pcm.astype(np.float32) / 32768)


def test_the_crop_follows_from_seed_epoch_and_row(stored: Row, pcm: Any) -> None:
    def start(**place: int) -> int:
        return _place(_heard(stored, max_samples=500, **place).pcm_T, pcm)

    assert start(row=3, epoch=0) == start(row=3, epoch=0)
    assert len({start(row=row, epoch=epoch) for row in range(3) for epoch in range(3)}) == 9


def _event(phrase: str | None, start_samples: int | None, end_samples: int) -> Row:
    return {"phrase": phrase, "start_samples": start_samples, "end_samples": end_samples}


def test_events_move_with_the_crop_and_are_clipped_to_it(stored: Row, pcm: Any) -> None:
    events = [
        {"phrase": "a laugh", "start_samples": 0, "end_samples": 32_000},
        {"phrase": "start", "start_samples": 0, "end_samples": 2},
        {"phrase": "a pause", "start_samples": 14_400, "end_samples": 17_600},
    ]
    whole = _heard({**stored, "events": events}).row.events
    assert [(one.phrase, one.start_s * 16_000, one.end_s * 16_000) for one in whole] == [
        tuple(one.values()) for one in events
    ]
    cropped = _heard({**stored, "events": events}, max_samples=16_000)
    offset = _place(cropped.pcm_T, pcm)
    assert 1_600 < offset < 14_400
    assert cropped.row.events == (
        Event(phrase="a laugh", start_s=0.0, end_s=1.0),
        Event(phrase="a pause", start_s=(14_400 - offset) / 16_000, end_s=min((17_600 - offset) / 16_000, 1.0)),
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"audio": None}, "cannot be heard"),
        ({"fine_captions": []}, "has no fine caption"),
        ({"global_captions": None}, "has no global caption"),
        ({"events": [_event("x", 1_600, 1_600)]}, "event 'x' from sample 1600 to 1600"),
        ({"events": [_event("x", 16_000, 40_000)]}, "not inside its 32000 samples"),
        ({"events": [_event("x", None, 16_000)]}, "event 'x' from sample None to 16000"),
        ({"events": [_event(None, 16_000, 24_000)]}, "an event without a phrase, from sample 16000 to 24000"),
        ({"events": [_event(" ", 16_000, 24_000)]}, "an event without a phrase"),
        ({"fine_captions": ["A man speaks.", " \n"]}, "has a blank fine caption"),
        ({"global_captions": [""]}, "has a blank global caption"),
        ({"global_captions": [None]}, "has a blank global caption"),
    ],
)
def test_a_row_that_cannot_be_used_is_named_with_the_reason(stored: Row, change: Row, reason: str) -> None:
    bad = _read({**stored, **change})
    assert isinstance(bad, BadRow)
    assert (bad.segment_id, bad.shard) == (stored["segment_id"], SHARD)
    assert reason in bad.reason


def test_a_granularity_the_job_does_not_need_may_be_missing(stored: Row) -> None:
    rules = RowRules(frozenset({Granularity.GLOBAL}), None, seed=9)
    assert isinstance(usable_row({**stored, "fine_captions": []}, _sound(stored), 0, 0, rules), DecodedRow)


def test_bad_rows_travel_with_the_batch(stored: Row) -> None:
    bad = _read({**stored, "audio": None})
    batch = _collate(bad, _heard(stored))
    assert (len(batch.rows), batch.audio_BT.shape[0], batch.bad_rows, batch.num_global_rows) == (1, 1, (bad,), 7)
    empty = _collate(bad)
    assert (empty.rows, tuple(empty.audio_BT.shape), empty.lengths_B.tolist()) == ((), (0, 0), [])


def test_the_next_position_is_the_next_step_or_the_next_epoch(stored: Row) -> None:
    here = Position(epoch=2, step=5)
    assert _collate(_heard(stored), position=here).next_position == Position(epoch=2, step=6)
    assert _collate(_heard(stored), position=here, last=True).next_position == Position(epoch=3, step=0)
