"""A run and a release that all tests of exports read, and none changes."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.learn.training.written_runs import Annotate, MakeAudio, RunWriter
from tests.unit.release.export.exported import write_release, write_run

_made: dict[str, Path] = {}


def _once(name: str, folders: pytest.TempPathFactory, make: Callable[[Path], Path]) -> Path:
    """The folder that the first test made."""
    if name not in _made:
        _made[name] = make(folders.mktemp(name))
    return _made[name]


@pytest.fixture
def run(tmp_path_factory: pytest.TempPathFactory, make_audio: MakeAudio, annotate: Annotate) -> Path:
    return _once("run", tmp_path_factory, lambda root: write_run(RunWriter(make_audio, annotate), root))


@pytest.fixture
def release(tmp_path_factory: pytest.TempPathFactory, make_audio: MakeAudio, annotate: Annotate) -> Path:
    return _once("release", tmp_path_factory, lambda root: write_release(RunWriter(make_audio, annotate), root))
