"""Fixtures that every kind of test shares."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes says more about the other tests of the moment than about the code.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")
os.environ.pop("COLUMNS", None)  # pytest-xdist passes on the width of its terminal, and tables would follow it

pytest_plugins = ["tests.outcomes"]

_LONGEST = (
    *("test_interruption.py", "test_dispatch_on_ray.py", "test_training.py", "test_reuse.py", "test_main_job.py"),
    *("test_engine.py", "test_slurm_job.py", "test_object_store.py", "test_archives.py", "test_store.py"),
    *("test_endpoint_run.py", "test_release_walkthrough.py", "test_shared_cases.py", "test_bench_scale.py"),
)
"""Files of half a minute and more, the longest first."""

Typed = Callable[..., tuple[int, str, str]]
"""Exit code, stdout and stderr of a command."""

_SHARED = Path(__file__).resolve().parents[1].parent / "shared"
_SHARED_AUDIO, _SHARED_CASES = _SHARED / "audio", _SHARED / "cases"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begins with the longest files, so that at the end no process is left alone with one."""
    places = {name: place for place, name in enumerate(_LONGEST)}
    items.sort(key=lambda item: places.get(item.path.name, len(places)))


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What tests list stays out of the cache of who runs them."""
    os.environ["FCAPS_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def shared_audio() -> Path:
    """Folder of real recordings; the test is skipped where it is absent."""
    if not _SHARED_AUDIO.is_dir():
        pytest.skip(f"the folder of real recordings {_SHARED_AUDIO} is not here")
    return _SHARED_AUDIO


@pytest.fixture(scope="session")
def shared_cases() -> Path:
    """Folder of small inputs that once went wrong; the test is skipped where it is absent."""
    if not _SHARED_CASES.is_dir():
        pytest.skip(f"the folder of inputs that once went wrong {_SHARED_CASES} is not here")
    return _SHARED_CASES


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Typed:
    """Runs the command line in this process."""
    from fcaps_pipeline.cli.main import main
    from fcaps_pipeline.jobs.resources import WORKING_FOLDER

    def call(*arguments: str | Path) -> tuple[int, str, str]:
        os.environ.pop(WORKING_FOLDER, None)  # of a run that an earlier command in this process went on with
        monkeypatch.setattr(sys, "argv", ["fcaps", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            main()
        captured = capsys.readouterr()
        return int(stopped.value.code or 0), captured.out, captured.err

    return call
