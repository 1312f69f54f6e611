"""A try killed between publishing and its commit record left a file that was read as data."""

from collections.abc import Callable
from pathlib import Path

from fcaps_pipeline.annotate.run.soundness import drop_orphans
from fcaps_pipeline.records.annotations import Annotation
from fcaps_pipeline.records.audio import SegmentAudio
from fcaps_pipeline.shards.layout import RecordingOutcome, RunLayout
from fcaps_pipeline.shards.reader import read_commits, read_rows
from fcaps_pipeline.shards.writer import UnitWriter


def test_a_published_file_without_a_commit_record_is_no_data(
    tmp_path: Path, make_audio: Callable[..., SegmentAudio], annotate: Callable[[SegmentAudio], Annotation]
) -> None:
    layout = RunLayout(tmp_path)
    stale = layout.root.on_disk() / layout.shard_name("rejections", 0, 1, "0" * 64)
    stale.parent.mkdir()
    stale.write_bytes(b"left by a killed try")
    assert list(read_rows(layout, "rejections")) == []
    with UnitWriter(layout, 0, row_group_bytes=1000) as writer:
        writer.add(annotate(make_audio()), make_audio())
        outcome = RecordingOutcome(
            recording_id="tale_wav",
            source="tale.wav",
            outcome="segmented",
            num_segments=1,
            duration_s=2.0,
            speech_s=2.0,
            num_discarded=0,
            discarded_s=0.0,
            num_forced_cuts=0,
        )
        writer.commit((outcome,), 1, 1.0)
    assert len(list(read_rows(layout, "data"))) == 1
    assert list(read_rows(layout, "rejections")) == []
    (commit,) = read_commits(layout)
    assert drop_orphans(layout, {file.path for file in commit.files}) == [stale.relative_to(tmp_path).as_posix()]
    assert not stale.exists()
