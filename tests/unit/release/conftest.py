"""Releases that every test here may have: one of twelve rows, described and finished."""

from pathlib import Path

import pytest

from tests.unit.learn.training.written_runs import Annotate, MakeAudio, RunWriter
from tests.unit.release.laid_out import LaidOut, lay_out, rows_of


@pytest.fixture
def run_writer(make_audio: MakeAudio, annotate: Annotate) -> RunWriter:
    return RunWriter(make_audio, annotate)


@pytest.fixture
def laid_out(run_writer: RunWriter, tmp_path: Path) -> LaidOut:
    """Twelve rows of four speakers in three splits, with candidates."""
    return lay_out(tmp_path / "release", rows_of(run_writer, tmp_path / "run"))


@pytest.fixture
def no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests that look at rows: pictures take longer than all else of a small release."""
    monkeypatch.setattr("fcaps_pipeline.release.describe.draw_figures", lambda _statistics: {})
