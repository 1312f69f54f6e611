"""Decides where Segments begin and end, from SpeechIntervals alone.

Enters: SpeechIntervals in order, none longer than a Segment may be. Leaves: PlannedIntervals that
never overlap and lie inside the recording. Pauses up to a limit are kept inside a Segment; what
grows too long is split at its longest pause; padding takes at most half of the gap to the speech
before and after. What stays too short is handed out as not kept, so that it can be counted.

The planner decides as early as it can and remembers one Segment at most: it serves recordings of
any length. `plan_intervals` is the same for a list.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from fcaps_pipeline.jobs.annotate_job import SegmentationConfig
from fcaps_pipeline.records.audio import Interval, SpeechInterval, seconds_to_samples


@dataclass(frozen=True)
class PlanRules:
    """Limits of Segments, in samples."""

    min_segment_samples: int
    max_segment_samples: int
    max_pause_samples: int
    padding_samples: int

    @staticmethod
    def of(config: SegmentationConfig) -> "PlanRules":
        """The limits of a job."""
        return PlanRules(
            min_segment_samples=seconds_to_samples(config.min_segment_s),
            max_segment_samples=seconds_to_samples(config.max_segment_s),
            max_pause_samples=seconds_to_samples(config.max_pause_s),
            padding_samples=seconds_to_samples(config.padding_s),
        )


class PlannedInterval(Interval):
    """A stretch of speech with its padding."""

    speech: tuple[SpeechInterval, ...]
    """Detected in it."""
    is_kept: bool
    """False when it is too short to be a Segment."""
    ends_in_speech: bool
    """True when speech went on without a pause and had to be cut at its end."""

    @property
    def speech_samples(self) -> int:
        """Detected speech, without pauses and padding."""
        return sum(interval.num_samples for interval in self.speech)


class SegmentPlanner:
    """Plans one channel of one recording while it is being read."""

    def __init__(self, rules: PlanRules) -> None:
        """Starts at sample 0."""
        self._rules = rules
        self._group: list[SpeechInterval] = []
        self._previous_end: int | None = None
        self._decided = 0

    @property
    def needed_from_samples(self) -> int:
        """No PlannedInterval still to come starts before this sample."""
        first = self._group[0].start_samples if self._group else self._decided
        return first - self._left_padding(first)

    def push(self, interval: SpeechInterval) -> list[PlannedInterval]:
        """Takes the next SpeechInterval.

        Raises:
            ValueError: it overlaps the one before, or is longer than a Segment may be.
        """
        self._check(interval)
        planned: list[PlannedInterval] = []
        if self._group and interval.start_samples - self._group[-1].end_samples > self._rules.max_pause_samples:
            planned.append(self._emit(self._group, interval.start_samples))
            self._group = []
        self._group.append(interval)
        while _span(self._group) > self._rules.max_segment_samples:
            split = self._best_split()
            left, self._group = self._group[:split], self._group[split:]
            planned.append(self._emit(left, self._group[0].start_samples))
        self._decided = max(self._decided, interval.end_samples)
        return planned

    def advance(self, decided_samples: int) -> list[PlannedInterval]:
        """Learns that no further SpeechInterval starts before a sample."""
        self._decided = max(self._decided, decided_samples)
        quiet_samples = max(self._rules.max_pause_samples, 2 * self._rules.padding_samples)
        if not self._group or decided_samples - self._group[-1].end_samples <= quiet_samples:
            return []
        group, self._group = self._group, []
        return [self._emit(group, decided_samples)]

    def finish(self, num_samples: int) -> list[PlannedInterval]:
        """Learns that the recording ends here."""
        group, self._group = self._group, []
        return [self._emit(group, None, num_samples)] if group else []

    def _check(self, interval: SpeechInterval) -> None:
        last_end = self._group[-1].end_samples if self._group else self._previous_end or 0
        if interval.start_samples < last_end:
            raise ValueError(f"speech from sample {interval.start_samples} overlaps speech until {last_end}")
        if interval.num_samples > self._rules.max_segment_samples:
            raise ValueError(
                f"speech of {interval.num_samples} samples is longer than a Segment ({self._rules.max_segment_samples})"
            )

    def _best_split(self) -> int:
        """Index of the interval that begins the right part: after the longest pause.

        Pauses that leave enough on both sides come first, then those that leave enough on the left;
        a place without a pause is taken only where there is no pause at all.
        """
        group, enough = self._group, self._rules.min_segment_samples

        def rank(index: int) -> tuple[bool, int, int]:
            pause = group[index].start_samples - group[index - 1].end_samples
            left_is_enough = _span(group[:index]) >= enough
            both_are_enough = left_is_enough and _span(group[index:]) >= enough
            return pause > 0, left_is_enough + both_are_enough, pause

        return max(range(1, len(group)), key=rank)

    def _left_padding(self, start: int) -> int:
        if self._previous_end is None:
            return min(self._rules.padding_samples, start)
        return min(self._rules.padding_samples, (start - self._previous_end) // 2)

    def _emit(self, group: list[SpeechInterval], next_start: int | None, num_samples: int = 0) -> PlannedInterval:
        """Pads a finished group; `next_start` is None at the end of the recording."""
        start, end = group[0].start_samples, group[-1].end_samples
        room = num_samples - end if next_start is None else (next_start - end) // 2
        spare = self._rules.max_segment_samples - (end - start)
        right = max(0, min(self._rules.padding_samples, room))
        left = min(self._left_padding(start), max(spare // 2, spare - right))
        right = min(right, spare - left)
        self._previous_end = end
        return PlannedInterval(
            start_samples=start - left,
            end_samples=end + right,
            speech=tuple(group),
            is_kept=left + end - start + right >= self._rules.min_segment_samples,
            ends_in_speech=next_start == end,
        )


def plan_intervals(intervals: Iterable[SpeechInterval], num_samples: int, rules: PlanRules) -> list[PlannedInterval]:
    """Plans a whole recording of `num_samples` samples at once.

    Raises:
        ValueError: intervals overlap, or one is longer than a Segment may be.
    """
    planner = SegmentPlanner(rules)
    planned = [item for interval in intervals for item in planner.push(interval)]
    return planned + planner.finish(num_samples)


def _span(group: list[SpeechInterval]) -> int:
    return group[-1].end_samples - group[0].start_samples
