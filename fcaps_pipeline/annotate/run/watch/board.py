"""Carries progress from the processes of a run to its driver, in sums, once a second and not per Segment.

A `Reporter` stands in every process that has something to tell, one `ProgressBoard` in a process of its own.
Like `progress` this module imports the standard library alone; `ray_runtime` makes the board an actor.
"""

import threading
import time
from collections.abc import Callable

from fcaps_pipeline.annotate.run.watch.progress import Progress

SUM_EVERY_S = 1.0


class Reporter:
    """Adds up what one process reports, and sends the sum once a second while there is one."""

    def __init__(self, send: Callable[[Progress], None], every_s: float = SUM_EVERY_S) -> None:
        """Starts the clock, a thread that ends with its process.

        Args:
            send: takes a sum; called from the thread.
            every_s: time between two sums.
        """
        self._send = send
        self._sum = Progress()
        self._lock = threading.Lock()
        self._every_s = every_s
        threading.Thread(target=self._beat, name="progress", daemon=True).start()

    def report(self, progress: Progress) -> None:
        """Adds to the next sum."""
        with self._lock:
            self._sum += progress

    def flush(self) -> None:
        """Sends what is there now."""
        with self._lock:
            found, self._sum = self._sum, Progress()
        if found != Progress():
            self._send(found)

    def _beat(self) -> None:
        while True:
            time.sleep(self._every_s)
            self.flush()


class ProgressBoard:
    """Collects the sums of all processes until the driver takes them."""

    def __init__(self) -> None:
        self._sum = Progress()

    def add(self, progress: Progress) -> None:
        """Adds one process's sum."""
        self._sum += progress

    def take(self) -> Progress:
        """Everything since the last call."""
        found, self._sum = self._sum, Progress()
        return found
