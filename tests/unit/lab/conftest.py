"""What the lab's tests need of the system."""

import pytest

from fcaps_pipeline.errors import DependencyError
from fcaps_pipeline.lab.synthesis.speakers import check_installed, draw_speakers

needs_synthesizers = pytest.mark.usefixtures("synthesizers")


@pytest.fixture(scope="session")
def synthesizers() -> None:
    """Every voice; the test is skipped where one is missing, with the Debian packages that hold it."""
    try:
        check_installed(draw_speakers(0))
    except DependencyError as error:
        pytest.skip(str(error))
