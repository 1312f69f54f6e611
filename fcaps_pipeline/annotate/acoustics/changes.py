"""How level, pitch and rate change from the first part of a Segment's speech to its last.

Enters: the tracks of a Segment and where it speaks. Leaves: one signed number each, None where a part says too little.
What a listener calls growing louder, higher or faster is a change of this kind; short accents are not.

Shape suffixes: N frames, P peaks.
"""

import math

import numpy as np

from fcaps_pipeline.annotate.acoustics.activity import Activity
from fcaps_pipeline.annotate.acoustics.frames import FRAME_STEP_S, Frames, IntArray

_MIN_SPEECH_FRAMES = 20
_MIN_VOICED_FRAMES = 12
_MIN_SYLLABLES = 3
"""Of a part; fewer say nothing about it."""


def level_change_db(frames: Frames, activity: Activity) -> float | None:
    """Mean power of the last third of the speech over that of the first, in dB; positive when it grows louder."""
    first, _, last = np.array_split(_speech_frames(activity), 3)
    if min(len(first), len(last)) < _MIN_SPEECH_FRAMES:
        return None
    power_N = 10.0 ** (frames.level_db_N / 10.0)
    return 10.0 * math.log10(float(power_N[last].mean()) / float(power_N[first].mean()))


def f0_change_semitones(frames: Frames, activity: Activity) -> float | None:
    """Median F0 of the second half of the speech over that of the first, in semitones."""
    halves = [frames.f0_hz_N[half] for half in np.array_split(_speech_frames(activity), 2)]
    voiced = [half[half > 0] for half in halves]
    if min(map(len, voiced)) < _MIN_VOICED_FRAMES:
        return None
    first_hz, second_hz = (float(np.median(half)) for half in voiced)
    return 12.0 * math.log2(second_hz / first_hz)


def rate_change_ratio(activity: Activity) -> float | None:
    """Syllables per second of speech in its second half over those in its first."""
    first, second = np.array_split(_speech_frames(activity), 2)
    counts = [int(np.isin(activity.syllables_P, half).sum()) for half in (first, second)]
    if min(counts) < _MIN_SYLLABLES:
        return None
    return (counts[1] / (len(second) * FRAME_STEP_S)) / (counts[0] / (len(first) * FRAME_STEP_S))


def _speech_frames(activity: Activity) -> IntArray:
    return np.flatnonzero(activity.is_speech_N)
