"""Commit records: the last attempt counts, and a changed record is no record."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from fcaps_pipeline import __version__
from fcaps_pipeline.errors import CorruptRunError
from fcaps_pipeline.records.annotations import Annotation
from fcaps_pipeline.records.audio import SegmentAudio
from fcaps_pipeline.shards.layout import RunLayout, UnitCommit
from fcaps_pipeline.shards.reader import read_commits, read_rows
from fcaps_pipeline.shards.writer import UnitWriter
from tests.outcomes import segmented

Attempt = Callable[[int], UnitCommit]


@pytest.fixture
def layout(tmp_path: Path) -> RunLayout:
    return RunLayout(tmp_path)


@pytest.fixture
def attempt(
    layout: RunLayout, make_audio: Callable[..., SegmentAudio], annotate: Callable[[SegmentAudio], Annotation]
) -> Attempt:
    def write(num_rows: int) -> UnitCommit:
        with UnitWriter(layout, 3, row_group_bytes=1000) as writer:
            for index in range(num_rows):
                writer.add(annotate(make_audio(index)), make_audio(index))
            return writer.commit((segmented(num_rows),), num_rows, 1.0)

    return write


def test_a_unit_done_again_leaves_the_first_attempt_and_counts_in_its_place(
    layout: RunLayout, attempt: Attempt
) -> None:
    first, second = attempt(2), attempt(1)
    assert (first.attempt, first.parent_sha256, first.fcaps_version) == (1, None, __version__)
    assert second.attempt == 2
    assert second.parent_sha256
    assert list(read_commits(layout)) == [second]
    assert [file.path[:-21] for file in second.files] == [
        f"{table}/unit-00003-2" for table in ("data", "candidates", "recordings")
    ]
    assert all((layout.root / file.path).on_disk().is_file() for file in first.files)
    assert len(list(read_rows(layout, "data"))) == 1


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (lambda text: text.replace('"num_segments": 1', '"num_segments": 2', 1), "was changed after it was written"),
        (lambda text: text[:-20], "unreadable"),
        (lambda text: json.dumps({"sha256": "0", "record": {}}), "unreadable"),
    ],
)
def test_a_changed_record_is_named(
    layout: RunLayout, attempt: Attempt, damage: Callable[[str], str], expected: str
) -> None:
    attempt(1)
    path = layout.commit(3)
    before = path.read_text()
    path.on_disk().write_text(damage(before))
    assert path.read_text() != before
    with pytest.raises(CorruptRunError, match=f"{path.name} .*{expected}.*--repair"):
        list(read_commits(layout))


def test_a_record_of_an_earlier_version_is_refused_in_one_line(layout: RunLayout, attempt: Attempt) -> None:
    attempt(1)
    path = layout.commit(3)
    sealed = json.loads(path.read_text())
    path.on_disk().write_text(json.dumps({**sealed, "record": {**sealed["record"], "recordings": []}}))
    with pytest.raises(CorruptRunError, match="written by an earlier version"):
        list(read_commits(layout))
