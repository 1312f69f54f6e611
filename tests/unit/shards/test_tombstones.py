"""What was taken back is found again by keyed hashes alone, and left out of what is planned."""

import json
from pathlib import Path

import pyarrow as pa
import pytest

from fcaps_pipeline.errors import CorruptRunError
from fcaps_pipeline.records.audio import Cut, Recording, Segment
from fcaps_pipeline.shards.recording_table import recordings_of, table_of, with_hashes
from fcaps_pipeline.shards.taken_back import LeftOut
from fcaps_pipeline.shards.tombstones import (
    Kind,
    Tombstone,
    Tombstones,
    joined_tombstones,
    no_tombstones,
    read_tombstones,
    refuse_unfinished,
    write_tombstones,
)
from fcaps_pipeline.storage.path import store_path


def of(*values: tuple[Kind, str]) -> Tombstones:
    """A list of its own with some values."""
    empty = no_tombstones()
    entries = [Tombstone(what=what, digest=empty.digest(what, value), reason="asked") for what, value in values]
    return empty.having(entries, is_unfinished=False)


def test_a_value_is_found_by_its_kind_and_the_file_tells_nobody(tmp_path: Path) -> None:
    path = store_path(tmp_path / "tombstones.json")
    write_tombstones(path, of(("speaker", "anna"), ("license", "cc-by-4.0")))
    found = read_tombstones(path)
    assert found is not None
    assert "anna" not in path.read_text()
    assert found.finds({"speaker": "anna"}) is not None
    assert found.finds({"speaker": None, "recording": "anna"}) is None
    assert found.fallen("speaker", pa.array(["anna", None, "bob"])).to_pylist() == [True, False, False]
    assert found.fallen("recording", pa.array(["anna", None])).to_pylist() == [False, False]


def test_lists_with_keys_of_their_own_are_joined() -> None:
    first, second, third = of(("speaker", "anna")), of(("speaker", "bob")), of(("segment", "x"))
    joined = joined_tombstones([None, first, joined_tombstones([second, third]), second])
    assert joined is not None
    assert len(joined.entries) == 3
    assert all((joined.find("speaker", "anna"), joined.find("speaker", "bob"), joined.find("segment", "x")))
    assert joined_tombstones([joined, first]) == joined
    assert joined_tombstones([None]) is None


def test_a_folder_in_which_a_removal_stopped_says_what_to_do(tmp_path: Path) -> None:
    path = store_path(tmp_path / "tombstones.json")
    refuse_unfinished(path)
    write_tombstones(path, of(("speaker", "anna")).having((), is_unfinished=True))
    with pytest.raises(CorruptRunError, match=f"fcaps release remove {tmp_path}"):
        refuse_unfinished(path)
    path.put(json.dumps({"key": 1}))
    with pytest.raises(CorruptRunError, match="not a list of tombstones"):
        read_tombstones(path)


def test_recordings_and_declared_segments_are_left_out_and_counted() -> None:
    cuts = (
        Cut(start_samples=0, end_samples=10, speaker="anna", transcript="one"),
        Cut(start_samples=10, end_samples=20, speaker="bob", transcript="two"),
    )
    rows = [
        Recording(recording_id="a", location="/a.wav", source="a.wav", speaker="anna"),
        Recording(recording_id="b", location="/b.wav", source="b.wav", transcript="one two", cuts=cuts),
        Recording(recording_id="c", location="/c.wav", source="c.wav", cuts=cuts[:1]),
        Recording(recording_id="d", location="/d.wav", source="d.wav", license="cc0", transcript="stays"),
    ]
    table = with_hashes(table_of(rows))
    left_out = LeftOut(of(("speaker", "anna")))
    (kept,) = left_out.pass_on([table])
    b, d = recordings_of(kept)
    assert (b.recording_id, b.cuts, b.transcript, kept["num_cuts"].to_pylist()) == ("b", cuts[1:], None, [1, None])
    assert d == rows[3]
    assert left_out.line() == "2 recordings and 1 declared segment of the source taken back before: left out"
    by_segment = LeftOut(of(("segment", Segment.make_id("b", 3, 10, 20)), ("source", "d.wav")))
    (kept,) = by_segment.pass_on([table])
    assert [one.cuts for one in recordings_of(kept)] == [None, cuts[:1], cuts[:1]]
    assert LeftOut(None).line() is None
