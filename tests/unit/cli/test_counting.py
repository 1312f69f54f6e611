"""A benchmark says how far it is, not oftener than it was told."""

import pytest

from fcaps_pipeline.cli.bench.counting import counting


def test_counts_are_said_once_for_so_many(capsys: pytest.CaptureFixture[str]) -> None:
    add = counting("files", 25, every=10)
    for more in (4, 5, 1, 12, 3):
        add(more)
    assert capsys.readouterr().err.splitlines() == ["files: 10/25", "files: 22/25"]
