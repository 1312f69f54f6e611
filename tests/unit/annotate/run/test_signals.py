"""What signals do to a run, in this process."""

import signal

import pytest

from fcaps_pipeline.annotate.run.signals import Signals


@pytest.fixture(autouse=True)
def _not_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where tests run in the background, interrupts are ignored from outside."""
    monkeypatch.setattr(signal, "getsignal", lambda _: signal.SIG_DFL)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_interrupts_at_once_where_nobody_asks_for_it(number: signal.Signals) -> None:
    with pytest.raises(KeyboardInterrupt), Signals():
        signal.raise_signal(number)


def test_the_first_signal_is_noted_and_the_second_one_interrupts() -> None:
    with Signals() as signals, signals.noted() as asked:
        assert not asked.is_set()
        signal.raise_signal(signal.SIGTERM)
        assert asked.is_set()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_while_things_are_put_away_signals_do_nothing() -> None:
    with Signals() as signals, signals.ignored():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)


def test_a_handler_that_a_library_sets_is_replaced_again() -> None:
    with Signals() as signals:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signals.install()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
