"""Memory of this process and of all that it started, shared pages counted once."""

import threading
from types import TracebackType
from typing import Self

import psutil

_EVERY_S = 0.5


def memory_bytes() -> int:
    """Now; proportional, so that shared pages count once."""
    total = 0
    for one in [psutil.Process(), *psutil.Process().children(recursive=True)]:
        try:
            total += one.memory_full_info().pss
        except psutil.Error:
            continue
    return total


class PeakMemory:
    """The most of it while a context lasts, looked at twice a second."""

    def __init__(self) -> None:
        """Starts with the context."""
        self.peak_bytes = 0
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over.set()
        self._thread.join()

    def _watch(self) -> None:
        while True:
            self.peak_bytes = max(self.peak_bytes, memory_bytes())
            if self._is_over.wait(_EVERY_S):
                return
