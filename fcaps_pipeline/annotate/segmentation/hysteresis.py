"""Turns speech probabilities into SpeechIntervals with two thresholds, window by window.

Enters: one probability per window, in order. Leaves: SpeechIntervals no longer than a limit; where
speech goes on beyond it, the interval is divided at its least likely window and the parts touch.
The rules are those of silero's `get_speech_timestamps` without padding and without its own limit
on length, and give the same samples.

Source: silero_vad 6.2, utils_vad.get_speech_timestamps_from_probs.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from fcaps_pipeline.jobs.annotate_job import SegmentationConfig
from fcaps_pipeline.records.audio import SpeechInterval, seconds_to_samples

WINDOW_SAMPLES = 512
_THRESHOLD_STEP = 0.15
_LOWEST_THRESHOLD = 0.01


@dataclass(frozen=True)
class SpeechRules:
    """When speech begins and ends."""

    threshold: float
    """Probability from which speech begins; it ends 0.15 below."""
    min_speech_samples: int
    """Intervals that are not longer are dropped."""
    min_silence_samples: int
    """Silence that ends an interval."""
    min_part_samples: int
    """Where possible, a divided interval leaves at least this much on both sides."""
    max_interval_samples: int
    """Longer intervals are divided."""

    @staticmethod
    def of(config: SegmentationConfig) -> "SpeechRules":
        """The rules of a job."""
        return SpeechRules(
            threshold=config.vad_threshold,
            min_speech_samples=seconds_to_samples(config.min_speech_s),
            min_silence_samples=seconds_to_samples(config.min_silence_s),
            min_part_samples=seconds_to_samples(config.min_segment_s),
            max_interval_samples=seconds_to_samples(config.max_segment_s),
        )

    @property
    def end_threshold(self) -> float:
        """Probability below which speech may end."""
        return max(self.threshold - _THRESHOLD_STEP, _LOWEST_THRESHOLD)


class SpeechTracker:
    """State between windows: whether speech is on, since when, and since when it may be over."""

    def __init__(self, rules: SpeechRules) -> None:
        """Starts in silence at sample 0."""
        self._rules = rules
        self._position = 0
        self._start: int | None = None
        self._quiet_since: int | None = None
        self._follows_division = False
        self._probabilities: list[float] = []
        self._first_window = 0

    @property
    def decided_samples(self) -> int:
        """No interval still to come starts before this sample."""
        return self._position if self._start is None else self._start

    def push(self, probabilities: Iterable[float]) -> list[SpeechInterval]:
        """Takes the probabilities of the next windows."""
        return [interval for probability in probabilities for interval in self._step(probability)]

    def finish(self, num_samples: int) -> list[SpeechInterval]:
        """Closes speech that lasts until the end of the recording."""
        return [] if self._start is None else self._close(min(self._position, num_samples), num_samples)

    def _step(self, probability: float) -> list[SpeechInterval]:
        window_start = self._position
        self._position += WINDOW_SAMPLES
        done: list[SpeechInterval] = []
        if self._start is not None and self._position - self._start > self._rules.max_interval_samples:
            done.append(self._divide())
        if probability >= self._rules.threshold:
            self._quiet_since = None
            if self._start is None:
                self._start, self._first_window, self._probabilities = window_start, window_start, []
        elif probability < self._rules.end_threshold and self._start is not None:
            self._quiet_since = window_start if self._quiet_since is None else self._quiet_since
            if window_start - self._quiet_since >= self._rules.min_silence_samples:
                return done + self._close(self._quiet_since, self._quiet_since)
        if self._start is not None:
            self._probabilities.append(probability)
        return done

    def _close(self, end: int, counted_end: int) -> list[SpeechInterval]:
        """Ends the speech at a sample; `counted_end` decides whether it lasted long enough."""
        start = self._start or 0
        is_long_enough = counted_end - start > self._rules.min_speech_samples or self._follows_division
        self._start = self._quiet_since = None
        self._follows_division = False
        return [SpeechInterval(start_samples=start, end_samples=end)] if is_long_enough and end > start else []

    def _divide(self) -> SpeechInterval:
        """Splits off the first part of the speech at its least likely window."""
        start = self._start or 0
        cut = self._least_likely_sample(start)
        first_kept = max(0, (cut - self._first_window) // WINDOW_SAMPLES)
        self._probabilities = self._probabilities[first_kept:]
        self._first_window += first_kept * WINDOW_SAMPLES
        self._start = cut
        self._quiet_since = None if self._quiet_since is None else max(self._quiet_since, cut)
        self._follows_division = True
        return SpeechInterval(start_samples=start, end_samples=cut)

    def _least_likely_sample(self, start: int) -> int:
        """Middle of the least likely window that leaves enough on both sides; the later one of equals."""
        end = self._first_window + len(self._probabilities) * WINDOW_SAMPLES
        middles = self._first_window + WINDOW_SAMPLES // 2 + WINDOW_SAMPLES * np.arange(len(self._probabilities))
        part = min(self._rules.min_part_samples, (end - start) // 3)
        allowed = np.flatnonzero((middles >= start + part) & (middles <= end - part))
        least = allowed[::-1][np.argmin(np.asarray(self._probabilities)[allowed[::-1]])]
        return int(middles[least])
