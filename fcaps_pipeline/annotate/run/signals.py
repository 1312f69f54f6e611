"""What SIGINT, SIGTERM and SIGHUP do to a run: it stops where it can go on later, and leaves nothing behind.

Outside a loop that asks for signals, one is a KeyboardInterrupt at once. Inside it the first is noted, so that
work in hand can be finished, and the second is a KeyboardInterrupt. While things are put away all are ignored.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Self

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Signals:
    """Use as `with Signals() as signals:`, in the main thread; in any other it changes nothing."""

    def __init__(self) -> None:
        self._noted: threading.Event | None = None
        self._is_ignoring = False
        self._before: dict[int, object] = {}

    def __enter__(self) -> Self:
        """Installs the handlers."""
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.getsignal(number) for number in _SIGNALS}
        self.install()
        return self

    def __exit__(self, *_: object) -> None:
        """Puts the former handlers back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def install(self) -> None:
        """Installs the handlers again, where a library has set its own. A signal ignored from outside stays so."""
        for number, before in self._before.items():
            if before is not signal.SIG_IGN:
                signal.signal(number, self._handle)

    @contextmanager
    def noted(self) -> Iterator[threading.Event]:
        """Inside, the first signal sets the event; the second is a KeyboardInterrupt."""
        self._noted = threading.Event()
        try:
            yield self._noted
        finally:
            self._noted = None

    @contextmanager
    def ignored(self) -> Iterator[None]:
        """Inside, no signal does anything."""
        self._is_ignoring = True
        try:
            yield
        finally:
            self._is_ignoring = False

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        if self._is_ignoring:
            return
        if self._noted is not None and not self._noted.is_set():
            self._noted.set()
            return
        raise KeyboardInterrupt
