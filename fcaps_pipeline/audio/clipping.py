"""Measures clipping at the rate of the source, where a limiter or converter left it: runs of equal extremes.

Enters: float blocks of the channels that are taken, with their place in time. Leaves, for any interval: the share of
samples that stand in runs of at least three equal ones at the highest or lowest value of the interval, or beyond full
scale. Resampling and a lower gain hide clipping from whoever looks for full scale at 16 kHz.

Shape suffixes: T samples, C channels, N frames of 10 ms.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fcaps_pipeline.records.audio import SAMPLE_RATE_HZ

FloatBlock = npt.NDArray[np.float32]
Counts = npt.NDArray[np.int32]

_FRAMES_PER_S = 100
_FRAME_SAMPLES = SAMPLE_RATE_HZ // _FRAMES_PER_S
_ROUNDING = 1e-6
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
        first = math.floor(start_s * _FRAMES_PER_S + _ROUNDING)
        last = math.floor((start_s + (len(block_TC) - 1) / rate_hz) * _FRAMES_PER_S + _ROUNDING)
        begins_N = np.arange(first, last + 1) / _FRAMES_PER_S - start_s
        starts = np.maximum(np.ceil(begins_N * rate_hz - _ROUNDING).astype(np.int64), 0)
        # A start that lies by rounding just under a boundary would leave the first sample without a frame.
        starts[0] = 0
        starts = starts[starts < len(block_TC)]
        tracks = [_track(np.ascontiguousarray(block_TC[:, row]), starts) for row in range(block_TC.shape[1])]
        high_NC, low_NC, num_high_NC, num_low_NC, num_beyond_NC = (
            np.stack(rows, axis=1) for rows in zip(*tracks, strict=True)
        )
        length_N = np.diff(np.append(starts, len(block_TC))).astype(np.int32)
        self._parts.append(_Frames(first, high_NC, low_NC, num_high_NC, num_low_NC, num_beyond_NC, length_N))

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


def _track(samples_T: FloatBlock, starts: Counts) -> tuple[npt.NDArray[Any], ...]:
    """Highest and lowest value of each frame, samples in runs at either, samples beyond full scale."""
    high_N, low_N = np.maximum.reduceat(samples_T, starts), np.minimum.reduceat(samples_T, starts)
    nothing_N = np.zeros(len(starts), dtype=np.int32)
    num_beyond_N = nothing_N
    if high_N.max() > 1.0 or low_N.min() < -1.0:
        num_beyond_N = np.add.reduceat((np.abs(samples_T) > 1.0).astype(np.int32), starts)
    equal_T = samples_T[1:] == samples_T[:-1]
    triples = np.flatnonzero(equal_T[1:] & equal_T[:-1])
    if not len(triples):
        return high_N, low_N, nothing_N, nothing_N, num_beyond_N
    in_run = np.unique((triples[:, None] + np.arange(3)).ravel())
    frame = np.searchsorted(starts, in_run, side="right") - 1
    counts = [
        np.bincount(frame[samples_T[in_run] == extreme_N[frame]], minlength=len(starts)).astype(np.int32)
        for extreme_N in (high_N, low_N)
    ]
    return high_N, low_N, counts[0], counts[1], num_beyond_N
