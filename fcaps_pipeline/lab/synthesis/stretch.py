"""One stretch of speech: spoken as wanted, measured, and refused where the two disagree.

Enters: a speaker, a sentence and what is wanted of F0, rate, level and voice quality. Leaves: samples
at 16 kHz with what was measured in them and the times of the words.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from fcaps_pipeline.audio.surroundings import Samples
from fcaps_pipeline.lab.synthesis import classes, effects, measure
from fcaps_pipeline.lab.synthesis.cast import SYNTHESIZERS
from fcaps_pipeline.lab.synthesis.classes import VoiceQuality
from fcaps_pipeline.lab.synthesis.qualities import breathe, creak, whisper
from fcaps_pipeline.lab.synthesis.speakers import Speaker
from fcaps_pipeline.lab.synthesis.speaking import Knobs, PhraseError, SpokenPhrase, SpokenWord
from fcaps_pipeline.records.audio import SAMPLE_RATE_HZ

Disagreement = Literal["unspeakable", "rate", "pitch", "voicing", "quality", "laughter", "level"]

RATE_TOLERANCE = 0.085
"""Largest distance of the natural logarithms of measured and wanted rate; a steady rate stays below 1.2."""
PITCH_TOLERANCE_SEMITONES = 2.0
_MOST_VOICED_OF_WHISPER = 0.05
_NEUTRAL_RATE_HZ = {"espeak": 5.45, "flite": 4.6, "festival": 4.6}
"""Syllables per second with an unturned tempo knob; a first guess, corrected by what was heard."""
_TRIES_OF_TEMPO = 3
REFERENCE_DB = -26.0
"""Speech level of what is spoken neither loudly nor softly."""


class DisagreementError(Exception):
    """Knob and measurement differ in one respect; another sentence may do."""

    def __init__(self, reason: Disagreement) -> None:
        super().__init__(reason)
        self.reason: Disagreement = reason


@dataclass(frozen=True)
class Wanted:
    """The knobs of one stretch."""

    f0_hz: float
    rate_hz: float
    """Syllables per second of speech."""
    level_db: float
    """Against the other stretches of the recording."""
    ramp_db: float
    """Level of the end against the start; 0 for none."""
    quality: VoiceQuality


@dataclass(frozen=True)
class Larynx:
    """What was measured of the voice; None where the voice quality has no such value."""

    f0_median_hz: float | None = None
    """Of a modal or breathy voice."""
    hnr_db: float | None = None
    """Harmonics-to-noise ratio of a breathy voice."""
    pulse_rate_hz: float | None = None
    """Glottal pulses per second of a creaky voice, which come too irregularly to have a pitch."""
    jitter: float | None = None
    """Mean change from one period of a creaky voice to the next, as a share of a period."""


@dataclass(frozen=True)
class Stretch:
    """What came out, at 16 kHz; times count from its first sample."""

    text: str
    audio_T: Samples
    larynx: Larynx
    rate_hz: float
    level_db: float
    """Speech level in dB relative to full scale."""
    level_change_db: float
    """Last third against the first."""
    words: tuple[SpokenWord, ...] | None


def speak_stretch(speaker: Speaker, text: str, wanted: Wanted, rng: np.random.Generator) -> Stretch:
    """Speaks a sentence and measures it.

    Args:
        speaker: who speaks.
        text: one sentence without punctuation inside.
        wanted: what is asked for.
        rng: draws the noise of a whisper or a breathy voice, and the pulses of a creak.

    Raises:
        DependencyError: a synthesizer is missing.
        DisagreementError: the measurement contradicts what is wanted.
    """
    spoken, rate_hz = _speak_at_rate(speaker, text, wanted)
    audio_T = effects.to_16_khz(spoken.audio_T, spoken.rate_hz, speaker.formant_scale)
    start, end = effects.heard_range(audio_T)
    audio_T = audio_T[start:end]
    audio_T, larynx = _voice(audio_T, wanted, rng)
    audio_T = audio_T * 10 ** ((REFERENCE_DB + wanted.level_db - measure.speech_level_db(audio_T)) / 20)
    if wanted.ramp_db != 0.0:
        audio_T = audio_T * 10 ** (wanted.ramp_db * np.linspace(-0.5, 0.5, len(audio_T)) / 20)
    return Stretch(
        text=text,
        audio_T=audio_T,
        larynx=larynx,
        rate_hz=rate_hz,
        level_db=measure.speech_level_db(audio_T),
        level_change_db=_check_level(audio_T, wanted),
        words=_move_words(spoken.words, speaker.formant_scale, start / SAMPLE_RATE_HZ, len(audio_T) / SAMPLE_RATE_HZ),
    )


def _speak_at_rate(speaker: Speaker, text: str, wanted: Wanted) -> tuple[SpokenPhrase, float]:
    """Turns the tempo until the synthesizer's own timing gives the wanted rate."""
    tempo = wanted.rate_hz / _NEUTRAL_RATE_HZ[speaker.voice.synthesizer] / speaker.formant_scale
    pitch, rate_hz = speaker.pitch_knob(wanted.f0_hz), wanted.rate_hz / speaker.formant_scale
    if speaker.voice.synthesizer == "espeak" and not 0.0 <= pitch <= 1.0:
        raise DisagreementError("pitch")
    for _ in range(_TRIES_OF_TEMPO):
        try:
            knobs = Knobs(pitch=pitch, pitch_range=speaker.pitch_range, tempo=tempo, rate_hz=rate_hz)
            spoken = SYNTHESIZERS[speaker.voice.synthesizer](speaker.voice.name, text, knobs)
        except PhraseError as error:
            raise DisagreementError("unspeakable") from error
        if spoken.num_syllables == 0 or spoken.speech_s <= 0.0:
            raise DisagreementError("unspeakable")
        measured_hz = spoken.num_syllables / spoken.speech_s * speaker.formant_scale
        if abs(np.log(measured_hz / wanted.rate_hz)) <= RATE_TOLERANCE:
            return spoken, measured_hz
        tempo *= wanted.rate_hz / measured_hz
    raise DisagreementError("rate")


