"""Where something may happen: intervals with a phrase and a score, far more than are true.

Enters: the cues of a Segment. Leaves: candidates. A change lasts until the voice changes in the same respect again, or
to the end of the speech, as in known truth; growth lasts while the level grows; a voice lasts while it is heard.

Shape suffixes: N frames of 10 ms, M moments of 20 ms, S states, V values of a track.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.ndimage import median_filter

from fcaps_pipeline.annotate.acoustics.activity import gaps_of
from fcaps_pipeline.annotate.acoustics.change_points import level_pieces, line_pieces
from fcaps_pipeline.annotate.acoustics.event_cues import Cues
from fcaps_pipeline.annotate.acoustics.frames import BoolArray
from fcaps_pipeline.annotate.acoustics.timbre import MOMENT_FRAMES
from fcaps_pipeline.annotate.acoustics.voice_states import STATES
from fcaps_pipeline.records.audio import EventPhrase

_STEP_FRAMES = 10
"""The rate moves slowly and is divided on a grid of 0.1 s."""
_PITCH_PRICE = 1000.0
"""Semitones squared over frames of 10 ms: five semitones more or less for 0.4 s are no change yet."""
_RATE_PRICE = 0.8
_LOUDNESS_PRICE = 80.0
_JOINT_REACH_FRAMES = 35
"""A new pace is heard so close to where it begins."""
_SHORTEST_RAMP_FRAMES = 80.0
_VOWEL_FRAMES = 25
"""From the middle of a vowel to where its syllable begins or ends, at most."""
_UNVOICED_FRAMES = 3
"""Between two voiced parts: a pitch is not changed in the middle of a vowel."""
_LEAST_SEMITONES, _LEAST_LOG_RATE, _LEAST_GROWTH_DB = 1.2, 0.2, 1.5
"""Less is no candidate: below what is called steady wherever truth is known."""
_MEDIAN_MOMENTS = 15
_MERGED_MOMENTS = 15
"""0.3 s: an interruption of a voice that nobody hears as one."""
_SHORTEST_MOMENTS = 20
_LIKELY = 0.35


@dataclass(frozen=True)
class Candidate:
    """A phrase, an interval in frames, and how strongly the one bears the other out."""

    phrase: EventPhrase
    first: int
    after: int
    score: float


def find_candidates(cues: Cues) -> list[Candidate]:
    """All that may happen in a Segment."""
    if not cues.analysis.activity.is_speech_N.any():
        return []
    return [
        Candidate(phrase, first, after, cues.score(phrase, first, after))
        for find in (_pauses, _growth, _pitch, _rate, _voices)
        for phrase, first, after in find(cues)
    ]


_Found = Iterator[tuple[EventPhrase, int, int]]


def _pauses(cues: Cues) -> _Found:
    for first, after in gaps_of(cues.analysis.activity.is_speech_N):
        yield "pauses", first, after


def _growth(cues: Cues) -> _Found:
    """By the levels of the vowels between two pauses; a piece reaches from joint to joint."""
    pauses = gaps_of(cues.analysis.activity.is_speech_N)
    for vowels in np.split(cues.vowels_P, np.searchsorted(cues.vowels_P, [first for first, _ in pauses])):
        level_db = cues.analysis.frames.intensity_db_N[vowels]
        begins = line_pieces(vowels.astype(np.float64), level_db, _LOUDNESS_PRICE, _SHORTEST_RAMP_FRAMES)
        for begin, border in pairwise([*begins, len(vowels)]):
            first, after = _around(cues, int(vowels[begin]), int(vowels[border - 1]))
            growth_db = cues.score("grows louder", first, after)
            if abs(growth_db) >= _LEAST_GROWTH_DB:
                yield "grows louder" if growth_db > 0 else "grows softer", first, after


def _around(cues: Cues, first_vowel: int, last_vowel: int) -> tuple[int, int]:
    """From the softest frame shortly before a vowel to the softest shortly after another, of what speaks."""
    reach = slice(max(0, first_vowel - _VOWEL_FRAMES), last_vowel + _VOWEL_FRAMES)
    spoken = reach.start + np.flatnonzero(cues.analysis.activity.is_speech_N[reach])
    intensity_db = cues.analysis.frames.intensity_db_N[spoken]
    before, behind = spoken <= first_vowel, spoken >= last_vowel
    return int(spoken[before][intensity_db[before].argmin()]), int(spoken[behind][intensity_db[behind].argmin()]) + 1


def _pitch(cues: Cues) -> _Found:
    pitched = np.flatnonzero(cues.has_pitch_N)
    may_begin_V = np.diff(pitched, prepend=-1) > _UNVOICED_FRAMES
    begins = level_pieces(cues.semitones_N[pitched], _PITCH_PRICE, may_begin_V)
    places = [_after_softest(cues, int(pitched[one - 1]), int(pitched[one])) for one in begins[1:]]
    yield from _steps(cues, places, _LEAST_SEMITONES, ("raises the pitch", "lowers the pitch"))


def _rate(cues: Cues) -> _Found:
    track = np.flatnonzero(cues.is_plain_N)[::_STEP_FRAMES]
    begins = level_pieces(cues.log_tempo_N[track], _RATE_PRICE, np.ones(len(track), np.bool_))
    places = [
        _after_softest(cues, max(0, int(track[one]) - _JOINT_REACH_FRAMES), int(track[one]) + _JOINT_REACH_FRAMES)
        for one in begins[1:]
    ]
    yield from _steps(cues, places, _LEAST_LOG_RATE, ("speaks faster", "speaks slower"))


def _after_softest(cues: Cues, first: int, after: int) -> int:
    """The frame after the softest of some: what begins anew does so with a new phrase."""
    return first + int(np.argmin(cues.analysis.frames.intensity_db_N[first:after])) + 1


def _steps(cues: Cues, places: list[int], least: float, phrases: tuple[EventPhrase, EventPhrase]) -> _Found:
    """Steps that are large enough, each up to the next of them or to the end of the speech."""
    end = int(np.flatnonzero(cues.analysis.activity.is_speech_N)[-1]) + 1
    heard = [
        (begin, step)
        for begin, border in pairwise([*sorted({one for one in places if one < end}), end])
        if abs(step := cues.score(phrases[0], begin, border)) >= least
    ]
    for (begin, step), (border, _) in pairwise([*heard, (end, 0.0)]):
        last = _last_speech(cues.analysis.activity.is_speech_N, begin, border)
        yield phrases[0 if step > 0 else 1], begin, last + 1


def _last_speech(is_speech_N: BoolArray, begin: int, border: int) -> int:
    """What ends with a pause ends before it."""
    spoken = np.flatnonzero(is_speech_N[begin:border])
    return begin + int(spoken[-1]) if len(spoken) else border - 1


def _voices(cues: Cues) -> _Found:
    """Runs of a voice in the time of speech alone, so that a pause interrupts none."""
    spoken = np.flatnonzero(cues.analysis.activity.is_speech_N[::MOMENT_FRAMES])
    for state, phrase in enumerate(STATES):
        if phrase is None or not len(spoken):
            continue
        likely_V = median_filter(np.exp(cues.states_MS[spoken, state]), _MEDIAN_MOMENTS, mode="nearest") > _LIKELY
        for begin, border in _runs(likely_V):
            first = int(spoken[begin]) * MOMENT_FRAMES
            after = min(int(spoken[border - 1] + 1) * MOMENT_FRAMES, len(cues.analysis.frames.time_s_N))
            yield phrase, first, after


def _runs(likely_V: BoolArray) -> Iterator[tuple[int, int]]:
    """Runs with short interruptions closed, without those that are short themselves."""
    edges = np.flatnonzero(np.diff(likely_V.astype(np.int8), prepend=0, append=0))
    merged: list[tuple[int, int]] = []
    for first, after in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        if merged and first - merged[-1][1] <= _MERGED_MOMENTS:
            merged[-1] = (merged[-1][0], after)
        else:
            merged.append((first, after))
    return ((first, after) for first, after in merged if after - first >= _SHORTEST_MOMENTS)
