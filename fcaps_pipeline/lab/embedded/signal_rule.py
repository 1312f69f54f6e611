"""What simple signal processing says of a clip: the rule beside every figure of the captioner.

Enters: samples of a finished clip, with its noise and room. Leaves: the same `ReadFacts` as a caption. Each rule
is one threshold on one measurement, half-way between the borders that the truth of the corpus keeps to.
"""

import itertools
import math

import numpy as np
import numpy.typing as npt

from fcaps_pipeline.annotate.acoustics.activity import Activity, find_activity
from fcaps_pipeline.annotate.acoustics.frames import FRAME_STEP_S, Frames, make_frames
from fcaps_pipeline.attributes.borders import PITCH_BORDERS_HZ
from fcaps_pipeline.lab.embedded.caption_facts import ReadFacts
from fcaps_pipeline.lab.synthesis import classes, measure
from fcaps_pipeline.records.audio import Gender

GENDER_BORDER_HZ = 165.0
"""Median F0 above which the rule says female."""
_WHISPER_VOICED_SHARE = 0.1
"""Share of the speech that is voiced, below which it is a whisper."""
_LOUDNESS_DB = sum(classes.LOUDNESS_CHANGE_DB) / 2
_PITCH_SEMITONES = sum(classes.PITCH_CHANGE_SEMITONES) / 2
_RATE_RATIO = math.sqrt(math.prod(classes.RATE_CHANGE_RATIO))
_PAUSE_S = sum(classes.PAUSE_S) / 2


def read_signal(audio_T: npt.NDArray[np.float32]) -> ReadFacts:
    """Facts by rule; every clip counts as speech.

    Args:
        audio_T: at 16 kHz.
    """
    pcm_T = np.clip(np.rint(audio_T * 32768.0), -32768, 32767).astype(np.int16)
    frames = make_frames(pcm_T)
    if frames is None:
        return ReadFacts(speech=True)
    activity = find_activity(frames)
    f0_hz = measure.median_f0_hz(frames.f0_hz_N)
    gender: Gender | None = None if f0_hz is None else "female" if f0_hz > GENDER_BORDER_HZ else "male"
    return ReadFacts(
        speech=True,
        gender=gender,
        voice_quality=_voice_quality(frames, activity),
        pitch=None if f0_hz is None or gender is None else _class(f0_hz, PITCH_BORDERS_HZ[gender], _PITCHES),
        rate=_class(_rate_hz(activity), classes.RATE_BORDERS_HZ, _RATES),
        volume=_class(measure.rms_db(audio_T.astype(np.float64)), classes.VOLUME_BORDERS_LUFS, _VOLUMES),
        loudness=_direction(measure.level_change_db(audio_T.astype(np.float64)), _LOUDNESS_DB),
        pitch_course=_direction(measure.pitch_change_semitones(frames.f0_hz_N) or 0.0, _PITCH_SEMITONES),
        rate_course=_direction(_log_rate_change(pcm_T), math.log(_RATE_RATIO)),
        pauses=_pauses(activity),
    )


_PITCHES = ("low", "medium", "high")
_RATES = ("slow", "measured", "fast")
_VOLUMES = ("soft", "moderate", "loud")


def _class(value: float, borders: tuple[float, float], words: tuple[str, str, str]) -> str:
    return words[int(np.searchsorted(borders, value))]


def _direction(change: float, border: float) -> str:
    if abs(change) <= border:
        return "steady"
    return "rising" if change > 0 else "falling"


def _voice_quality(frames: Frames, activity: Activity) -> str:
    spoken = int(activity.is_speech_N.sum())
    voiced = int((frames.is_voiced_N & activity.is_speech_N).sum())
    return "whisper" if voiced <= _WHISPER_VOICED_SHARE * spoken else "modal"


def _rate_hz(activity: Activity) -> float:
    return activity.num_syllables / activity.speech_s if activity.speech_s else 0.0


def _log_rate_change(pcm_T: npt.NDArray[np.int16]) -> float:
    """Logarithm of the rate of the second half over that of the first; 0 where a half has no syllable."""
    rates = []
    for half_T in np.array_split(pcm_T, 2):
        frames = make_frames(half_T)
        rates.append(0.0 if frames is None else _rate_hz(find_activity(frames)))
    return math.log(rates[1] / rates[0]) if min(rates) > 0 else 0.0


def _pauses(activity: Activity) -> str:
    """`none`, `several`, or the third of the clip that holds the middle of the only pause."""
    spoken = np.flatnonzero(activity.is_speech_N)
    centres = [
        (before + after) / 2 / len(activity.is_speech_N)
        for before, after in itertools.pairwise(spoken)
        if (after - before) * FRAME_STEP_S >= _PAUSE_S
    ]
    if len(centres) != 1:
        return "several" if centres else "none"
    return ("beginning", "middle", "end")[min(2, int(3 * centres[0]))]
