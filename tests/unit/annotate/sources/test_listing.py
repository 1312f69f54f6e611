"""Sources that yield rows, columns or both, and ids that stand twice."""

import pytest

from fcaps_pipeline.annotate.sources.listing import Listing
from fcaps_pipeline.annotate.sources.located import Block, Located
from fcaps_pipeline.annotate.sources.passed_over import PassedOver
from fcaps_pipeline.errors import SourceError
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
