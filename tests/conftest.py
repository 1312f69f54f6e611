"""Fixtures that every kind of test shares."""

from pathlib import Path

import pytest

pytest_plugins = ["tests.outcomes"]

_SHARED_AUDIO = Path(__file__).resolve().parents[1].parent / "shared" / "audio"


@pytest.fixture(scope="session")
def shared_audio() -> Path:
    """Folder of real recordings; the test is skipped where it is absent."""
    if not _SHARED_AUDIO.is_dir():
        pytest.skip("the folder of real recordings is not here")
    return _SHARED_AUDIO
