"""The protocol behind which every voice detector stands: samples in, SpeechIntervals out.

A detector is loaded once; it opens one SpeechStream per channel of a Recording. A stream says how
far it has decided, so that whoever keeps the audio knows what may be let go.

Shape suffix: T samples at 16 kHz.
"""

from collections.abc import Callable
from typing import Protocol

import numpy as np
import numpy.typing as npt

from fcaps_pipeline.records.audio import SpeechInterval


class SpeechStream(Protocol):
    """Speech detection in one channel, from its first to its last sample."""

    @property
    def decided_samples(self) -> int:
        """No SpeechInterval still to come starts before this sample. Never decreases."""
        ...

    def push(self, pcm_T: npt.NDArray[np.int16]) -> list[SpeechInterval]:
        """Takes the next samples and returns the intervals that they complete, in order."""
        ...

    def finish(self) -> list[SpeechInterval]:
        """Returns the intervals that end with the recording."""
        ...


class VoiceDetector(Protocol):
    """A loaded detector."""

    def open_stream(self) -> SpeechStream:
        """Starts with the first sample of a channel; streams do not disturb each other."""
        ...


class LateDetector:
    """A `VoiceDetector` that is loaded when it is needed, with seconds and 200 MB: never for Recordings with Cuts."""

    def __init__(self, make: Callable[[], VoiceDetector]) -> None:
        """Keeps how it is loaded."""
        self._make = make
        self._detector: VoiceDetector | None = None

    def load(self) -> VoiceDetector:
        """Loads it, unless it is."""
        if self._detector is None:
            self._detector = self._make()
        return self._detector

    def open_stream(self) -> SpeechStream:
        """See `VoiceDetector`."""
        return self.load().open_stream()
