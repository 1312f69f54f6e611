"""Sources that yield rows, columns or both, and ids that stand twice."""

import pytest
from pydantic import ValidationError

from fcaps_pipeline.annotate.sources.listing import Listing
from fcaps_pipeline.annotate.sources.located import Block, Located
from fcaps_pipeline.annotate.sources.passed_over import PassedOver
from fcaps_pipeline.errors import SourceError
from fcaps_pipeline.jobs.sources import FolderSource
from fcaps_pipeline.records.audio import Recording
from fcaps_pipeline.shards.recording_table import id_hashes, table_of

BARE = Recording(recording_id="a", location="/a.wav", source="a.wav")


def _listing(*entries: Located | Block) -> Listing:
    return Listing(entries, PassedOver(), None, reopen=lambda: entries)


def _named(*names: str) -> list[Recording]:
    return [BARE.model_copy(update={"recording_id": name}) for name in names]


def test_a_doubled_id_is_named_with_both_places_in_rows_and_in_columns() -> None:
    rows = [Located(one, f"row {number}") for number, one in enumerate(_named("x", "y"))]
    block = Block(table_of(_named("z", "y", "z")), where=lambda row: f"line {row}")
    assert [one.recording_id for one in _listing(*rows)] == ["x", "y"]
    with pytest.raises(SourceError, match="the id 'y': row 1 and line 1; rename one"):
        list(_listing(*rows, block))
    with pytest.raises(SourceError, match="the id 'z': line 0 and line 2; rename one"):
        list(_listing(rows[0], block))


def test_ids_of_one_hash_are_not_the_same_id(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "fcaps_pipeline.shards.recording_table.id_hashes", lambda ids: id_hashes(ids) & id_hashes(ids).dtype.type(1)
    )
    names = [f"r{number}" for number in range(20)]
    assert [one.recording_id for one in _listing(Block(table_of(_named(*names)), str))] == names
    with pytest.raises(SourceError, match="the id 'r7': 7 and 20"):
        list(_listing(Block(table_of(_named(*names, "r7")), str)))


def test_a_corpus_of_the_job_is_that_of_recordings_without_one() -> None:
    listing = _listing(Block(table_of([BARE, BARE.model_copy(update={"recording_id": "b", "corpus": "c"})]), str))
    listing.corpus = "mine"
    assert [one.corpus for one in listing] == ["mine", "c"]


@pytest.mark.parametrize("count", [1, 3, 7])
def test_parts_are_disjoint_and_together_whole(count: int) -> None:
    names = [f"r{number}" for number in range(200)]
    parts = []
    for number in range(1, count + 1):
        listing = _listing(Block(table_of(_named(*names)), str))
        listing.part = f"{number}/{count}"
        parts.append([one.recording_id for one in listing])
    assert sorted(name for part in parts for name in part) == sorted(names)
    assert all(100 / count < len(part) <= 200 for part in parts)
    assert all(part == [name for name in names if name in part] for part in parts)


def test_a_part_without_a_recording_and_an_id_that_stands_twice_in_another_part_are_named() -> None:
    listing = _listing(Block(table_of(_named("a", "b")), str))
    listing.part = "999/1000"
    with pytest.raises(SourceError, match="part 999/1000 has none of the 2 recordings of the source; make fewer parts"):
        list(listing)
    for part in ("1/2", "2/2"):
        listing = _listing(Block(table_of(_named("a", "a", "b")), str))
        listing.part = part
        with pytest.raises(SourceError, match="the id 'a': 0 and 1"):
            list(listing)


@pytest.mark.parametrize("part", ["0/3", "4/3", "3", "a/b", "1/0", "-1/3", ""])
def test_what_names_no_part_is_refused(part: str) -> None:
    with pytest.raises(ValidationError, match="names no part; expected its number and how many there are"):
        FolderSource(path="x", part=part)
