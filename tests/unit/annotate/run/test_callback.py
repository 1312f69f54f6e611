"""Several callbacks as one."""

import inspect
from unittest.mock import create_autospec, sentinel

import pytest

from fcaps_pipeline.annotate.run.callback import RunCallback, RunCallbacks

CALLS = [name for name, _ in inspect.getmembers(RunCallback, inspect.isfunction) if name.startswith("on_")]


@pytest.mark.parametrize("name", CALLS)
def test_every_call_reaches_every_callback_as_it_was_made(name: str) -> None:
    told = [create_autospec(RunCallback, instance=True) for _ in range(2)]
    wanted = list(inspect.signature(getattr(RunCallback, name)).parameters)[1:]
    arguments = [getattr(sentinel, parameter) for parameter in wanted]
    getattr(RunCallbacks(*told), name)(*arguments)
    for one in told:
        getattr(one, name).assert_called_once_with(*arguments)
