"""What commit records sum up, and what the tables of Recordings say one by one."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from fcaps_pipeline.errors import AccountingError, CorruptRunError
from fcaps_pipeline.records.annotations import Annotation, Failure
from fcaps_pipeline.records.audio import SegmentAudio
from fcaps_pipeline.shards.index import index_lines, write_index
from fcaps_pipeline.shards.layout import RunLayout
from fcaps_pipeline.shards.outcomes import read_outcomes
from fcaps_pipeline.shards.reader import read_commits, read_index, stream_index
from fcaps_pipeline.shards.sums import MAX_LISTED, CommitSums, sum_up, total
from fcaps_pipeline.shards.writer import UnitWriter
from tests.outcomes import segmented

MakeAudio = Callable[..., SegmentAudio]

SILENT = segmented(0).model_copy(
    update={
        "recording_id": "hush_wav",
        "outcome": "no_speech",
        "speech_s": 0.0,
        "notes": ("channel 1 is silent",),
        "warnings": {"clipped": 3, "dc": 1},
        "sha256": "a" * 64,
    }
)
UNREAD = SILENT.model_copy(
    update={"recording_id": "gone_wav", "outcome": "failed", "duration_s": 0.0, "notes": (), "sha256": None}
)


@pytest.fixture
def layout(tmp_path: Path, make_audio: MakeAudio, annotate: Callable[[SegmentAudio], Annotation]) -> RunLayout:
    """Two units with a Recording of two Segments, one without, one that could not be read."""
    layout = RunLayout(tmp_path)
    for unit_index in range(2):
        with UnitWriter(layout, unit_index, row_group_bytes=10_000) as writer:
            for index in range(2):
                writer.add(annotate(make_audio(index)), make_audio(index))
            recording = make_audio(9).recording
            writer.add_recording_failure(
                Failure(recording=recording, segment=None, stage="decode", error="E", message="is no audio")
            )
            writer.commit((segmented(2), SILENT, UNREAD), 2, 1.0)
    return layout


def test_what_became_of_each_recording_is_read_back_as_it_was(layout: RunLayout) -> None:
    for commit in read_commits(layout):
        assert list(read_outcomes(layout, commit)) == [segmented(2), SILENT, UNREAD]


def test_totals_come_from_the_records_alone(layout: RunLayout) -> None:
    totals = total(read_commits(layout))
    assert (totals.num_recordings, totals.num_recordings_no_speech, totals.num_recordings_failed) == (6, 2, 2)
    assert (totals.num_segments, totals.num_annotations, totals.num_candidates) == (4, 4, 12)
    assert totals.audio_hours * 3600 == pytest.approx(2 * 120.0)
    assert totals.speech_hours * 3600 == pytest.approx(2 * 40.0)


def test_sums_name_the_first_of_what_went_wrong(layout: RunLayout) -> None:
    sums = sum_up(read_commits(layout))
    assert sums.num_units == 2
    assert sums.failures == ["tale.wav: is no audio"] * 2
    assert sums.warnings == {"clipped": 12, "dc": 4}
    assert [one.unit_index for one in sums.without_segments] == [0, 1]
    many = next(read_commits(layout)).model_copy(update={"failure_messages": ("x",) * MAX_LISTED})
    sums = sum_up([many, many])
    assert len(sums.failures) == MAX_LISTED


def test_a_unit_whose_outcomes_do_not_add_up_is_refused(layout: RunLayout) -> None:
    commit = next(read_commits(layout)).model_copy(update={"num_segments": 3})
    with pytest.raises(AccountingError, match="3 Segments, but 2 outcomes"):
        CommitSums().add(commit)


def test_an_index_of_any_number_of_shards_is_read_back(layout: RunLayout) -> None:
    commits = list(read_commits(layout))
    for kept in (commits, []):
        files = tuple(file for commit in kept for file in commit.files)
        lines = [line for commit in kept for line in index_lines(commit)]
        write_index(layout, total(kept), lines, job_sha256="0" * 64, plan_sha256="1" * 64)
        index = read_index(layout)
        assert (index.shards, index.totals, index.plan_sha256) == (files, total(kept), "1" * 64)
        head, shards = stream_index(layout)
        assert (tuple(shards), head.model_copy(update={"shards": files})) == (files, index)
        layout.index.put(json.dumps(json.loads(layout.index.read()), indent=1))
        assert tuple(stream_index(layout)[1]) == files


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[: text.rindex("\n{")], "index.json breaks off; run annotate again"),
        (lambda text: text.replace('"table":"data"', '"table":"date"'), "index.json has a line of no shard"),
        (lambda text: text.replace('"totals"', '"total"'), "is not an index of this version"),
        (lambda text: "{[\n", "index.json is not JSON"),
    ],
)
def test_a_damaged_index_is_one_line(layout: RunLayout, change: Callable[[str], str], message: str) -> None:
    commits = list(read_commits(layout))
    lines = [line for commit in commits for line in index_lines(commit)]
    write_index(layout, total(commits), lines, job_sha256="0" * 64, plan_sha256="1" * 64)
    layout.index.put(change(layout.index.read_text()))
    with pytest.raises(CorruptRunError, match=message):
        list(stream_index(layout)[1])


def test_a_run_without_an_index_is_not_finished(layout: RunLayout) -> None:
    with pytest.raises(CorruptRunError, match=r"has no index\.json: the run is not finished"):
        stream_index(layout)
