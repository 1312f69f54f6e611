"""From speech probabilities to SpeechIntervals: one network, or the higher word of several.

Enters: int16 samples of one channel, and networks that say of every window how likely it is speech. Leaves:
SpeechIntervals. Networks may lag behind each other: a window counts once all of them have spoken of it.

Shape suffixes: T samples at 16 kHz, W windows of `WINDOW_SAMPLES`.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from fcaps_pipeline.annotate.segmentation.hysteresis import SpeechRules, SpeechTracker
from fcaps_pipeline.records.audio import SpeechInterval

Probabilities = npt.NDArray[np.float32]


class ProbabilityStream(Protocol):
    """One network in one channel, from its first to its last sample. How samples are handed over changes nothing."""

    def push(self, pcm_T: npt.NDArray[np.int16]) -> Probabilities:
        """Takes the next samples and returns the windows that they decide, in order."""
        ...

    def finish(self) -> Probabilities:
        """Returns the windows that are left; a last one that is not full is filled up with silence."""
        ...


class ThresholdStream:
    """Detection in one channel; see `SpeechStream`."""

    def __init__(self, streams: Sequence[ProbabilityStream], rules: SpeechRules) -> None:
        """Starts at sample 0 with silence before it."""
        self._streams = streams
        self._tracker = SpeechTracker(rules)
        self._waiting = [np.zeros(0, np.float32) for _ in streams]
        self._num_samples = 0

    @property
    def decided_samples(self) -> int:
        """See `SpeechStream`."""
        return self._tracker.decided_samples

    def push(self, pcm_T: npt.NDArray[np.int16]) -> list[SpeechInterval]:
        """See `SpeechStream`."""
        self._num_samples += len(pcm_T)
        return self._take([stream.push(pcm_T) for stream in self._streams])

    def finish(self) -> list[SpeechInterval]:
        """See `SpeechStream`."""
        intervals = self._take([stream.finish() for stream in self._streams])
        return intervals + self._tracker.finish(self._num_samples)

    def _take(self, found: Sequence[Probabilities]) -> list[SpeechInterval]:
        self._waiting = [np.concatenate(parts) for parts in zip(self._waiting, found, strict=True)]
        num_windows = min(map(len, self._waiting))
        highest_W = np.max([one_W[:num_windows] for one_W in self._waiting], axis=0)
        self._waiting = [one_W[num_windows:] for one_W in self._waiting]
        return self._tracker.push(highest_W.tolist())


class ThresholdDetector:
    """Loaded networks and the rules of a job; see `VoiceDetector`."""

    def __init__(self, networks: Sequence[Callable[[], ProbabilityStream]], rules: SpeechRules) -> None:
        """Keeps how a stream of each network is opened."""
        self._networks = networks
        self._rules = rules

    def open_stream(self) -> ThresholdStream:
        """See `VoiceDetector`."""
        return ThresholdStream([open_stream() for open_stream in self._networks], self._rules)
