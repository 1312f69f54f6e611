"""How often something that died may be started again: without end, but within a budget per hour and cause.

Causes and times enter, waits leave. Knows neither Ray nor clocks.
"""

from collections import defaultdict, deque

_HOUR_S = 3600.0
_FIRST_WAIT_S, _LONGEST_WAIT_S = 1.0, 120.0


class RestartBudget:
    """Of one replica or segmenter."""

    def __init__(self, per_hour: int) -> None:
        """Starts unspent.

        Args:
            per_hour: restarts for one cause within any hour.
        """
        self._per_hour = per_hour
        self._spent: dict[str, deque[float]] = defaultdict(deque)

    def spend(self, cause: str, now_s: float) -> float:
        """When it may be started again after one more death of this cause; the waits double."""
        times = self._spent[cause]
        times.append(now_s)
        while times and times[0] <= now_s - _HOUR_S:
            times.popleft()
        if len(times) > self._per_hour:
            return times[-self._per_hour - 1] + _HOUR_S
        return now_s + (0.0 if len(times) == 1 else min(_FIRST_WAIT_S * 2 ** (len(times) - 2), _LONGEST_WAIT_S))

    def is_spent(self, now_s: float) -> bool:
        """Whether the hour's budget of some cause is spent."""
        return any(sum(one > now_s - _HOUR_S for one in times) > self._per_hour for times in self._spent.values())
