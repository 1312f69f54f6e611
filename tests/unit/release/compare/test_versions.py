"""The version that differences ask for, and the refusal of one that says too little."""

from pathlib import Path

import pytest

from fcaps_pipeline.errors import UsageError
from fcaps_pipeline.release.compare.compare import compare
from fcaps_pipeline.release.compare.differences import CHANGES, Change
from fcaps_pipeline.release.compare.versions import check_version, needed_version
from tests.unit.release.compare.small_pairs import HIGH, LOW, row, written

_LEVELS: dict[Change, str] = {"added": "1.3.0", "provenance": "1.2.4", "same": "1.2.4"}


@pytest.mark.parametrize("change", CHANGES)
def test_what_became_of_rows_decides(change: Change) -> None:
    needed = needed_version("1.2.3", {change: 2, "same": 5}, (), ())
    assert needed.lowest == _LEVELS.get(change, "2.0.0")
    assert ("2 rows" in needed.because) == (change not in ("provenance", "same"))


def test_so_do_columns() -> None:
    assert needed_version("0.9.9", {"same": 1}, ("events",), ()).lowest == "0.10.0"
    needed = needed_version("0.9.9", {"same": 1}, ("events",), ("audio",))
    assert (needed.lowest, needed.because) == ("1.0.0", "without audio")
    assert needed_version(None, {"added": 1}, (), ()).lowest is None


def test_a_version_that_is_too_low_is_refused_with_what_made_it_so(tmp_path: Path) -> None:
    a = written(tmp_path / "a", [row("one", LOW), row("two", LOW)])
    found = compare(a, written(tmp_path / "b", [row("one", HIGH)], "1.9.0"), tmp_path / "scratch")
    with pytest.raises(UsageError) as refused:
        check_version(found, "1.9.0")
    assert str(refused.value) == (
        "version 1.9.0 is too low after 1.0.0: 1 row removed, 1 row of which captions state something else; "
        "that is a MAJOR change, give 2.0.0 or a higher one"
    )
    for version in ("2.0.0", "2.0.1", "10.0.0"):
        check_version(found, version)


def test_columns_that_a_release_has_no_more_are_told(tmp_path: Path) -> None:
    rows = [row("one", LOW, transcript="words")]
    a, b = written(tmp_path / "a", rows), written(tmp_path / "b", rows, without=("transcript", "tags"))
    found = compare(a, b, tmp_path / "scratch")
    assert found.counts["same"] == 1
    assert (found.lost_columns, found.needed.lowest) == (("tags", "transcript"), "2.0.0")
    assert compare(b, a, tmp_path / "scratch").needed.lowest == "1.1.0"
