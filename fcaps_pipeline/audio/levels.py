"""Judges the scale of decoded samples: whether full scale is what the format says.

Enters: the float samples of all channels. Leaves: nothing, or a RecordingError: samples that are no numbers, floats
in the range of integers, and 16-bit samples written into fields of 24 or 32 bits would all become captions of noise.

Shape suffix: T frames, S channels.
"""

import math

import numpy as np
import numpy.typing as npt

from fcaps_pipeline.errors import RecordingError

FloatBlock = npt.NDArray[np.float32]

MAX_PEAK = 4.0
"""Floats may go beyond full scale by a mix that was not limited, hardly by more than 12 dB."""
_MIN_WIDE_PEAK = 2.0**-8
"""Samples of 16 bits in fields of 24 never reach the upper 8 bits."""
_SILENT_PEAK = 2.0**-15
"""At 42 dB below full scale, samples of 16 bits in fields of 24; the noise of a muted converter lies lower."""
_MIN_WIDEST_PEAK = 2.0**-16
"""Samples of 16 bits in fields of 32 never reach the upper 16 bits."""
_SILENT_WIDEST_PEAK = 2.0**-22
"""At 36 dB below full scale, samples of 16 bits in fields of 32."""
_STEP_24, _STEP_32 = 2.0**-23, 2.0**-31


class LevelCheck:
    """Follows the peak of one recording whose samples are those that were stored."""

    def __init__(self, name: str) -> None:
        """Starts with the first sample."""
        self._name = name
        self._peak = 0.0
        self._is_wide = False
        self._has_steps_of_24 = True
        """Whether fields of 24 bits could hold all samples so far; followed as long as that can matter."""
        self._has_steps_of_32 = True

    @property
    def is_settled(self) -> bool:
        """Whether what comes cannot change the verdict that the scale is sound."""
        return not self._is_wide or self._peak > _MIN_WIDE_PEAK

    def push(self, block_TS: FloatBlock, start_s: float, rate_hz: int) -> None:
        """Takes samples that were stored with more than 16 bits; those of 16 cannot lie on a wrong scale.

        Args:
            block_TS: the samples.
            start_s: their place in the media.
            rate_hz: their rate.

        Raises:
            RecordingError: a sample is no number, or far beyond full scale.
        """
        self._is_wide = True
        peak = peak_of(block_TS)
        self._peak = max(self._peak, peak)
        if self._peak <= _MIN_WIDEST_PEAK:
            self._has_steps_of_24 &= _has_steps(block_TS, _STEP_24)
            self._has_steps_of_32 &= _has_steps(block_TS, _STEP_32)
        if peak <= MAX_PEAK:
            return
        frame, channel = (int(index) for index in np.argwhere(~(np.abs(block_TS) <= MAX_PEAK))[0])
        value, at_s = float(block_TS[frame, channel]), start_s + frame / rate_hz
        if not math.isfinite(value):
            raise RecordingError(
                f"{self._name}: sample {round(at_s * rate_hz)} ({at_s:.2f} s) of channel {channel} is {value}, "
                "expected a finite number; export the file again"
            )
        raise RecordingError(
            f"{self._name}: samples reach {peak:g} where 1.0 is full scale (from {at_s:.2f} s on); they were written "
            "on the scale of integers, divide them and export the file again"
        )

    def check_end(self) -> None:
        """Judges the peak of the whole.

        Raises:
            RecordingError: fields of more than 16 bits hold samples of less than 9.
        """
        if self._is_wide and (_SILENT_PEAK < self._peak <= _MIN_WIDE_PEAK or self._may_be_16_in_32):
            raise RecordingError(
                f"{self._name}: samples of more than 16 bits never exceed {20 * math.log10(self._peak):.0f} dB of full "
                "scale; 16-bit samples were written into wider fields, or the gain was far too low: scale them and "
                "export the file again"
            )

    @property
    def _may_be_16_in_32(self) -> bool:
        """The noise of a muted track is as low, but has the steps of 24 bits, or of no integers at all."""
        is_low = _SILENT_WIDEST_PEAK < self._peak <= _MIN_WIDEST_PEAK
        return is_low and self._has_steps_of_32 and not self._has_steps_of_24


def _has_steps(block_TS: FloatBlock, step: float) -> bool:
    steps_TS = block_TS / np.float32(step)
    return bool((steps_TS == np.rint(steps_TS)).all())


def peak_of(block_TS: FloatBlock) -> float:
    """Largest magnitude; infinite where a sample is no number."""
    if not block_TS.size:
        return 0.0
    high, low = float(block_TS.max()), float(block_TS.min())
    return max(high, -low) if math.isfinite(high) and math.isfinite(low) else math.inf
