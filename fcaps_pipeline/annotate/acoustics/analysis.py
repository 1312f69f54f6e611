"""A Segment analysed once: its tracks, and where it speaks; acoustics and events are made from the same.

Enters: mono int16 samples at 16 kHz. Leaves: an `Analysis`.

Shape suffixes: T samples, N frames.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fcaps_pipeline.annotate.acoustics.activity import Activity, find_activity
from fcaps_pipeline.annotate.acoustics.frames import FRAME_STEP_S, Frames, make_frames, no_frames
from fcaps_pipeline.records.audio import SAMPLE_RATE_HZ

_HALF_FRAME_S = FRAME_STEP_S / 2


@dataclass(frozen=True)
class Analysis:
    """A Segment, frame by frame; without any frame where it is shorter than one of pitch (50 ms)."""

    pcm_T: npt.NDArray[np.int16]
    frames: Frames
    activity: Activity

    @property
    def num_frames(self) -> int:
        """Frames of every track."""
        return len(self.frames.time_s_N)

    def span_samples(self, first: int, after: int) -> tuple[int, int]:
        """First sample of a run of frames and sample after its last, within the Segment.

        Args:
            first: its first frame.
            after: frame after its last.
        """
        time_s_N = self.frames.time_s_N
        start, end = (float(time_s_N[first]) - _HALF_FRAME_S, float(time_s_N[after - 1]) + _HALF_FRAME_S)
        return max(0, round(start * SAMPLE_RATE_HZ)), min(len(self.pcm_T), round(end * SAMPLE_RATE_HZ))


def analyse(pcm_T: npt.NDArray[np.int16]) -> Analysis:
    """Analyses a Segment of any length."""
    frames = make_frames(pcm_T) or no_frames()
    return Analysis(pcm_T, frames, find_activity(frames))
