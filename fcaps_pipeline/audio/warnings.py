"""The one place for what was mended or passed over while a file was read.

Enters: findings with their times in seconds, or without where they concern the whole file, as what its header tells.
Leaves: AudioWarnings, a bounded number of each name however damaged the file is; findings that say the same and touch
become one.
"""

from dataclasses import dataclass, field

from fcaps_pipeline.records.audio import AudioWarning, seconds_to_samples

_MAX_OF_ONE_NAME = 100
_TOUCH_S = 0.002


@dataclass
class _Finding:
    detail: str
    place_s: tuple[float, float] | None
    """First and last moment; None where it concerns the whole file."""
    count: int = 1

    def takes(self, detail: str, place_s: tuple[float, float] | None) -> bool:
        """Whether another finding says the same and goes on where this one ends."""
        if self.detail != detail or (self.place_s is None) != (place_s is None):
            return False
        return self.place_s is None or place_s is None or abs(self.place_s[1] - place_s[0]) < _TOUCH_S

    def add(self, place_s: tuple[float, float] | None) -> None:
        self.place_s = None if self.place_s is None or place_s is None else (self.place_s[0], place_s[1])
        self.count += 1

    def record(self, name: str) -> AudioWarning:
        detail = f"{self.detail} ({self.count} times)" if self.count > 1 else self.detail
        start, end = (None, None) if self.place_s is None else map(seconds_to_samples, self.place_s)
        return AudioWarning(name=name, detail=detail, start_samples=start, end_samples=end)


@dataclass
class WarningLog:
    """The warnings of one file, in the order of their names' first findings."""

    _findings: dict[str, list[_Finding]] = field(default_factory=dict)

    def add(self, name: str, detail: str, start_s: float, duration_s: float = 0.0) -> None:
        """Notes that something was found from `start_s` on; at that moment alone where there is no duration."""
        self._add(name, detail, (start_s, start_s + duration_s))

    def add_of_file(self, name: str, detail: str) -> None:
        """Notes something that concerns the whole file."""
        self._add(name, detail, None)

    def _add(self, name: str, detail: str, place_s: tuple[float, float] | None) -> None:
        found = self._findings.setdefault(name, [])
        if found and (len(found) > _MAX_OF_ONE_NAME or found[-1].takes(detail, place_s)):
            found[-1].add(place_s)
        else:
            found.append(_Finding(detail, place_s))

    def records(self) -> tuple[AudioWarning, ...]:
        """All of them."""
        return tuple(one.record(name) for name, found in self._findings.items() for one in found)
