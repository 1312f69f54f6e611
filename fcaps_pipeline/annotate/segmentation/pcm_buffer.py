"""Keeps the part of a channel that a Segment may still need, addressed by absolute samples.

Shape suffix: T samples.
"""

import numpy as np
import numpy.typing as npt


class PcmBuffer:
    """A window on one channel that moves forward."""

    def __init__(self) -> None:
        """Starts empty at sample 0."""
        self._pcm_T = np.zeros(0, dtype=np.int16)
        self._first = 0

    @property
    def end_samples(self) -> int:
        """Number of samples taken in so far."""
        return self._first + len(self._pcm_T)

    def append(self, pcm_T: npt.NDArray[np.int16]) -> None:
        """Takes the next samples."""
        self._pcm_T = np.concatenate((self._pcm_T, pcm_T))

    def read(self, start: int, end: int) -> npt.NDArray[np.int16]:
        """A copy of the samples from `start` to before `end`.

        Raises:
            ValueError: they were let go, or have not come yet.
        """
        if start < self._first or end > self.end_samples:
            raise ValueError(f"samples {start} to {end} asked for, {self._first} to {self.end_samples} are kept")
        return self._pcm_T[start - self._first : end - self._first].copy()

    def drop_before(self, sample: int) -> None:
        """Lets go of everything before a sample."""
        num_dropped = min(max(0, sample - self._first), len(self._pcm_T))
        self._pcm_T = self._pcm_T[num_dropped:].copy()
        self._first += num_dropped
