"""The one place for what was mended or passed over while a file was read.

Enters: findings with their times in seconds. Leaves: AudioWarnings, a bounded number of each name however damaged
the file is; findings of one name that touch become one.
"""

from dataclasses import dataclass, field

from fcaps_pipeline.records.audio import AudioWarning, seconds_to_samples

_MAX_OF_ONE_NAME = 100
_TOUCH_S = 0.002


@dataclass
class _Finding:
    detail: str
    start_s: float
    end_s: float
    count: int = 1


@dataclass
class WarningLog:
    """The warnings of one file, in the order of their names' first findings."""

    _findings: dict[str, list[_Finding]] = field(default_factory=dict)

    def add(self, name: str, detail: str, start_s: float, duration_s: float = 0.0) -> None:
        """Notes that something was found from `start_s` on."""
        found = self._findings.setdefault(name, [])
        if found and (len(found) > _MAX_OF_ONE_NAME or abs(found[-1].end_s - start_s) < _TOUCH_S):
            found[-1].end_s = start_s + duration_s
            found[-1].count += 1
        else:
            found.append(_Finding(detail, start_s, start_s + duration_s))

    def records(self) -> tuple[AudioWarning, ...]:
        """All of them."""
        return tuple(
            AudioWarning(
                name=name,
                detail=f"{one.detail}{f' ({one.count} times)' if one.count > 1 else ''}",
                start_samples=seconds_to_samples(one.start_s),
                end_samples=seconds_to_samples(one.end_s),
            )
            for name, found in self._findings.items()
            for one in found
        )
