"""Errors cross Ray processes and become exit codes."""

import inspect
import pickle

import pytest

from fcaps_pipeline import errors

CLASSES = [one for _, one in inspect.getmembers(errors, inspect.isclass)]


@pytest.mark.parametrize("kind", CLASSES)
def test_every_error_survives_pickling(kind: type[errors.FcapsError]) -> None:
    copy = pickle.loads(pickle.dumps(kind("what, where, what next")))  # noqa: S301 - our own bytes
    assert (type(copy), str(copy)) == (kind, "what, where, what next")


@pytest.mark.parametrize("kind", CLASSES)
def test_wrong_usage_exits_with_two_and_the_rest_with_one(kind: type[errors.FcapsError]) -> None:
    assert kind.exit_code == (2 if issubclass(kind, errors.UsageError) else 1)
