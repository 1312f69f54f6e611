"""A burst of laughter-like sound: one syllable of a speaker again and again, falling in pitch and level.

Enters: a speaker and a generator. Leaves: samples at 16 kHz in which as many bursts were counted as were made.
"""

import numpy as np
from scipy import signal

from fcaps_pipeline.audio.surroundings import Samples
from fcaps_pipeline.lab.synthesis import effects, measure
from fcaps_pipeline.lab.synthesis.cast import SYNTHESIZERS
from fcaps_pipeline.lab.synthesis.qualities import whisper
from fcaps_pipeline.lab.synthesis.speakers import Speaker
from fcaps_pipeline.lab.synthesis.speaking import Knobs, PhraseError
from fcaps_pipeline.lab.synthesis.stretch import REFERENCE_DB, DisagreementError
from fcaps_pipeline.records.audio import SAMPLE_RATE_HZ

_SYLLABLES = ("ha", "huh", "hee")
_NUM_BURSTS = (4, 9)
_BURSTS_HZ = (4.2, 6.0)
"""Bursts per second; Source: Bachorowski, Smoski and Owren 2001, about 4.4 calls per second."""
_VOICED_SHARE = 0.5
"""Of a burst's period; the rest is breath."""
_HIGHER_SEMITONES = (2.0, 6.0)
"""Laughter begins above the pitch of speech, and falls by as much."""
_FALL_DB = (3.0, 9.0)
"""From the first burst to the last."""
_BREATH_DB = -14.0
_CLEAR_DIP_DB = 6.0
_FRAME_S = 0.01


def laugh(speaker: Speaker, rng: np.random.Generator) -> Samples:
    """A burst of 4 to 8 laughter-like syllables, at the level of the speaker's plain speech.

    Raises:
        DependencyError: a synthesizer is missing.
        DisagreementError: the bursts cannot be told apart in what came out.
    """
    num_bursts, bursts_hz = int(rng.integers(*_NUM_BURSTS)), rng.uniform(*_BURSTS_HZ)
    higher = rng.uniform(*_HIGHER_SEMITONES)
    voiced_T = _syllable(speaker, rng, higher)
    period = round(SAMPLE_RATE_HZ / bursts_hz)
    fall_db = rng.uniform(*_FALL_DB)
    laughter_T = np.zeros(num_bursts * period)
    for index in range(num_bursts):
        progress = index / (num_bursts - 1)
        voice_T = _burst(voiced_T, 2 ** (-higher * progress / 12), round(period * _VOICED_SHARE))
        level = 10 ** (-fall_db * progress / 20)
        start = index * period
        laughter_T[start : start + len(voice_T)] += level * voice_T
    laughter_T += _breath(laughter_T, rng)
    if _count_bursts(laughter_T) != num_bursts:
        raise DisagreementError("laughter")
    return laughter_T * 10 ** ((REFERENCE_DB - measure.speech_level_db(laughter_T)) / 20)


def _syllable(speaker: Speaker, rng: np.random.Generator, higher_semitones: float) -> Samples:
    """The loudest part of one syllable, above the pitch of the speaker's speech."""
    text = _SYLLABLES[int(rng.integers(len(_SYLLABLES)))]
    lowest_hz, highest_hz = speaker.f0_limits_hz
    f0_hz = float(np.clip(speaker.base_f0_hz * 2 ** (higher_semitones / 12), lowest_hz, highest_hz))
    knobs = Knobs(pitch=speaker.pitch_knob(f0_hz), pitch_range=0.5, tempo=1.0)
    try:
        spoken = SYNTHESIZERS[speaker.voice.synthesizer](speaker.voice.name, text, knobs)
    except PhraseError as error:
        raise DisagreementError("laughter") from error
    audio_T = effects.trim(effects.to_16_khz(spoken.audio_T, spoken.rate_hz, speaker.formant_scale))
    if len(audio_T) < SAMPLE_RATE_HZ // 20:
        raise DisagreementError("laughter")
    return audio_T


def _burst(audio_T: Samples, factor: float, length: int) -> Samples:
    """The syllable with all frequencies multiplied, cut to a length around its loudest place."""
    moved_T = effects.to_16_khz(audio_T, SAMPLE_RATE_HZ, factor)
    energy = np.cumsum(moved_T**2)
    middle = int(np.searchsorted(energy, energy[-1] / 2))
    first = max(0, min(middle - length // 2, len(moved_T) - length))
    cut_T = moved_T[first : first + length]
    return np.asarray(cut_T * signal.windows.tukey(len(cut_T), 0.6), dtype=np.float64)


def _breath(laughter_T: Samples, rng: np.random.Generator) -> Samples:
    """What is breathed out between and under the bursts."""
    breath_T = whisper(laughter_T, rng)
    level_db = measure.speech_level_db(laughter_T) + _BREATH_DB
    return breath_T * 10 ** ((level_db - measure.speech_level_db(breath_T)) / 20)


def _count_bursts(audio_T: Samples) -> int:
    """Peaks of the level that stand clear of the dips beside them."""
    frame = round(_FRAME_S * SAMPLE_RATE_HZ)
    frames = audio_T[: len(audio_T) // frame * frame].reshape(-1, frame)
    level_db = 10 * np.log10(np.convolve(np.mean(frames**2, axis=1), np.ones(3) / 3, mode="same") + 1e-9)
    padded_db = np.pad(level_db, 1, constant_values=-90.0)
    return len(signal.find_peaks(padded_db, prominence=_CLEAR_DIP_DB)[0])
