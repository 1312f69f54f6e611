"""Tags that no row has, and rows that are too short."""

from pathlib import Path

import pytest

from fcaps_pipeline.errors import JobError
from fcaps_pipeline.learn.data.splits import read_splits
from fcaps_pipeline.learn.training.build import balance_tags, drop_short
from tests.unit.learn.training.tones import tone_job, write_tones
from tests.unit.learn.training.written_runs import Annotate, MakeAudio


@pytest.fixture
def runs(tmp_path: Path, make_audio: MakeAudio, annotate: Annotate) -> tuple[Path, Path]:
    return (
        write_tones(tmp_path / "train", make_audio, annotate, 30, "t"),
        write_tones(tmp_path / "dev", make_audio, annotate, 10, "dev"),
    )


def test_each_tag_that_no_row_has_is_named(runs: tuple[Path, Path]) -> None:
    wordings = {"deep": ["a deep tone"], "lowd": ["a loud tone"], "shril": ["a shrill tone"]}
    job = tone_job(*runs, objectives={"info_nce": {}, "tags": {"wordings": wordings}})
    with pytest.raises(JobError, match=r"has lowd, shril, which objectives.tags.wordings names") as raised:
        balance_tags(job, read_splits(job.data.splits).train)
    assert "\n" not in str(raised.value)


def test_short_rows_of_train_and_dev_are_left_out_and_counted(runs: tuple[Path, Path]) -> None:
    splits = read_splits(tone_job(*runs).data.splits)
    kept, num_short = drop_short(splits, 0.4)
    for name, before, after in (("train", splits.train, kept.train), ("dev", splits.dev, kept.dev)):
        assert after.num_samples_N.tolist() == [one for one in before.num_samples_N.tolist() if one >= 6400]
        assert 0 < num_short[name] == len(before) - len(after) < len(before)
    assert drop_short(splits, None) == (splits, {})
    with pytest.raises(JobError, match=r"none of 30 rows of split train lasts data.min_s 60 s; lower it"):
        drop_short(splits, 60.0)
