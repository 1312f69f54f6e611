"""Measures clipping at the rate of the source, where a limiter or converter left it: runs of equal extremes.

Enters: float blocks of the channels that are taken, with their place in time. Leaves, for any interval: the share of
samples that stand in runs of at least three equal ones at the highest or lowest value of the interval, or beyond full
scale. Resampling and a lower gain hide clipping from whoever looks for full scale at 16 kHz.

Shape suffixes: T samples, C channels, N frames of 10 ms.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fcaps_pipeline.records.audio import SAMPLE_RATE_HZ

FloatBlock = npt.NDArray[np.float32]
Counts = npt.NDArray[np.int32]

_FRAMES_PER_S = 100
_FRAME_SAMPLES = SAMPLE_RATE_HZ // _FRAMES_PER_S
_QUIET = 0.01
"""Extremes below -40 dB are rests of digital silence; nothing clips there."""


@dataclass(frozen=True)
class _Frames:
    """Consecutive frames of 10 ms."""

    first: int
    high_NC: FloatBlock
    low_NC: FloatBlock
    num_high_NC: Counts
    """Samples in runs at the highest value of their frame."""
    num_low_NC: Counts
    num_beyond_NC: Counts
    num_samples_N: Counts


class ClippingTrack:
    """What must be known of a recording to tell the clipped share of any interval."""

    def __init__(self) -> None:
        """Starts empty."""
        self._parts: list[_Frames] = []

    def push(self, block_TC: FloatBlock, rate_hz: int, start_s: float) -> None:
        """Takes samples at their own rate, from second `start_s` on."""
        index_T = np.floor((start_s + np.arange(len(block_TC)) / rate_hz) * _FRAMES_PER_S + 1e-6).astype(np.int64)
        first = int(index_T[0])
        starts = np.concatenate(([0], np.flatnonzero(np.diff(index_T)) + 1))
        high_NC = np.maximum.reduceat(block_TC, starts)
        low_NC = np.minimum.reduceat(block_TC, starts)
        in_run_TC = _in_runs(block_TC)
        length_N = np.diff(np.append(starts, len(block_TC)))
        self._parts.append(
            _Frames(
                first=first,
                high_NC=high_NC,
                low_NC=low_NC,
                num_high_NC=_counted(in_run_TC, block_TC, high_NC, starts, length_N),
                num_low_NC=_counted(in_run_TC, block_TC, low_NC, starts, length_N),
                num_beyond_NC=np.add.reduceat((np.abs(block_TC) > 1.0).astype(np.int32), starts),
                num_samples_N=length_N.astype(np.int32),
            )
        )

    def share(self, row: int, start_samples: int, end_samples: int) -> float:
        """Clipped samples over all samples of an interval, given in samples at 16 kHz; 0 where there is no sound."""
        first, last = start_samples // _FRAME_SAMPLES, -(-end_samples // _FRAME_SAMPLES)
        columns = [
            _column(part, row, slice(max(0, first - part.first), max(0, last - part.first)))
            for part in self._parts
            if part.first < last and part.first + len(part.high_NC) > first
        ]
        if not columns:
            return 0.0
        high_N, low_N, num_high_N, num_low_N, num_beyond_N, num_N = (
            np.concatenate(values) for values in zip(*columns, strict=True)
        )
        total = int(num_N.sum())
        if not total:
            return 0.0
        clipped = int(num_beyond_N.sum())
        if _QUIET < (highest := float(high_N.max())) <= 1.0:
            clipped += int(num_high_N[high_N == highest].sum())
        if -_QUIET > (lowest := float(low_N.min())) >= -1.0:
            clipped += int(num_low_N[low_N == lowest].sum())
        return clipped / total

    def forget_before(self, samples: int) -> None:
        """Lets go of what lies wholly before a sample at 16 kHz."""
        frame = samples // _FRAME_SAMPLES
        self._parts = [part for part in self._parts if part.first + len(part.high_NC) > frame]


def _column(part: _Frames, row: int, chosen: slice) -> tuple[npt.NDArray[np.generic], ...]:
    return (
        part.high_NC[chosen, row],
        part.low_NC[chosen, row],
        part.num_high_NC[chosen, row],
        part.num_low_NC[chosen, row],
        part.num_beyond_NC[chosen, row],
        part.num_samples_N[chosen],
    )


def _in_runs(block_TC: FloatBlock) -> npt.NDArray[np.bool_]:
    """Samples that stand in a run of at least three equal ones."""
    in_run_TC = np.zeros(block_TC.shape, dtype=np.bool_)
    equal_TC = block_TC[1:] == block_TC[:-1]
    triple_TC = equal_TC[1:] & equal_TC[:-1]
    for shift in range(3):
        in_run_TC[shift : len(block_TC) - 2 + shift] |= triple_TC
    return in_run_TC


def _counted(
    in_run_TC: npt.NDArray[np.bool_],
    block_TC: FloatBlock,
    extreme_NC: FloatBlock,
    starts: npt.NDArray[np.int64],
    length_N: npt.NDArray[np.int64],
) -> Counts:
    at_extreme_TC = in_run_TC & (block_TC == np.repeat(extreme_NC, length_N, axis=0))
    counts_NC: Counts = np.add.reduceat(at_extreme_TC.astype(np.int32), starts)
    return counts_NC
