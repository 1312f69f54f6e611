"""One turn: a speaker says several stretches one after the other and changes how, now and then.

Enters: a speaker, a number of stretches and a generator. Leaves: the stretches with their place, and
the timed events: each was asked of the synthesizer and is heard in the measurements.
"""

from collections import Counter
from dataclasses import dataclass, field, replace

import numpy as np

from fcaps_pipeline.attributes.event_phrases import EventPhrase
from fcaps_pipeline.audio.surroundings import Samples
from fcaps_pipeline.lab.synthesis import classes
from fcaps_pipeline.lab.synthesis.classes import VoiceQuality
from fcaps_pipeline.lab.synthesis.draws import log_uniform
from fcaps_pipeline.lab.synthesis.laughter import laugh
from fcaps_pipeline.lab.synthesis.sentences import draw_sentence
from fcaps_pipeline.lab.synthesis.speakers import Speaker
from fcaps_pipeline.lab.synthesis.stretch import Disagreement, DisagreementError, Stretch, Wanted, speak_stretch
from fcaps_pipeline.lab.synthesis.truth import Split
from fcaps_pipeline.records.audio import SAMPLE_RATE_HZ

_RATES_HZ = (2.7, 10.5)
_FIRST_RATES_HZ = (3.2, 8.0)
_RATE_FACTORS = (1.75, 2.2)
_PITCH_STEPS_SEMITONES = (4.0, 6.5)
_HIGHEST_LEVEL_DB = 10.0
_RAMPS_DB = (9.0, 16.0)
"""End against start; a third of it is lost between the middles of the first and the last third."""
_QUALITY_PHRASES: dict[VoiceQuality, EventPhrase] = {
    "whisper": "whispers",
    "breathy": "speaks in a breathy voice",
    "creaky": "speaks in a creaky voice",
}
_QUALITY_LEVELS_DB: dict[VoiceQuality, float] = {"modal": 0.0, "whisper": -4.0, "breathy": -2.0, "creaky": 0.0}
_PAUSES_S = (0.45, 1.4)
_JOINTS_S = (0.03, 0.15)
"""Gaps that nobody hears as a pause."""
_ATTEMPTS = 12
_CHANGE_SHARES = {"rate": 0.13, "pitch": 0.13, "whisper": 0.04, "breathy": 0.03, "creaky": 0.03}
_FIRST_QUALITY_SHARES: dict[VoiceQuality, float] = {"modal": 0.93, "whisper": 0.03, "breathy": 0.02, "creaky": 0.02}
_RAMP_SHARE, _PAUSE_SHARE, _LAUGH_SHARE, _SHORT_SHARE = 0.14, 0.25, 0.03, 0.15


@dataclass(frozen=True)
class Event:
    """Something that happens in a turn, in samples from the turn's start."""

    phrase: EventPhrase
    start_samples: int
    end_samples: int


@dataclass
class Turn:
    """What a speaker said without giving up the floor."""

    speaker: Speaker
    stretches: list[tuple[int, Stretch, Wanted]] = field(default_factory=list)
    """First sample, what came out, what was asked for."""
    laughter: list[tuple[int, Samples]] = field(default_factory=list)
    """First sample of every burst, and the burst; never after the last stretch."""
    events: list[Event] = field(default_factory=list)

    @property
    def num_samples(self) -> int:
        """Up to the end of the last stretch."""
        start, stretch, _ = self.stretches[-1]
        return start + len(stretch.audio_T)


