from pathlib import Path

import pyarrow as pa
import pytest

from fcaps_pipeline.records.captions import Granularity
from fcaps_pipeline.release.distributions import DistinctIds, StepCounter, ValueCounter
from fcaps_pipeline.release.statistics import measure
from tests.unit.learn.training.written_runs import Annotate, MakeAudio, RunWriter
from tests.unit.release.laid_out import lay_out, rows_of


@pytest.fixture
def write(make_audio: MakeAudio, annotate: Annotate) -> RunWriter:
    return RunWriter(make_audio, annotate)


def test_every_figure_is_that_of_the_rows(write: RunWriter, tmp_path: Path) -> None:
    rows = rows_of(write, tmp_path / "run")
    rows["data"][0].update(speaker=None, events=[], missing=[{"field": "global", "reason": "absence"}] * 2)
    rows["data"][1]["fine_captions"] = ["Two words.", "  And  three more "]
    made = lay_out(tmp_path / "release", rows)
    found = measure(made.layout, made.draft)
    assert found.splits == made.draft.splits
    assert (found.all.num_rows, found.all.num_recordings, found.all.num_speakers) == (12, 12, 4)
    assert (found.filled["speaker"], found.filled["events"], found.filled["tags"]) == (11, 1, 12)
    assert found.missing == {"global": 1}
    gender = {one.value: one.num_rows for one in found.values["gender"].listed}
    assert gender == {"female": {"train": 3, "validation": 3}, "male": {"train": 3, "test": 3}}
    fine = found.captions[Granularity.FINE]
    assert (fine.num_captions, fine.rows_by_number) == (13, {1: 11, 2: 1})
    assert fine.words is not None
    assert (fine.words.minimum, fine.words.maximum) == (2, 7)
    assert found.answers[Granularity.FINE].dropped == {"absence": 12}
    assert [(one.granularity, one.model, one.num_captions) for one in found.writers] == [
        ("fine", "package:captioner", 12),
        ("global", "package:captioner", 12),
    ]


def test_a_release_without_columns_and_candidates_is_measured(write: RunWriter, tmp_path: Path) -> None:
    rows = rows_of(write, tmp_path / "run")
    made = lay_out(tmp_path / "release", {"data": rows["data"]}, without_columns=("snr_db", "warnings", "language"))
    found = measure(made.layout, made.draft)
    assert found.spreads["snr_db"] is None
    assert [one.value for one in found.values["language"].listed] == [None]
    assert (found.answers, found.writers, found.warnings) == ({}, (), {})


def test_quantiles_are_those_of_all_values() -> None:
    steps = StepCounter(0.5)
    for start in range(0, 1000, 100):
        steps.add(pa.chunked_array([pa.array([*range(start, start + 100), None, float("nan")], pa.float64())]))
    found = steps.spread()
    assert found is not None
    assert (found.num, found.minimum, found.median, found.p95, found.maximum) == (1000, 0, 499, 949, 999)
    assert found.mean == 499.5
    assert steps.histogram(250.0) == {0.0: 250, 250.0: 250, 500.0: 250, 750.0: 250}
    assert StepCounter(1.0).spread() is None


def test_ids_are_counted_once_over_batches() -> None:
    ids = DistinctIds()
    ids.add(pa.chunked_array([["a", "b", None]]))
    ids.add(pa.chunked_array([["b", "c"]]))
    assert ids.count == 3


def test_values_beyond_the_listed_ones_are_counted_together() -> None:
    values = ValueCounter()
    values.add("train", pa.chunked_array([[f"{number:03d}" for number in range(60)] + ["000", None]]))
    found = values.values()
    assert (len(found.listed), found.num_values, found.num_unlisted) == (50, 60, 11)
    assert (found.listed[0].value, found.listed[0].total) == ("000", 2)
