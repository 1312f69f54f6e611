"""What a caption states as text, and many rows read in several processes as they are in one."""

import pytest

from fcaps_pipeline.records.captions import Granularity
from fcaps_pipeline.release.compare import claims
from fcaps_pipeline.release.compare.claims import ChangedRow, read_claims, stated
from tests.unit.release.compare.small_pairs import ALSO_LOW, HIGH, LOW, NOTHING


def _row(index: int, a: str, b: str) -> ChangedRow:
    none: tuple[str, ...] = ()
    of_a, of_b = ({Granularity.GLOBAL: none, Granularity.FINE: (text,)} for text in (a, b))
    return ChangedRow(f"s{index:05d}", of_a, of_b, is_judged_otherwise=index % 2 == 0)


def test_a_statement_is_named_with_its_place() -> None:
    text = (
        "A young woman speaks fast in a husky voice; she pauses once in the middle, gets louder at the end, and laughs"
    )
    assert stated(text) == {
        "gender female",
        "age group young adult",
        "rate fast",
        "timbre husky",
        "pauses one at the middle",
        "loudness rising at the end",
        "sound laugh",
    }
    assert stated(NOTHING) == frozenset()


def test_processes_find_what_one_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = (LOW, ALSO_LOW, HIGH, NOTHING)
    rows = [_row(index, texts[index % 4], texts[(index // 4) % 4]) for index in range(2100)]
    in_processes = read_claims(rows)
    monkeypatch.setattr(claims, "_FEW_BATCHES", 1000)
    assert read_claims(rows) == in_processes
    assert set(in_processes.counts) == {"claims", "verdict", "reworded"}
    assert in_processes.counts.total() == len(rows)
    assert max(len(pick.what) for pick in in_processes.picks) == 2