def speak_turn(
    rng: np.random.Generator,
    speaker: Speaker,
    split: Split | None,
    *,
    num_stretches: int,
    longest_s: float,
    redrawn: Counter[Disagreement],
) -> Turn:
    """Speaks stretches until there are enough or the time is over.

    Args:
        rng: draws everything.
        speaker: who speaks.
        split: whose sentences; None for any.
        num_stretches: at most so many, at least one.
        longest_s: no stretch begins after this time.
        redrawn: counts the sentences that were thrown away, by reason.

    Raises:
        DependencyError: a synthesizer is missing.
        DisagreementError: sentence after sentence came out otherwise than asked.
    """
    turn = Turn(speaker)
    style = _first_style(rng, speaker)
    running: dict[str, tuple[EventPhrase, int]] = {}
    if style.quality != "modal":
        running["quality"] = (_QUALITY_PHRASES[style.quality], 0)
    for index in range(num_stretches):
        start = 0
        if index:
            gap = _draw_gap(rng, speaker, redrawn)
            start = turn.num_samples + gap.num_samples
            if start > longest_s * SAMPLE_RATE_HZ:
                break
            _leave_gap(turn, gap)
            changed, knob, phrase = _draw_change(rng, style, speaker)
            if knob is not None:
                _close(turn, running, knob)
                if phrase is not None:
                    running[knob] = (phrase, start)
            style = changed
        wanted, style = _draw_ramp(rng, style)
        expected = running.get("pitch", (None, -1))
        step = expected[0] if expected[1] == start else None
        stretch = _speak_until_heard(rng, turn, split, wanted, step, redrawn)
        turn.stretches.append((start, stretch, wanted))
        if wanted.ramp_db != 0.0:
            phrase = "grows louder" if wanted.ramp_db > 0 else "grows softer"
            turn.events.append(Event(phrase, start, turn.num_samples))
    for knob in tuple(running):
        _close(turn, running, knob)
    turn.events.sort(key=lambda event: (event.start_samples, event.end_samples, event.phrase))
    return turn


def _first_style(rng: np.random.Generator, speaker: Speaker) -> Wanted:
    qualities = tuple(_FIRST_QUALITY_SHARES)
    quality = qualities[int(rng.choice(len(qualities), p=tuple(_FIRST_QUALITY_SHARES.values())))]
    return Wanted(
        f0_hz=speaker.base_f0_hz,
        rate_hz=log_uniform(rng, *_FIRST_RATES_HZ),
        level_db=float(rng.uniform(-2.0, 2.0)) if quality == "modal" else _QUALITY_LEVELS_DB[quality],
        ramp_db=0.0,
        quality=quality,
    )


@dataclass(frozen=True)
class _Gap:
    """What lies between two stretches: a joint, a pause, or a laugh between two joints."""

    num_samples: int
    is_pause: bool = False
    joint: int = 0
    """Before the laughter."""
    laughter_T: Samples | None = None


def _draw_gap(rng: np.random.Generator, speaker: Speaker, redrawn: Counter[Disagreement]) -> _Gap:
    if rng.random() < _LAUGH_SHARE:
        before, after = (round(rng.uniform(*_JOINTS_S) * SAMPLE_RATE_HZ) for _ in range(2))
        try:
            laughter_T = laugh(speaker, rng)
        except DisagreementError as error:
            redrawn[error.reason] += 1
            return _Gap(before)
        return _Gap(before + len(laughter_T) + after, joint=before, laughter_T=laughter_T)
    is_pause = bool(rng.random() < _PAUSE_SHARE)
    seconds = rng.uniform(*(_PAUSES_S if is_pause else _JOINTS_S))
    return _Gap(round(seconds * SAMPLE_RATE_HZ), is_pause=is_pause)


def _leave_gap(turn: Turn, gap: _Gap) -> None:
    """Enters what the gap holds, after the last stretch."""
    end = turn.num_samples
    if gap.is_pause:
        turn.events.append(Event("pauses", end, end + gap.num_samples))
    if gap.laughter_T is not None:
        start = end + gap.joint
        turn.laughter.append((start, gap.laughter_T))
        turn.events.append(Event("laughs", start, start + len(gap.laughter_T)))


def _close(turn: Turn, running: dict[str, tuple[EventPhrase, int]], knob: str) -> None:
    """Ends what began with an earlier turn of the same knob."""
    if knob in running:
        phrase, start = running.pop(knob)
        turn.events.append(Event(phrase, start, turn.num_samples))


