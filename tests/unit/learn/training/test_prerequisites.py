"""What a job needs of its rows is looked for before any step."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fcaps_pipeline.errors import JobError
from fcaps_pipeline.learn.data.catalogue import Catalogue
from fcaps_pipeline.learn.data.sources import read_catalogue
from fcaps_pipeline.learn.training.prerequisites import require_learnable
from tests.unit.learn.training.measured import with_column
from tests.unit.learn.training.tones import TINY_MODEL, tone_job, write_tones
from tests.unit.learn.training.written_runs import Annotate, MakeAudio, rewrite_shard, with_events

_FRAMES: dict[str, Any] = {"model": {**TINY_MODEL, "frames": {"num_layers": 1, "num_heads": 2}}}
_TWO_TEXTS: dict[str, Any] = {"captions": {"kind": "two_texts"}}
_FLIPS: dict[str, Any] = {"objectives": {"info_nce": {}, "flips": {}}}


@pytest.fixture
def run(tmp_path: Path, make_audio: MakeAudio, annotate: Annotate) -> Path:
    return write_tones(tmp_path / "run", make_audio, annotate, 12, "t")


def _check(run: Path, *, train_rows: list[int] | None = None, **changes: Any) -> None:
    catalogue = read_catalogue([run])
    train: Catalogue = catalogue if train_rows is None else catalogue.take(np.array(train_rows))
    require_learnable(tone_job(run, run, **changes), train, catalogue)


def _refused(run: Path, expected: str, **changes: Any) -> None:
    with pytest.raises(JobError, match=expected) as raised:
        _check(run, **changes)
    assert "\n" not in str(raised.value)


def _set_captions(run: Path, granularity: str, captions: list[list[str] | None]) -> None:
    (shard,) = (run / "data").glob("*.parquet")
    rewrite_shard(shard, lambda table: with_column(table, f"{granularity}_captions", captions), 5)


def _set_events(run: Path, rows: set[int]) -> None:
    event = {"phrase": "a sound", "start_s": 0.0, "end_s": 0.1}
    (shard,) = (run / "data").glob("*.parquet")
    rewrite_shard(shard, with_events([[event] if row in rows else [] for row in range(12)]), 5)


def test_whole_rows_pass(run: Path) -> None:
    _check(run)
    _check(run, **_TWO_TEXTS)


def test_each_row_needs_all_granularities_of_one_each(run: Path) -> None:
    halves: list[list[str] | None] = [["A deep tone."] if row < 6 else None for row in range(12)]
    _set_captions(run, "fine", halves)
    _set_captions(run, "global", [[] if row < 6 else ["A tone."] for row in range(12)])
    _refused(run, "none of 12 rows of the train split has a fine caption and a global caption, so no row could be used")
    _check(run, **_TWO_TEXTS)
    _check(run, captions={"kind": "one_each", "granularities": ["fine"]})
    _refused(
        run,
        "none of 6 rows of the train split has a fine caption",
        captions={"kind": "one_each", "granularities": ["fine"]},
        train_rows=list(range(6, 12)),
    )


def test_dev_needs_every_granularity_that_it_is_measured_with(run: Path) -> None:
    _set_captions(run, "fine", [[]] * 12)
    _refused(run, "split dev has no fine caption in the 12 rows", **_TWO_TEXTS)
    _check(run, captions={"kind": "one_each", "granularities": ["global"]})


def test_rows_without_any_caption_are_refused(run: Path) -> None:
    for granularity in ("fine", "global"):
        _set_captions(run, granularity, [[]] * 12)
    _refused(run, "none of 12 rows of the train split has a caption", **_TWO_TEXTS)


def test_frames_need_an_event_in_train(run: Path) -> None:
    with_frames: dict[str, Any] = {**_FRAMES, "objectives": {"info_nce": {}, "frames": {}}}
    _refused(run, r"objectives.frames learns from timed events, and none of 12 rows", **with_frames)
    _set_events(run, {11})
    _check(run, **with_frames)
    _refused(run, "none of 11 rows", train_rows=list(range(11)), **with_frames)


def test_flips_need_a_caption_that_can_be_changed(run: Path) -> None:
    _check(run, **_FLIPS)
    _set_captions(run, "fine", [["Nothing is said here."]] * 12)
    _refused(run, "none of 12 captions of the train split states one", **_FLIPS, captions={"kind": "one_each"})
    _check(run, **_FLIPS, **_TWO_TEXTS)