def _voice(modal_T: Samples, wanted: Wanted, rng: np.random.Generator) -> tuple[Samples, Larynx]:
    """Gives a modal phrase the wanted voice quality, and makes sure that it is heard."""
    if wanted.quality == "whisper":
        whispered_T = whisper(modal_T, rng)
        if np.mean(measure.coarse_f0_track_hz(whispered_T) > 0) > _MOST_VOICED_OF_WHISPER:
            raise DisagreementError("voicing")
        return whispered_T, Larynx()
    if wanted.quality == "creaky":
        creaky_T = creak(modal_T, rng)
        return creaky_T, _check_creak(creaky_T)
    audio_T = breathe(modal_T, rng) if wanted.quality == "breathy" else modal_T
    f0_hz = _check_pitch(audio_T, wanted.f0_hz)
    return audio_T, Larynx(f0_hz, None if audio_T is modal_T else _check_breath(modal_T, audio_T))


def _check_pitch(audio_T: Samples, wanted_hz: float) -> float:
    f0_hz = measure.median_f0_hz(measure.coarse_f0_track_hz(audio_T))
    if f0_hz is None:
        raise DisagreementError("voicing")
    if abs(12 * np.log2(f0_hz / wanted_hz)) > PITCH_TOLERANCE_SEMITONES:
        raise DisagreementError("pitch")
    return f0_hz


def _check_breath(modal_T: Samples, breathy_T: Samples) -> float:
    before_db, hnr_db = measure.hnr_db(modal_T), measure.hnr_db(breathy_T)
    if before_db is None or hnr_db is None:
        raise DisagreementError("voicing")
    if hnr_db > min(classes.BREATHY_HNR_DB, before_db - classes.BREATHY_HNR_FALL_DB):
        raise DisagreementError("quality")
    return hnr_db


def _check_creak(creaky_T: Samples) -> Larynx:
    measured = measure.pulse_rate_and_jitter(creaky_T)
    if measured is None:
        raise DisagreementError("voicing")
    pulse_rate_hz, jitter = measured
    if pulse_rate_hz > classes.CREAKY_HZ or jitter < classes.CREAKY_JITTER:
        raise DisagreementError("quality")
    return Larynx(pulse_rate_hz=pulse_rate_hz, jitter=jitter)


def _check_level(audio_T: Samples, wanted: Wanted) -> float:
    if len(audio_T) < SAMPLE_RATE_HZ // 4:
        raise DisagreementError("unspeakable")
    change_db = measure.level_change_db(audio_T)
    if wanted.ramp_db == 0.0:
        agrees = abs(change_db) < classes.LOUDNESS_CHANGE_DB[1]
    else:
        agrees = change_db * np.sign(wanted.ramp_db) >= classes.LOUDNESS_CHANGE_DB[1]
    if not agrees:
        raise DisagreementError("level")
    return change_db


def _move_words(
    words: tuple[SpokenWord, ...] | None, formant_scale: float, cut_s: float, duration_s: float
) -> tuple[SpokenWord, ...] | None:
    """Times in the finished stretch: scaled frequencies shorten time, and silence was cut off."""
    if words is None:
        return None

    def moved(time_s: float) -> float:
        return min(max(time_s / formant_scale - cut_s, 0.0), duration_s)

    return tuple(SpokenWord(text=w.text, start_s=moved(w.start_s), end_s=moved(w.end_s)) for w in words)
