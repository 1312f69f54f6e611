"""Messages hold nothing that steers a terminal, and every error survives the way between processes."""

import pickle

import pytest

from fcaps_pipeline.errors import EngineRetryableError, RecordingError, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a plain line, \u00e9 \u4e2d \U0001f600", "a plain line, \u00e9 \u4e2d \U0001f600"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("two\nlines\r\t", "two\\nlines\\r\\t"),
        ("\u202eleft\u2066", "\\u202eleft\\u2066"),
        ("zero\u200bwidth\ufeff", "zero\\u200bwidth\\ufeff"),
        ("\x85\u2028\u2029", "\\x85\\u2028\\u2029"),
        ("\udcff\ud800.wav", "\\xff\\ud800.wav"),
    ],
)
def test_what_nobody_sees_is_shown_as_an_escape(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert str(RecordingError(text)) == shown


def test_a_wish_of_a_server_survives_pickling() -> None:
    error = pickle.loads(pickle.dumps(EngineRetryableError("HTTP 503", 7.0)))  # noqa: S301
    assert (str(error), error.retry_after_s) == ("HTTP 503", 7.0)
