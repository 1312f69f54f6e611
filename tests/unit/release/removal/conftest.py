"""The run that every test of removals begins with: written once, copied for each."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from fcaps_pipeline.annotate.run.soundness import verify
from fcaps_pipeline.records.annotations import SegmentOutcome
from fcaps_pipeline.records.audio import SegmentAudio
from fcaps_pipeline.shards.layout import RunLayout
from tests.unit.release.removal.spoken_run import Decisions, write_spoken_run

Decide = Callable[[SegmentAudio], SegmentOutcome]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the run is written by the first test."""
    return tmp_path_factory.mktemp("written") / "run"


@pytest.fixture
def run(
    written: Path,
    tmp_path: Path,
    make_audio: Callable[..., SegmentAudio],
    annotate: Decide,
    reject: Decide,
    fail: Decide,
) -> RunLayout:
    """Three units; see `spoken_run`."""
    if not written.exists():
        list(verify(write_spoken_run(written, Decisions(make_audio, annotate, reject, fail))))
    shutil.copytree(written, tmp_path / "run")
    return RunLayout(tmp_path / "run")
