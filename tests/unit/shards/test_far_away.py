"""A run on an object store: what two writers of one unit leave, and what readers find."""

import shutil
from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest

from fcaps_pipeline.annotate.run.soundness import drop_orphans, strays
from fcaps_pipeline.records.annotations import Annotation
from fcaps_pipeline.records.audio import SegmentAudio
from fcaps_pipeline.shards.layout import RunLayout, is_shard_name
from fcaps_pipeline.shards.reader import check_file, read_commits, read_rows
from fcaps_pipeline.shards.writer import UnitWriter
from tests.outcomes import segmented

MakeAudio = Callable[..., SegmentAudio]
Annotate = Callable[[SegmentAudio], Annotation]


@pytest.fixture
def layout() -> Iterator[RunLayout]:
    layout = RunLayout(f"memory://{uuid4().hex}/runs/a")
    yield layout
    shutil.rmtree(layout.scratch, ignore_errors=True)


def test_the_first_of_two_writers_of_a_unit_wins(layout: RunLayout, make_audio: MakeAudio, annotate: Annotate) -> None:
    with UnitWriter(layout, 0, row_group_bytes=1000) as first, UnitWriter(layout, 0, row_group_bytes=1000) as late:
        for writer, count in ((first, 2), (late, 1)):
            for index in range(count):
                writer.add(annotate(make_audio(index)), make_audio(index))
        won = first.commit((segmented(2),), 2, 1.0)
        assert late.commit((segmented(1),), 1, 1.0) == won, "who is late hears what counts"
    assert list(read_commits(layout)) == [won]
    assert len(list(read_rows(layout, "data"))) == 2
    orphans = strays(layout)
    assert len(orphans) == 3
    assert all(map(is_shard_name, orphans))
    assert drop_orphans(layout, {file.path for file in won.files}) == orphans
    assert strays(layout) == []
    for file in won.files:
        check_file(layout, file)
    assert list(layout.scratch.iterdir()) == []


def test_two_writers_of_the_same_content_agree(layout: RunLayout, make_audio: MakeAudio, annotate: Annotate) -> None:
    writers = [UnitWriter(layout, 0, row_group_bytes=1000) for _ in range(2)]
    commits = []
    for writer in writers:
        with writer:
            writer.add(annotate(make_audio()), make_audio())
            commits.append(writer.commit((segmented(1),), 1, 1.0))
    assert commits[0] == commits[1]
    assert strays(layout) == []
