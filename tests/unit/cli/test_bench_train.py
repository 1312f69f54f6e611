"""`fcaps bench train` refuses what `fcaps train` refuses."""

from pathlib import Path

import pytest

from tests.conftest import Typed


def test_the_demo_job_needs_the_demo_run(typed: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code, printed, messages = typed("bench", "train")
    assert (code, printed) == (2, "")
    assert f"error: folder {tmp_path}/runs/demo does not exist" in messages.replace("\n", " ")
