"""A card is found by the index of the plan, and without it; what is not there is said."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fcaps_pipeline.annotate.run import inspection
from fcaps_pipeline.annotate.run.inspection import find
from fcaps_pipeline.errors import UsageError
from fcaps_pipeline.records.annotations import Annotation, Failure, Rejection, SegmentOutcome
from fcaps_pipeline.records.audio import SegmentAudio
from fcaps_pipeline.shards.id_index import units_with
from fcaps_pipeline.shards.layout import RunLayout
from fcaps_pipeline.shards.writer import UnitWriter
from tests.mapped_run import write_plan
from tests.outcomes import segmented
from tests.unit.learn.training.written_runs import RunWriter, corpus

MakeAudio = Callable[..., SegmentAudio]
Annotate = Callable[[SegmentAudio], Annotation]


@pytest.fixture
def run(
    tmp_path: Path,
    make_audio: MakeAudio,
    annotate: Annotate,
    reject: Callable[[SegmentAudio], Rejection],
    fail: Callable[[SegmentAudio], Failure],
) -> RunLayout:
    """Two units of annotated rows, and one with a row of each kind; the index knows the last alone."""
    layout = RunLayout(RunWriter(make_audio, annotate).write(tmp_path / "run", corpus(6), unit_rows=3))
    gone = make_audio().recording.model_copy(update={"recording_id": "gone_wav"})
    with UnitWriter(layout, 2, row_group_bytes=1) as writer:
        makers: list[Callable[[SegmentAudio], SegmentOutcome]] = [annotate, reject, fail]
        for index, make in enumerate(makers):
            writer.add(make(make_audio(index)), make_audio(index))
        writer.add_recording_failure(Failure(recording=gone, segment=None, stage="decode", error="E", message="no"))
        writer.commit((segmented(3), segmented(0)), 3, 1.0)
    write_plan(layout, [make_audio().recording, gone], unit_index=2)
    return layout


@pytest.mark.parametrize("state", ["there", "missing", "stale", "damaged"])
def test_a_row_of_any_table_is_found(run: RunLayout, make_audio: MakeAudio, state: str) -> None:
    if state == "missing":
        run.plan_ids(1).on_disk().unlink()
    elif state == "stale":
        stored = run.plan_ids(1).on_disk()
        hashes, units = np.fromfile(stored, np.uint64).reshape(2, -1)
        stored.write_bytes(hashes.tobytes() + (units // np.uint64(2)).tobytes())
    elif state == "damaged":
        run.plan_ids(1).on_disk().write_bytes(run.plan_ids(1).on_disk().read_bytes()[:-1])
    for index, (table, num_candidates) in enumerate((("data", 3), ("rejections", 1), ("failures", 0))):
        name = make_audio(index).segment.segment_id
        row = find(run, name)
        assert (row["table"], row["segment_id"], len(row["candidates"])) == (table, name, num_candidates)
        assert "audio" not in row
    assert find(run, "gone_wav")["message"] == "no"


def test_what_the_index_knows_is_read_without_any_other_unit(
    run: RunLayout, make_audio: MakeAudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (units_with(run, "tale_wav"), units_with(run, "nobody")) == ([2], [])
    monkeypatch.setattr(inspection, "read_commits", None)
    assert find(run, make_audio(1).segment.segment_id)["table"] == "rejections"


def test_an_id_that_nobody_has_is_answered_with_one_like_it(run: RunLayout) -> None:
    with pytest.raises(UsageError, match=r"has no Segment 'tale'; did you mean tale_wav-c0-"):
        find(run, "tale")
    with pytest.raises(UsageError, match=r"has no Segment 'Xyz'; `fcaps show"):
        find(run, "Xyz")


def test_a_row_of_the_last_attempt_is_the_one_that_counts(
    run: RunLayout, make_audio: MakeAudio, annotate: Annotate
) -> None:
    with UnitWriter(run, 2, row_group_bytes=1000) as writer:
        writer.add(annotate(make_audio(1)), make_audio(1))
        writer.commit((segmented(1),), 1, 1.0)
    assert find(run, make_audio(1).segment.segment_id)["table"] == "data"
