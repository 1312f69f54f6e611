"""Fixtures of this room."""

from collections.abc import Iterator

import pytest

from tests.unit.annotate.run.desk_house import House, running_loop


@pytest.fixture
def house() -> Iterator[House]:
    with running_loop() as loop:
        yield House(loop)