def _draw_change(
    rng: np.random.Generator, style: Wanted, speaker: Speaker
) -> tuple[Wanted, str | None, EventPhrase | None]:
    """The style of the next stretch, the knob that was turned, and what one would call it."""
    kind = rng.choice((*_CHANGE_SHARES, "none"), p=(*_CHANGE_SHARES.values(), 1 - sum(_CHANGE_SHARES.values())))
    if style.quality != "modal":
        return (style, None, None) if rng.random() < 0.5 else (_with_quality(style, "modal"), "quality", None)
    for quality, quality_phrase in _QUALITY_PHRASES.items():
        if kind == quality:
            return _with_quality(style, quality), "quality", quality_phrase
    if kind == "rate":
        rate_hz = _step(rng, style.rate_hz, float(rng.uniform(*_RATE_FACTORS)), _RATES_HZ)
        faster: EventPhrase = "speaks faster" if rate_hz > style.rate_hz else "speaks slower"
        return (style, None, None) if rate_hz == style.rate_hz else (replace(style, rate_hz=rate_hz), "rate", faster)
    if kind == "pitch":
        factor = 2 ** (float(rng.uniform(*_PITCH_STEPS_SEMITONES)) / 12)
        f0_hz = _step(rng, style.f0_hz, factor, speaker.f0_limits_hz)
        higher: EventPhrase = "raises the pitch" if f0_hz > style.f0_hz else "lowers the pitch"
        return (style, None, None) if f0_hz == style.f0_hz else (replace(style, f0_hz=f0_hz), "pitch", higher)
    return style, None, None


def _with_quality(style: Wanted, quality: VoiceQuality) -> Wanted:
    return replace(style, quality=quality, level_db=_QUALITY_LEVELS_DB[quality])


def _step(rng: np.random.Generator, value: float, factor: float, limits: tuple[float, float]) -> float:
    """Up or down by a factor, whichever stays within the limits; the same value where neither does."""
    choices = [moved for moved in (value * factor, value / factor) if limits[0] <= moved <= limits[1]]
    return choices[int(rng.integers(len(choices)))] if choices else value


def _draw_ramp(rng: np.random.Generator, style: Wanted) -> tuple[Wanted, Wanted]:
    """What is wanted of this stretch, and the style that goes on after it."""
    if rng.random() >= _RAMP_SHARE or style.quality != "modal":
        return style, style
    size = float(rng.uniform(*_RAMPS_DB))
    ramp_db = size if style.level_db <= 0 else -size
    if abs(style.level_db + ramp_db) > _HIGHEST_LEVEL_DB:
        ramp_db = float(np.sign(ramp_db)) * (_HIGHEST_LEVEL_DB - abs(style.level_db))
    if abs(ramp_db) < _RAMPS_DB[0]:
        return style, style
    after = replace(style, level_db=style.level_db + ramp_db)
    return replace(style, level_db=style.level_db + ramp_db / 2, ramp_db=ramp_db), after


def _speak_until_heard(
    rng: np.random.Generator,
    turn: Turn,
    split: Split | None,
    wanted: Wanted,
    step: EventPhrase | None,
    redrawn: Counter[Disagreement],
) -> Stretch:
    last: Disagreement = "unspeakable"
    for _ in range(_ATTEMPTS):
        # What changes within a stretch, and what is to be compared with it, needs some length.
        short = wanted.ramp_db == 0.0 and step is None and rng.random() < _SHORT_SHARE
        try:
            stretch = speak_stretch(turn.speaker, draw_sentence(rng, split, short=short), wanted, rng)
            _compare_pitch(turn, stretch, step)
        except DisagreementError as error:
            last = error.reason
            redrawn[last] += 1
            continue
        return stretch
    raise DisagreementError(last)


def _compare_pitch(turn: Turn, stretch: Stretch, step: EventPhrase | None) -> None:
    """A step must be heard against the last stretch that has a pitch, and nothing else may sound like one.

    Raises:
        DisagreementError: it is otherwise.
    """
    f0_hz = stretch.larynx.f0_median_hz
    before = [one.larynx.f0_median_hz for _, one, _ in turn.stretches if one.larynx.f0_median_hz is not None]
    if f0_hz is None or not before:
        return
    semitones = float(12 * np.log2(f0_hz / before[-1]))
    heard = classes.direction(semitones, classes.PITCH_CHANGE_SEMITONES)
    if heard != {None: "steady", "raises the pitch": "rising", "lowers the pitch": "falling"}[step]:
        raise DisagreementError("pitch")
