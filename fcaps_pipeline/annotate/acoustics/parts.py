"""Measures part of a Segment: what is said of its beginning is held against its beginning.

Enters: the tracks of a Segment, and an interval. Leaves: `PartMeasures`, under the names that the whole Segment has
them by in `Acoustics`. What speech, a pause and a dip are is decided over the whole Segment, whose level they go by.

Shape suffix: N frames.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fcaps_pipeline.annotate.acoustics.activity import find_activity, is_heard
from fcaps_pipeline.annotate.acoustics.frames import FRAME_STEP_S, BoolArray, Frames, frames_of, make_frames
from fcaps_pipeline.annotate.acoustics.modulation import modulation_hz
from fcaps_pipeline.records.audio import SAMPLE_RATE_HZ, Tracks

_MIN_SPEECH_FRAMES = 20
_MIN_VOICED_FRAMES = 12
_MIN_SYLLABLES = 3
"""Of a part; fewer say nothing about it."""


@dataclass(frozen=True)
class PartMeasures:
    """What was measured in one interval. None where it holds too little for it."""

    f0_p5_hz: float | None
    f0_median_hz: float | None
    f0_p95_hz: float | None
    tempo_hz: float | None
    voiced_share: float | None
    """Of the speech, pauses left out."""
    dip_longest_s: float
    """Of those whose middle lies in the interval, as pauses."""
    pause_longest_s: float


class PartMeter:
    """Measures parts of one Segment, whose tracks are made once."""

    def __init__(self, pcm_T: npt.NDArray[np.int16], tracks: Tracks | None) -> None:
        """Takes the tracks that came with the samples; None makes them anew, rounded alike."""
        if tracks is None and (frames := make_frames(pcm_T)) is not None:
            tracks = frames.tracks
        self._frames = None if tracks is None else frames_of(tracks)
        self._activity = None if self._frames is None else find_activity(self._frames)
        self._is_heard_N = None if self._frames is None else is_heard(self._frames.level_db_N)

    def measure(self, start_samples: int, end_samples: int) -> PartMeasures | None:
        """One interval, in samples of the Segment; None where the Segment is too short for a frame."""
        frames, activity, is_heard_N = self._frames, self._activity, self._is_heard_N
        if frames is None or activity is None or is_heard_N is None:
            return None
        is_inside_N = (frames.time_s_N >= start_samples / SAMPLE_RATE_HZ) & (
            frames.time_s_N < end_samples / SAMPLE_RATE_HZ
        )
        is_speech_N = activity.is_speech_N & is_inside_N
        f0_hz = frames.f0_hz_N[frames.is_voiced_N & is_inside_N]
        low_hz, median_hz, high_hz = (
            map(float, np.percentile(f0_hz, (5, 50, 95))) if len(f0_hz) >= _MIN_VOICED_FRAMES else (None, None, None)
        )
        num_speech = int(is_speech_N.sum())
        return PartMeasures(
            f0_p5_hz=low_hz,
            f0_median_hz=median_hz,
            f0_p95_hz=high_hz,
            tempo_hz=_tempo_hz(frames, is_speech_N, int(is_inside_N[activity.syllables_P].sum())),
            voiced_share=float(frames.is_voiced_N[is_speech_N].mean()) if num_speech >= _MIN_SPEECH_FRAMES else None,
            dip_longest_s=_longest_gap_s(is_heard_N, is_inside_N),
            pause_longest_s=_longest_gap_s(activity.is_speech_N, is_inside_N),
        )


def _tempo_hz(frames: Frames, is_speech_N: BoolArray, num_syllables: int) -> float | None:
    """As `Acoustics.tempo_hz`."""
    modulation = modulation_hz(frames, is_speech_N)
    if modulation is None or num_syllables < _MIN_SYLLABLES:
        return None
    return (num_syllables / (float(is_speech_N.sum()) * FRAME_STEP_S) + modulation) / 2


def _longest_gap_s(is_there_N: BoolArray, is_inside_N: BoolArray) -> float:
    """The longest gap between frames that are there whose middle lies inside, in seconds."""
    there = np.flatnonzero(is_there_N)
    before, after = there[:-1], there[1:]
    lengths = (after - before - 1)[is_inside_N[(before + after) // 2]]
    return float(lengths.max(initial=0)) * FRAME_STEP_S
