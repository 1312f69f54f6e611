"""Resamples a stream block by block to 16 kHz, sample for sample as if it were one array.

Enters: float32 blocks at the rate of the source, any from 4 to 768 kHz. Leaves: float32 blocks at 16 kHz; together
they hold the nearest whole number to n * 16000 / rate samples for n input samples, beginning at the same moment.

Shape suffix: T samples, C channels.
"""

import numpy as np
import numpy.typing as npt
import soxr

from fcaps_pipeline.records.audio import SAMPLE_RATE_HZ

FloatBlock = npt.NDArray[np.float32]


class StreamResampler:
    """One stretch of sound at one rate."""

    def __init__(self, rate_hz: int, num_channels: int) -> None:
        """Prepares the filter; a stretch at 16 kHz passes through untouched."""
        self._stream = (
            None
            if rate_hz == SAMPLE_RATE_HZ
            else soxr.ResampleStream(rate_hz, SAMPLE_RATE_HZ, num_channels, dtype="float32", quality="HQ")
        )
        self._num_channels = num_channels

    def push(self, block_TC: FloatBlock) -> FloatBlock:
        """Takes the next input samples and returns the output samples that no later input can change."""
        return block_TC if self._stream is None else self._resampled(self._stream, block_TC, last=False)

    def finish(self) -> FloatBlock:
        """The rest of the output, once the stretch has ended."""
        rest_TC = np.zeros((0, self._num_channels), dtype=np.float32)
        return rest_TC if self._stream is None else self._resampled(self._stream, rest_TC, last=True)

    def _resampled(self, stream: soxr.ResampleStream, block_TC: FloatBlock, *, last: bool) -> FloatBlock:
        out_TC: FloatBlock = stream.resample_chunk(np.ascontiguousarray(block_TC), last=last)
        return out_TC.reshape(-1, self._num_channels)
