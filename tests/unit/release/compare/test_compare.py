"""Every row of two datasets falls into one class, and the classes are what one would find by hand."""

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings

from fcaps_pipeline.release.compare.compare import compare
from fcaps_pipeline.release.compare.differences import CHANGES
from fcaps_pipeline.release.dataset import open_dataset
from fcaps_pipeline.shards.schema import Row
from fcaps_pipeline.storage.path import store_path
from tests.unit.release.compare.small_pairs import HIGH, LOW, counted_by_hand, row, small_pair, written


@given(pair=small_pair())
@settings(max_examples=20)
def test_the_classes_divide_the_union_as_one_would_by_hand(pair: tuple[list[Row], list[Row]]) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        found = compare(written(folder / "a", pair[0]), written(folder / "b", pair[1]), folder / "scratch")
    ids = {row["segment_id"] for rows in pair for row in rows}
    assert sum(found.counts.values()) == len(ids)
    assert found.counts == {change: counted_by_hand(*pair)[change] for change in CHANGES}
    assert {one.segment_id for one in found.examples} <= ids
    assert sum(found.removed.values()) == found.counts["removed"]
    assert sum(found.added.values()) == found.counts["added"]
    assert sum(move.num_rows for move in found.moves) == found.counts["moved"]


@given(pair=small_pair())
@settings(max_examples=4)
def test_a_dataset_and_its_copy_are_the_same_everywhere(pair: tuple[list[Row], list[Row]]) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        a = written(folder / "a", pair[0])
        shutil.copytree(folder / "a", folder / "b")
        found = compare(a, open_dataset(folder / "b"), folder / "scratch")
    assert found.counts["same"] == len(pair[0]) == found.a.num_rows
    assert sum(found.counts.values()) == len(pair[0])
    assert found.needed.level == "patch"
    assert found.needed.lowest == "1.0.1"
    assert all(shift.share_a == shift.share_b for shift in found.shifts)
    assert found.examples == ()


def test_a_dataset_on_a_store_is_compared_where_it_lies(tmp_path: Path) -> None:
    a = written(tmp_path / "a", [row("one", LOW), row("two", LOW), row("three", HIGH)])
    written(tmp_path / "b", [row("one", LOW), row("two", HIGH)], "1.0.1")
    far = store_path(f"memory://{tmp_path.name}/b")
    for file in store_path(tmp_path / "b").sizes():
        (far / file).put((tmp_path / "b" / file).read_bytes())
    found = compare(a, open_dataset(far), tmp_path / "scratch")
    assert (found.counts["same"], found.counts["claims"], found.counts["removed"]) == (1, 1, 1)
    assert list((tmp_path / "scratch").iterdir()) == []


def test_the_name_of_a_column_tells_what_was_edited_with_both_values(tmp_path: Path) -> None:
    a = written(tmp_path / "a", [row("one", LOW, transcript="it is", tags=["calm"]), row("two", LOW)])
    b = written(tmp_path / "b", [row("one", LOW, transcript="it was", tags=["sad"]), row("two", LOW, tags=[])])
    found = compare(a, b, tmp_path / "scratch")
    assert found.columns == {"tags": 2, "transcript": 1}
    assert [one.what for one in found.examples] == [("tags", "transcript: it is → it was"), ("tags",)]
