"""Draws what a clip is to be before anything is synthesized.

Enters: a random generator and a split. Leaves: a `SpeechPlan`, wholly determined by the generator's
state. Whether the synthesizers keep to it is measured afterwards (`clip`).
"""

from collections.abc import Callable
from typing import Literal

import numpy as np

from fcaps_pipeline.audio.surroundings import NOISE_KINDS, NoiseKind
from fcaps_pipeline.lab.synthesis.cast import Cast
from fcaps_pipeline.lab.synthesis.classes import VolumeClass
from fcaps_pipeline.lab.synthesis.draws import FORMANT_SCALES, log_uniform
from fcaps_pipeline.lab.synthesis.truth import Split
from fcaps_pipeline.lab.synthesis.voices import Voice
from fcaps_pipeline.records.audio import Gender
from fcaps_pipeline.records.base import Record

Change = Literal["none", "loudness", "pitch", "rate"]

_VOLUMES_LUFS: dict[VolumeClass, tuple[float, float]] = {
    "soft": (-43.0, -31.5),
    "moderate": (-28.5, -21.5),
    "loud": (-18.5, -12.5),
}
_MOVED_F0_HZ: dict[Gender, tuple[float, float]] = {"male": (75.0, 178.0), "female": (125.0, 290.0)}
_CHANGES: tuple[Change, ...] = ("none", "loudness", "pitch", "rate")
_CHANGE_SHARES = (0.40, 0.22, 0.19, 0.19)
_WHISPER_SHARE = 0.1
"""Of clips whose pitch does not change."""


class PhrasePlan(Record):
    """One stretch of speech and the silence after it."""

    text: str
    """A sentence, or the name of a recorded phrase."""
    pitch_offset: float
    """Added to the pitch knob of the clip."""
    tempo_factor: float
    """Multiplies the tempo of the clip."""
    jitter_db: float
    gap_s: float
    """Silence after the phrase; 0 after the last."""


class SpeechPlan(Record):
    """Everything about a clip with speech."""

    split: Split
    voice: Voice
    whispered: bool
    natural: bool
    """Whether recorded phrases keep their pitch and tempo."""
    formant_scale: float
    moved_f0_hz: float | None
    """Median F0 to which praat moves the phrases, None to leave them."""
    pitch: float
    pitch_range: float
    tempo: float
    change: Change
    phrases: tuple[PhrasePlan, ...]
    ramp_db: float
    """Level of the end against the start; 0 for none."""
    stepwise: bool
    """Whether the level changes between phrases rather than steadily."""
    loudness_lufs: float
    spectral_tilt_db: float
    """Per octave."""
    telephone: bool
    reverberation_s: float | None
    wet: float
    noise: NoiseKind | None
    snr_db: float
    lead_s: float
    tail_s: float


def draw_plan(rng: np.random.Generator, split: Split, cast: Cast) -> SpeechPlan:
    """One clip of 1 to 4 phrases, in one of 40 cases of 6 to 9."""
    gender: Gender = "female" if rng.random() < 0.5 else "male"
    voice = cast.draw_voice(rng, split, gender)
    change = _CHANGES[int(rng.choice(len(_CHANGES), p=_CHANGE_SHARES))]
    recorded = voice.synthesizer == "recorded"
    whispered = change != "pitch" and bool(rng.random() < _WHISPER_SHARE)
    own_f0 = recorded or whispered or (voice.synthesizer == "espeak" and rng.random() < 0.65)
    natural = recorded and change in ("none", "loudness") and rng.random() < 0.6
    # Nobody whispers at the top of the voice.
    volume = tuple(_VOLUMES_LUFS)[int(rng.integers(2 if whispered else 3))]
    ramp_db = rng.uniform(8.0, 20.0) * rng.choice((-1.0, 1.0)) if change == "loudness" else 0.0
    return SpeechPlan(
        split=split,
        voice=voice,
        whispered=whispered,
        natural=natural,
        formant_scale=1.0 if natural else float(rng.uniform(*FORMANT_SCALES[gender])),
        moved_f0_hz=None if own_f0 else log_uniform(rng, *_MOVED_F0_HZ[gender]),
        pitch=float(rng.uniform(0.15, 0.85)),
        pitch_range=float(rng.uniform(0.15, 0.9)),
        tempo=log_uniform(rng, 0.5, 1.45),
        change=change,
        phrases=_draw_phrases(rng, change, lambda: cast.draw_text(rng, voice, split, long=change == "rate")),
        ramp_db=float(ramp_db),
        stepwise=bool(rng.random() < 0.3),
        loudness_lufs=float(rng.uniform(*_VOLUMES_LUFS[volume])),
        spectral_tilt_db=float(rng.uniform(-5.0, 3.0)) if rng.random() < 0.6 else 0.0,
        telephone=bool(rng.random() < 0.05),
        reverberation_s=log_uniform(rng, 0.1, 0.9) if rng.random() < 0.4 else None,
        wet=log_uniform(rng, 0.02, 0.6),
        noise=NOISE_KINDS[int(rng.integers(len(NOISE_KINDS)))] if rng.random() < 0.5 else None,
        snr_db=float(rng.uniform(10.0, 45.0)),
        lead_s=_draw_padding(rng),
        tail_s=_draw_padding(rng),
    )


def _draw_phrases(rng: np.random.Generator, change: Change, draw_text: Callable[[], str]) -> tuple[PhrasePlan, ...]:
    fewest = 2 if change in ("pitch", "rate") else 1
    long = rng.random() < 0.025
    num_phrases = int(rng.integers(6, 10)) if long else int(rng.choice((1, 2, 3, 4), p=(0.3, 0.42, 0.22, 0.06)))
    num_phrases = max(fewest, num_phrases)
    rising = rng.random() < 0.5
    pitch_span = rng.uniform(0.3, 0.55) if change == "pitch" else 0.0
    tempo_span = rng.uniform(np.log(1.7), np.log(2.5)) if change == "rate" else 0.0
    gaps = _draw_gaps(rng, num_phrases)
    phrases = []
    for index in range(num_phrases):
        # Two phrases jump, more glide; the first and the last differ by the whole span.
        progress = index / max(1, num_phrases - 1) - 0.5
        progress = progress if rising else -progress
        phrases.append(
            PhrasePlan(
                text=draw_text(),
                pitch_offset=float(pitch_span * progress),
                tempo_factor=float(np.exp(tempo_span * progress)),
                jitter_db=float(rng.uniform(-1.0, 1.0)),
                gap_s=gaps[index],
            )
        )
    return tuple(phrases)


def _draw_gaps(rng: np.random.Generator, num_phrases: int) -> list[float]:
    """Gaps too short to hear, and in about half of the clips one or two pauses."""
    gaps = [float(rng.uniform(0.0, 0.08)) for _ in range(num_phrases)]
    inner = num_phrases - 1
    if inner > 0 and rng.random() < 0.6:
        count = min(inner, 1 if rng.random() < 0.75 else 2)
        for index in rng.choice(inner, size=count, replace=False):
            gaps[int(index)] = float(rng.uniform(0.45, 1.3))
    gaps[-1] = 0.0
    return gaps


def _draw_padding(rng: np.random.Generator) -> float:
    return float(rng.uniform(0.3, 0.8) if rng.random() < 0.1 else rng.uniform(0.05, 0.25))
