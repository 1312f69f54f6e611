"""How long the answers of one engine take, and after what time one is overdue. Knows no clock."""

from collections import deque

_KEPT_TIMES = 2_000
_FEWEST_TIMES = 50
_TIMES_PER_LOOK = 100
_DEADLINE_P99S = 5.0
"""An answer may take so many times what 99 of 100 take."""


class AnswerTimes:
    """The last times, and the deadline that follows from them."""

    def __init__(self, shortest_s: float, longest_s: float) -> None:
        """Starts with the longest deadline.

        Args:
            shortest_s: bounds the deadline from below, however fast the answers come.
            longest_s: bounds it from above; holds alone until enough answers came.
        """
        self._shortest_s = shortest_s
        self._kept: deque[float] = deque(maxlen=_KEPT_TIMES)
        self._until_look = _FEWEST_TIMES
        self._longest_s = longest_s
        self.deadline_s = longest_s

    def add(self, taken_s: float) -> None:
        """One more answer."""
        self._kept.append(taken_s)
        self._until_look -= 1
        if self._until_look == 0:
            self._until_look = _TIMES_PER_LOOK
            p99_s = sorted(self._kept)[int(0.99 * (len(self._kept) - 1))]
            self.deadline_s = min(self._longest_s, max(self._shortest_s, _DEADLINE_P99S * p99_s))
