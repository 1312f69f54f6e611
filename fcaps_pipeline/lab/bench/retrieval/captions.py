"""Words the truth of a synthetic recording of one voice: fine captions over time, global ones without time.

Enters: a `RecordingTruth` of one turn and a generator that chooses among paraphrases. Leaves: captions that state
nothing but the truth; what lies near the border of two classes is passed over. Only the voice is described: like the
captions that the pipeline verifies, these leave out room, noise and line. Accent and age belong to the profile, changes
and pauses to the narrative, so that each granularity tells what the other does not.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from fcaps_pipeline.attributes.borders import PITCH_BORDERS_HZ
from fcaps_pipeline.attributes.event_phrases import EventPhrase
from fcaps_pipeline.lab.embedded import wordings
from fcaps_pipeline.lab.synthesis import classes
from fcaps_pipeline.lab.synthesis.classes import PausePlace, VoiceQuality
from fcaps_pipeline.lab.synthesis.recording_truth import EventTruth, RecordingTruth
from fcaps_pipeline.records.audio import Gender

_Happening = EventPhrase | Literal["stops whispering", "stops being breathy", "stops being creaky"]

_HEADS = {
    "pitch": ("in a {} pitch", "in a {} register", "in a {} tone"),
    "rate": ("at a {} pace", "with a {} tempo", "at a {} speed"),
    "volume": ("at a {} volume", "with a {} volume", "at a {} level"),
}
_CLAUSES: dict[_Happening, tuple[str, ...]] = {
    "speaks faster": ("speeds up", "becomes faster", "picks up pace", "accelerates"),
    "speaks slower": ("slows down", "becomes slower", "eases off the pace", "decelerates"),
    "grows louder": ("grows louder", "gains volume", "becomes louder", "swells"),
    "grows softer": ("grows softer", "loses volume", "becomes softer", "fades"),
    "raises the pitch": ("raises the pitch", "climbs in pitch", "moves higher in pitch", "rises in tone"),
    "lowers the pitch": ("lowers the pitch", "drops in pitch", "moves lower in pitch", "falls in tone"),
    "pauses": ("makes a {}pause", "takes a {}break", "comes to a {}pause"),
    "whispers": ("whispers", "drops to a whisper", "goes on in a whisper"),
    "stops whispering": ("stops whispering and speaks aloud", "leaves the whisper and speaks aloud"),
    "speaks in a breathy voice": ("turns breathy", "goes on in a breathy voice", "speaks with a breathy voice"),
    "stops being breathy": ("loses the breathiness", "leaves the breathy voice behind"),
    "speaks in a creaky voice": ("turns creaky", "goes on in a creaky voice", "speaks with a creaky voice"),
    "stops being creaky": ("loses the creak", "leaves the creaky voice behind"),
    "laughs": ("gives a laugh", "laughs", "breaks into laughter"),
}
_STATES: dict[EventPhrase, _Happening] = {
    "whispers": "stops whispering",
    "speaks in a breathy voice": "stops being breathy",
    "speaks in a creaky voice": "stops being creaky",
}
"""Events that are a state of the voice, and what ends them."""
_QUALITIES: dict[VoiceQuality, str] = {
    "whisper": "in a whisper",
    "breathy": "in a breathy voice",
    "creaky": "in a creaky voice",
}
_PLACES: dict[PausePlace, tuple[str, ...]] = {
    "beginning": ("early on", "near the beginning", "at the beginning"),
    "middle": ("midway", "in the middle", "around the halfway point"),
    "end": ("late on", "towards the end", "shortly before the close"),
}
_JOINS = ("{Pronoun} {clause}", "Then {pronoun} {clause}", "After that {pronoun} {clause}")
_AT_ONCE = ("At the same time {pronoun} {clause}",)
_BEGINNINGS = ("begins", "starts", "opens")
_BEGINNINGS_TO_SPEAK = ("begins to speak", "starts to talk", "begins")
_PROFILES = ("speaks {} overall", "talks {} on the whole", "speaks {} in general")
_ACCENTS = (
    "{Pronoun} has {a} {accent} accent.",
    "{Pronoun} speaks with {a} {accent} accent.",
    "The words carry {a} {accent} accent.",
)
_THROUGHOUT: dict[VoiceQuality, tuple[str, ...]] = {
    "whisper": ("{Pronoun} whispers all the way through.", "{Pronoun} speaks in a whisper throughout."),
    "breathy": ("The voice is breathy all the way through.", "{Pronoun} speaks in a breathy voice throughout."),
    "creaky": ("The voice is creaky all the way through.", "{Pronoun} speaks in a creaky voice throughout."),
}
_SHORT_PAUSE_S, _LONG_PAUSE_S = 0.7, 0.9
"""A pause between the two is neither brief nor long."""
_VERY_FACTOR, _VERY_LU = 1.25, 6.0
"""How far beyond its border a value is very low or very high: pitch and rate by a factor, loudness by a difference."""


class Trait(NamedTuple):
    """What a quantity is called."""

    word: str
    """Its class."""
    very: bool


class Manner(NamedTuple):
    """How a voice sounds; None near a border, and for the pitch of a whispered or creaky voice."""

    pitch: Trait | None
    rate: Trait | None
    volume: Trait | None


@dataclass(frozen=True)
class _Moment:
    """Something to tell, in the order of time."""

    what: _Happening
    start_s: float
    clause: str


def fine_captions(truth: RecordingTruth, rng: np.random.Generator, count: int) -> tuple[str, ...]:
    """Distinct narratives over time: how the voice begins, then every change and pause in order.

    Args:
        truth: of one turn of one speaker.
        rng: chooses the wordings.
        count: narratives.
    """
    return _distinct(lambda: _fine(truth, rng), count)


def global_captions(truth: RecordingTruth, rng: np.random.Generator, count: int) -> tuple[str, ...]:
    """Distinct profiles: gender, age, pitch, rate, volume, accent, as far as each is certain.

    Args:
        truth: of one turn of one speaker.
        rng: chooses the wordings.
        count: profiles.
    """
    return _distinct(lambda: _global(truth, rng), count)


def manner_at_first(truth: RecordingTruth) -> Manner:
    """Of the first stretch; a level that changes later is left out, since only the whole was measured."""
    first = truth.stretches[0]
    ramps = any(event.phrase in ("grows louder", "grows softer") for event in truth.events)
    return Manner(
        pitch=_pitch(first.f0_median_hz, truth.speakers[0].gender),
        rate=_rate(first.rate_hz),
        volume=None if ramps else _volume(truth),
    )


def manner_overall(truth: RecordingTruth) -> Manner:
    """Of the recording as a whole.

    Pitch is that of the mean F0 on a logarithmic scale, rate that of all syllables over all speech, each stretch
    counting by its length; volume is that of the loudness of the file.
    """
    lengths_N = np.array([stretch.end_s - stretch.start_s for stretch in truth.stretches])
    voiced = [(one.f0_median_hz, length) for one, length in zip(truth.stretches, lengths_N, strict=True)]
    heard = [(float(np.log(f0_hz)), length) for f0_hz, length in voiced if f0_hz is not None]
    mean = np.average([log_f0 for log_f0, _ in heard], weights=[length for _, length in heard]) if heard else None
    return Manner(
        pitch=_pitch(None if mean is None else float(np.exp(mean)), truth.speakers[0].gender),
        rate=_rate(float(np.average([stretch.rate_hz for stretch in truth.stretches], weights=lengths_N))),
        volume=_volume(truth),
    )


def _pitch(f0_hz: float | None, gender: Gender) -> Trait | None:
    if f0_hz is None:
        return None
    low_hz, high_hz = PITCH_BORDERS_HZ[gender]
    very = f0_hz < low_hz / _VERY_FACTOR or f0_hz > high_hz * _VERY_FACTOR
    return _trait(classes.pitch_class(f0_hz, gender), very=very)


def _rate(rate_hz: float) -> Trait | None:
    slow_hz, fast_hz = classes.RATE_BORDERS_HZ
    very = rate_hz < slow_hz / _VERY_FACTOR or rate_hz > fast_hz * _VERY_FACTOR
    return _trait(classes.rate_class(rate_hz), very=very)


def _volume(truth: RecordingTruth) -> Trait | None:
    soft_lufs, loud_lufs = classes.VOLUME_BORDERS_LUFS
    very = truth.loudness_lufs < soft_lufs - _VERY_LU or truth.loudness_lufs > loud_lufs + _VERY_LU
    return _trait(truth.volume, very=very)


def _trait(word: str | None, *, very: bool) -> Trait | None:
    return None if word is None else Trait(word, very)


def _global(truth: RecordingTruth, rng: np.random.Generator) -> str:
    (speaker,) = truth.speakers
    noun = _unmarked(_pick(wordings.GENDER_NOUNS[speaker.gender], rng))
    who = f"A {noun}" if speaker.age_group is None else f"An {speaker.age_group} {noun}"
    how = _in_words(manner_overall(truth), rng)
    sentences = [f"{who} {_pick(_PROFILES, rng).format(how)}." if how else f"{who} speaks."]
    pronoun = wordings.PRONOUNS[speaker.gender].capitalize()
    qualities = {stretch.voice_quality for stretch in truth.stretches}
    if len(qualities) == 1 and "modal" not in qualities:
        sentences.append(_pick(_THROUGHOUT[qualities.pop()], rng).format(Pronoun=pronoun))
    if speaker.accent is not None:
        article = "an" if speaker.accent[0] in "AEIOU" else "a"
        sentences.append(_pick(_ACCENTS, rng).format(Pronoun=pronoun, a=article, accent=speaker.accent))
    return " ".join(sentences)


def _fine(truth: RecordingTruth, rng: np.random.Generator) -> str:
    (speaker,) = truth.speakers
    sentences = [_opening(truth, rng)]
    pronoun = wordings.PRONOUNS[speaker.gender]
    before: float | None = None
    for moment in _moments(truth, rng):
        join = _pick(_AT_ONCE if moment.start_s == before else _JOINS, rng)
        sentences.append(join.format(pronoun=pronoun, Pronoun=pronoun.capitalize(), clause=moment.clause) + ".")
        before = moment.start_s
    if len(sentences) == 1:
        sentences.append(f"{pronoun.capitalize()} {_unmarked(_pick(wordings.STEADY, rng))}.")
    return " ".join(sentences)


def _opening(truth: RecordingTruth, rng: np.random.Generator) -> str:
    """How the voice begins."""
    noun = _unmarked(_pick(wordings.GENDER_NOUNS[truth.speakers[0].gender], rng))
    how = _in_words(manner_at_first(truth), rng, truth.stretches[0].voice_quality)
    if not how:
        return f"A {noun} begins to speak."
    if rng.random() < 0.5:
        return f"A {noun} {_pick(_BEGINNINGS, rng)} {how}."
    return f"{how[0].upper()}{how[1:]}, a {noun} {_pick(_BEGINNINGS_TO_SPEAK, rng)}."


def _in_words(manner: Manner, rng: np.random.Generator, quality: VoiceQuality = "modal") -> str:
    """The traits in any order: `in a low pitch, at a very fast pace and with a soft volume`."""
    words: dict[str, Mapping[Any, Sequence[str]]] = {
        "pitch": wordings.PITCHES,
        "rate": wordings.RATES,
        "volume": wordings.VOLUMES,
    }
    parts = [] if quality == "modal" else [_QUALITIES[quality]]
    for quantity, trait in manner._asdict().items():
        if trait is not None:
            word = _unmarked(_pick(words[quantity][trait.word], rng))
            part = _pick(_HEADS[quantity], rng).format(f"very {word}" if trait.very else word)
            parts.append(part.replace("a unhurried", "an unhurried"))
    ordered = [parts[index] for index in rng.permutation(len(parts))]
    return " and ".join(filter(None, (", ".join(ordered[:-1]), *ordered[-1:])))


def _moments(truth: RecordingTruth, rng: np.random.Generator) -> list[_Moment]:
    """Every event that the opening has not told, and the end of every state that is followed by speech."""
    ends = truth.stretches[-1].end_s
    moments = [
        _Moment(event.phrase, event.start_s, _clause(event, truth.duration_s, rng))
        for event in truth.events
        if event.phrase not in _STATES or event.start_s > truth.stretches[0].start_s
    ]
    for event in truth.events:
        # A pause stands between the state and what follows, so the next stretch tells when it is over.
        back_s = next((one.start_s for one in truth.stretches if one.start_s >= event.end_s), ends)
        if event.phrase in _STATES and back_s < ends:
            over = _STATES[event.phrase]
            moments.append(_Moment(over, back_s, _pick(_CLAUSES[over], rng)))
    return sorted(moments, key=lambda moment: moment.start_s)


def _clause(event: EventTruth, duration_s: float, rng: np.random.Generator) -> str:
    """A change has the place where it begins, a pause that of its middle."""
    clause, at_s = _pick(_CLAUSES[event.phrase], rng), event.start_s
    if event.phrase == "pauses":
        length_s = event.end_s - event.start_s
        size = "brief " if length_s < _SHORT_PAUSE_S else "long " if length_s > _LONG_PAUSE_S else ""
        clause, at_s = clause.format(size), event.start_s + length_s / 2
    place = classes.pause_place(at_s / duration_s)
    return clause if place is None else f"{clause} {_pick(_PLACES[place], rng)}"


def _distinct(draw: Callable[[], str], count: int) -> tuple[str, ...]:
    """As many different texts as asked for; fewer where the wordings give out."""
    texts: dict[str, None] = {}
    for _ in range(10 * count):
        if len(texts) == count:
            break
        texts[draw()] = None
    return tuple(texts)


def _pick(choices: Sequence[str], rng: np.random.Generator) -> str:
    return choices[int(rng.integers(len(choices)))]


def _unmarked(text: str) -> str:
    """Without the brackets around the words that carry a fact."""
    return text.replace("[", "").replace("]", "")
