"""What events are told by, and how strongly: the tracks made smooth, and one score per kind for any interval.

Enters: the tracks of a Segment. Leaves: `Cues`, and the score of a phrase in an interval: dB, semitones, a logarithm of
rates, seconds of silence, log odds of a voice; the greater, the surer. What a score is worth is for `event_bounds`.

Shape suffixes: N frames of 10 ms, M moments of 20 ms, S states, P peaks.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.ndimage import gaussian_filter1d, maximum_filter1d, uniform_filter1d

from fcaps_pipeline.annotate.acoustics.analysis import Analysis
from fcaps_pipeline.annotate.acoustics.frames import FRAME_STEP_S, BoolArray, FloatArray, IntArray
from fcaps_pipeline.annotate.acoustics.modulation import modulation_hz
from fcaps_pipeline.annotate.acoustics.timbre import MOMENT_FRAMES, measure_timbre
from fcaps_pipeline.annotate.acoustics.voice_states import STATES, StateNetwork
from fcaps_pipeline.records.audio import EventPhrase

_REFERENCE_HZ = 100.0
_CLEAR_BELOW_SPEECH_DB, _CLEAR_SHARE = 22.0, 0.4
"""Clear speech lies less than so far below the loudest, and above so much of the way from the noise to it."""
_PLAIN_FRAMES = 41
_ECHO_FRAMES = 101
_ECHO_DB = 15.0
_MIN_VOWELS = 4
_FEW_VOWELS = 5.0
"""A line through fewer than the one says nothing, through so many as the other half of what it says."""
_FEW_VOICED_FRAMES = 20.0
_MOST_SEMITONES = 9.0
"""Voices do not move further for a while; pitch trackers do, by an octave or to a hum."""
_NOISY_DB, _QUIET_DB = 10.0, 25.0
"""Of speech over noise: a pitch counts nothing below the one, and wholly above the other."""
_TEMPO_FRAMES = 30
"""Standard deviation of the window in which syllables are counted."""
_BESIDE_FRAMES = 50
_PITCH_FRAMES = 150
_RATE_FRAMES = 250
"""A change is heard against so much of what came before, and in so much of what comes."""
_MIN_VOICED_FRAMES = 12
_FEW_SYLLABLES = 3.0
"""Rates of so few syllables count half."""
_FULL_CONTRAST_DB = 15.0
_MOST_VOICED_OF_WHISPER = 0.1
"""Real voices differ more from each other than synthetic ones: what has a pitch is no whisper, whoever speaks."""
_JOINT_FRAMES = 3
_DEEP_DB = 30.0
_NOT_HEARD = float("-inf")


@dataclass(frozen=True)
class Cues:
    """The tracks of a Segment, as far as events are told by them."""

    analysis: Analysis
    network: StateNetwork

    @cached_property
    def states_MS(self) -> FloatArray:
        """Log probability of each voice."""
        return self.network.log_probabilities(measure_timbre(self.analysis))

    @cached_property
    def state_N(self) -> FloatArray:
        """Place in `STATES` of the likeliest voice of each frame."""
        return np.repeat(self.states_MS.argmax(axis=1), MOMENT_FRAMES)[: len(self.analysis.frames.time_s_N)]

    @cached_property
    def is_plain_N(self) -> BoolArray:
        """Speech with a pitch and with syllables that can be counted: no creak, whisper or laughter."""
        plain = [index for index, phrase in enumerate(STATES) if phrase in {None, "speaks in a breathy voice"}]
        often_N = uniform_filter1d(np.isin(self.state_N, plain).astype(np.float64), _PLAIN_FRAMES, mode="nearest")
        return np.asarray(self.analysis.activity.is_speech_N & (often_N > 0.5))

    @cached_property
    def has_pitch_N(self) -> BoolArray:
        """Frames whose F0 is that of speech."""
        return np.asarray(self.analysis.frames.is_voiced_N & self.is_clear_N & self.is_plain_N)

    @cached_property
    def syllables_P(self) -> IntArray:
        """Frames of the syllables of plain speech."""
        syllables_P = self.analysis.activity.syllables_P
        return syllables_P[self.is_plain_N[syllables_P]]

    @cached_property
    def semitones_N(self) -> FloatArray:
        """F0 in semitones; only where there is a pitch does it mean anything."""
        return np.asarray(12.0 * np.log2(np.maximum(self.analysis.frames.f0_hz_N, 1.0) / _REFERENCE_HZ))

    @cached_property
    def range_db(self) -> tuple[float, float]:
        """Level of the noise of the place, and that of loud speech."""
        floor_db, speech_db = np.percentile(self.analysis.frames.level_db_N, (5, 95))
        return float(floor_db), float(speech_db)

    @cached_property
    def is_clear_N(self) -> BoolArray:
        """Speech that stands out from the noise of the place: of the rest, pitch and level may be those of a hum."""
        floor_db, speech_db = self.range_db
        border_db = max(speech_db - _CLEAR_BELOW_SPEECH_DB, floor_db + _CLEAR_SHARE * (speech_db - floor_db))
        return np.asarray(self.analysis.activity.is_speech_N & (self.analysis.frames.level_db_N > border_db))

    @cached_property
    def vowels_P(self) -> IntArray:
        """Frames of the syllables that are about as loud as what is around them: an echo is none."""
        syllables_P = self.syllables_P
        intensity_db_N = self.analysis.frames.intensity_db_N
        around_db_N = maximum_filter1d(intensity_db_N, _ECHO_FRAMES)
        is_loud_P = (intensity_db_N > around_db_N - _ECHO_DB)[syllables_P] & self.is_clear_N[syllables_P]
        return np.asarray(syllables_P[is_loud_P])

    @cached_property
    def log_tempo_N(self) -> FloatArray:
        """Logarithm of syllables per second of speech, over about a second."""
        syllables_N = np.zeros(self.analysis.num_frames)
        syllables_N[self.syllables_P] = 1.0 / FRAME_STEP_S
        counted_N, spoken_N = (
            gaussian_filter1d(track_N, _TEMPO_FRAMES, mode="constant")
            for track_N in (syllables_N, self.is_plain_N.astype(np.float64))
        )
        return np.asarray(np.log(np.clip(counted_N / np.maximum(spoken_N, 0.05), 1.0, 12.0)))

    def score(self, phrase: EventPhrase, first: int, after: int) -> float:
        """How strongly an interval bears a phrase out; minus infinity where nothing can be told.

        Args:
            phrase: of the event.
            first: first frame of the interval.
            after: frame after its last.
        """
        if after <= first:
            return _NOT_HEARD
        if phrase == "pauses":
            return self._silence(first, after)
        if phrase in {"grows louder", "grows softer"}:
            return self._growth_db(first, after) * (1.0 if phrase == "grows louder" else -1.0)
        if phrase in {"raises the pitch", "lowers the pitch"}:
            return self._pitch_step(first, after) * (1.0 if phrase == "raises the pitch" else -1.0)
        if phrase in {"speaks faster", "speaks slower"}:
            return self._rate_step(first, after) * (1.0 if phrase == "speaks faster" else -1.0)
        return self._log_odds(STATES.index(phrase), first, after)

    def _silence(self, first: int, after: int) -> float:
        """Seconds, less where the silence is hardly softer than what is beside it."""
        level_db_N = self.analysis.frames.level_db_N
        beside_db_N = np.concatenate(
            [level_db_N[max(0, first - _BESIDE_FRAMES) : first], level_db_N[after : after + _BESIDE_FRAMES]]
        )
        if not len(beside_db_N) or self.analysis.activity.is_speech_N[first:after].mean() > 0.5:
            return _NOT_HEARD
        contrast_db = float(np.percentile(beside_db_N, 80) - np.percentile(level_db_N[first:after], 80))
        return (after - first) * FRAME_STEP_S * float(np.clip(contrast_db / _FULL_CONTRAST_DB, 0.0, 1.0))

    def _growth_db(self, first: int, after: int) -> float:
        """Of a line through the levels of the vowels, from the first to the last, less where it fits badly."""
        vowels = self.vowels_P[(self.vowels_P >= first) & (self.vowels_P < after)]
        if len(vowels) < _MIN_VOWELS:
            return 0.0
        level_db = self.analysis.frames.intensity_db_N[vowels]
        at, around_db = vowels - vowels.mean(), level_db - level_db.mean()
        slope = float(at @ around_db / (at @ at))
        fit = float((at @ around_db) ** 2 / max(float(at @ at) * float(around_db @ around_db), 1e-9))
        growth_db = slope * float(vowels[-1] - vowels[0]) * fit * len(vowels) / (len(vowels) + _FEW_VOWELS)
        return growth_db * (self._joint(first) + self._joint(after)) / 2

    def _pitch_step(self, first: int, after: int) -> float:
        """Median F0 against that of what came before, in semitones, less in noise and where there is little of it."""
        before = self._pitched_between(max(0, first - _PITCH_FRAMES), first)
        here = self._pitched_between(first, min(after, first + _PITCH_FRAMES))
        if min(len(before), len(here)) < _MIN_VOICED_FRAMES:
            return 0.0
        semitones = float(np.median(here) - np.median(before))
        if abs(semitones) > _MOST_SEMITONES:
            return 0.0
        fewest = min(len(before), len(here))
        quiet = (self.range_db[1] - self.range_db[0] - _NOISY_DB) / (_QUIET_DB - _NOISY_DB)
        return semitones * float(np.clip(quiet, 0.0, 1.0)) * self._joint(first) * fewest / (fewest + _FEW_VOICED_FRAMES)

    def _pitched_between(self, first: int, after: int) -> FloatArray:
        return self.semitones_N[first:after][self.has_pitch_N[first:after]]

    def _rate_step(self, first: int, after: int) -> float:
        """Logarithm of the rate against that of what came before; two measures whose errors have little in common."""
        begin, end = max(0, first - _RATE_FRAMES), min(after, first + _RATE_FRAMES)
        (before_hz, before), (here_hz, here) = self._rate(begin, first), self._rate(first, end)
        fewest = min(before, here)
        if not fewest:
            return 0.0
        steps = [float(np.log(here_hz / before_hz))]
        moved = [self._modulation_hz(begin, first), self._modulation_hz(first, end)]
        if moved[0] and moved[1]:
            steps.append(float(np.log(moved[1] / moved[0])))
        return float(np.mean(steps)) * self._joint(first) * fewest / (fewest + _FEW_SYLLABLES)

    def _joint(self, frame: int) -> float:
        """How deep the speech dips there, from 0 to 1: what changes does so between two phrases."""
        intensity_db_N = self.analysis.frames.intensity_db_N
        beside_db = np.percentile(intensity_db_N[max(0, frame - _BESIDE_FRAMES) : frame + _BESIDE_FRAMES], 80)
        dip_db = beside_db - intensity_db_N[max(0, frame - _JOINT_FRAMES) : frame + _JOINT_FRAMES].min()
        return float(np.clip(dip_db / _DEEP_DB, 0.0, 1.0))

    def _rate(self, first: int, after: int) -> tuple[float, int]:
        """Syllables per second of plain speech, and how many there are."""
        count = int(((self.syllables_P >= first) & (self.syllables_P < after)).sum())
        return count / max(float(self.is_plain_N[first:after].sum()) * FRAME_STEP_S, FRAME_STEP_S), count

    def _modulation_hz(self, first: int, after: int) -> float | None:
        is_here_N = np.zeros(self.analysis.num_frames, np.bool_)
        is_here_N[first:after] = True
        return modulation_hz(self.analysis.frames, is_here_N & self.is_plain_N)

    def _log_odds(self, state: int, first: int, after: int) -> float:
        """Of a voice against all others, in the mean over the speech of the interval."""
        moments = slice(first // MOMENT_FRAMES, -(-after // MOMENT_FRAMES))
        spoken_M = self.analysis.activity.is_speech_N[::MOMENT_FRAMES][moments]
        log_M = self.states_MS[moments, state][spoken_M]
        voiced_N = (self.analysis.frames.is_voiced_N & self.analysis.activity.is_speech_N)[first:after]
        if not len(log_M) or (STATES[state] == "whispers" and voiced_N.mean() > _MOST_VOICED_OF_WHISPER):
            return _NOT_HEARD
        return float(np.mean(log_M - np.log1p(-np.exp(np.minimum(log_M, -1e-6)))))
