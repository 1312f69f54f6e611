"""How fast something grows: a rate over the last minutes, and the time that the rest takes at it."""

from collections import deque
from collections.abc import Callable

_WINDOW_S = 600.0


class Pace:
    """Rate of one growing quantity over a sliding window."""

    def __init__(self, clock_s: Callable[[], float], window_s: float = _WINDOW_S) -> None:
        """Begins now, with nothing.

        Args:
            clock_s: a clock that never goes back.
            window_s: how far back the rate looks.
        """
        self._clock_s = clock_s
        self._window_s = window_s
        self._steps: deque[tuple[float, float]] = deque([(clock_s(), 0.0)])
        """Times of growth with the total after each; the first is the newest before the window, once there is one."""

    @property
    def total(self) -> float:
        """Everything added so far."""
        return self._steps[-1][1]

    def add(self, amount: float) -> None:
        """Takes what was added since the last call."""
        self._steps.append((self._clock_s(), self.total + amount))

    def per_s(self) -> float:
        """Mean growth per second over the window; 0 before any time has passed."""
        now_s = self._clock_s()
        while len(self._steps) > 1 and self._steps[1][0] <= now_s - self._window_s:
            self._steps.popleft()
        first_s, first = self._steps[0]
        elapsed_s = min(now_s - first_s, self._window_s)
        return (self.total - first) / elapsed_s if elapsed_s > 0 else 0.0

    def eta_s(self, pending: float) -> float | None:
        """Seconds until so much more is there; None while nothing grows."""
        if pending <= 0:
            return 0.0
        rate = self.per_s()
        return pending / rate if rate > 0 else None
