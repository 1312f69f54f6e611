"""Writes captions from a `Profile` by templates: the second half of the cascaded baseline.

Enters: a profile and a random generator that chooses among paraphrases. Leaves: fine prose, or the
fields of a global caption. What has no class is passed over. The wording keeps the rules that
candidates are judged by: nothing absent, nothing but the voice.
"""

import hashlib

import numpy as np

from fcaps_pipeline.annotate.engines.cascade_profile import Course, Gender, Pauses, Pitch, Profile, Rate, Span, Volume
from fcaps_pipeline.records.captions import GlobalCaption

_NOUNS: dict[Gender, tuple[str, ...]] = {
    "female": ("woman", "female speaker", "female voice"),
    "male": ("man", "male speaker", "male voice"),
    "unknown": ("speaker", "voice"),
}
_PRONOUNS: dict[Gender, str] = {"female": "she", "male": "he", "unknown": "the speaker"}
_PITCHES: dict[Pitch, tuple[str, ...]] = {
    "low": ("in a low pitch", "in a low register", "at a deep pitch"),
    "medium": ("in a medium pitch", "in a middle register", "at an average pitch"),
    "high": ("in a high pitch", "in a high register", "at a high pitch"),
    "unknown": (),
}
_RATES: dict[Rate, tuple[str, ...]] = {
    "slow": ("at a slow pace", "at a slow speed", "with an unhurried tempo"),
    "measured": ("at a measured pace", "at a moderate speed", "with a measured tempo"),
    "fast": ("at a fast pace", "at a quick speed", "with a rapid tempo"),
    "unknown": (),
}
_VOLUMES: dict[Volume, tuple[str, ...]] = {
    "soft": ("at a soft volume", "at a low volume", "with quiet force"),
    "moderate": ("at a moderate volume", "at a medium volume", "with moderate force"),
    "loud": ("at a loud volume", "at a high volume", "with strong force"),
    "unknown": (),
}
_MELODIES: dict[Span, tuple[str, ...]] = {
    "narrow": ("The melody stays flat and close to one note", "The intonation moves within a narrow band"),
    "ordinary": ("The melody moves as in plain talk", "The intonation has an ordinary, natural shape"),
    "wide": ("The melody swings over a wide range", "The intonation leaps far between its peaks and valleys"),
    "unknown": ("The words follow one after the other", "The words are laid out one by one"),
}
_COURSES: dict[Course, tuple[str, ...]] = {
    "rising": ("while the pitch rises from start to end", "and the pitch climbs on the way to the last words"),
    "falling": ("while the pitch falls from start to end", "and the pitch drops on the way to the last words"),
    "steady": ("and from start to end it keeps its place", "and it holds its place from the first word to the last"),
    "unknown": ("from the first word to the last", "from start to end"),
}
_PAUSES: dict[Pauses, tuple[str, ...]] = {
    "none": ("{pronoun} runs from phrase to phrase in one continuous stream", "{pronoun} goes on in an unbroken flow"),
    "one short": ("{pronoun} makes a brief pause on the way", "{pronoun} pauses for a moment"),
    "one long": ("{pronoun} makes a long pause on the way", "{pronoun} pauses for a long moment"),
    "several": ("{pronoun} makes several pauses on the way", "{pronoun} pauses more than once"),
}
_VERBS = ("speaks", "talks")
_FINE_ENDINGS = (
    "The whole of it comes in that same manner.",
    "This is how the delivery sounds as a whole.",
)
_MELODY_PHRASES: dict[Span, tuple[str, ...]] = {
    "narrow": ("with a flat melody", "with a narrow intonation"),
    "wide": ("with a lively melody", "with a wide-ranging intonation"),
    "ordinary": (),
    "unknown": (),
}
_NOTHING_TO_TELL = "A speaker whose voice lies below what the measurements can place."
_MIN_FINE_CHARACTERS = 128
"""Shorter captions get one more sentence. Source: the rule filter released with FCaps."""


def templates_sha256() -> str:
    """Hash over all templates: other words are another model."""
    tables = (_NOUNS, _PRONOUNS, _PITCHES, _RATES, _VOLUMES, _MELODIES, _COURSES, _PAUSES, _VERBS, _FINE_ENDINGS)
    return hashlib.sha256(repr((*tables, _MELODY_PHRASES, _NOTHING_TO_TELL)).encode()).hexdigest()


def fine_caption(profile: Profile, rng: np.random.Generator) -> str:
    """Prose over time, 128 characters or more: who speaks and how, the melody, the pauses."""
    pronoun = _PRONOUNS[profile.gender]
    middle = f"{_pick(_MELODIES[profile.melody], rng)} {_pick(_COURSES[profile.course], rng)}"
    pauses = _capitalised(_pick(_PAUSES[profile.pauses], rng).format(pronoun=pronoun))
    sentences = [_opening(profile, rng), f"{middle}.", f"{pauses}."]
    text = " ".join(sentences)
    return text if len(text) >= _MIN_FINE_CHARACTERS else f"{text} {_pick(_FINE_ENDINGS, rng)}"


def global_caption(profile: Profile, rng: np.random.Generator) -> GlobalCaption:
    """Fields and prose; what cannot be measured is unknown."""
    manner = _manner(profile, rng, _MELODY_PHRASES[profile.melody])
    noun = _pick(_NOUNS[profile.gender], rng)
    relative = "that" if noun.endswith("voice") else "who"
    prose = f"A {noun} {relative} {_pick(_VERBS, rng)} {manner} on the whole." if manner else _NOTHING_TO_TELL
    return GlobalCaption(
        gender=profile.gender,
        age_group="unknown",
        pitch=profile.pitch,
        rate=profile.rate,
        volume=profile.volume,
        timbre="unknown",
        emotion="unknown",
        accent="unknown",
        caption=prose,
    )


def _opening(profile: Profile, rng: np.random.Generator) -> str:
    manner = _manner(profile, rng)
    noun, verb = _pick(_NOUNS[profile.gender], rng), _pick(_VERBS, rng)
    if not manner:
        return f"A {noun} {verb} in a plain manner."
    if rng.random() < 0.5:
        return f"A {noun} {verb} {manner}."
    return f"{_capitalised(manner)}, a {noun} {verb}."


def _manner(profile: Profile, rng: np.random.Generator, more: tuple[str, ...] = ()) -> str:
    """Pitch, rate and volume in any order, and what more there is; empty when nothing has a class."""
    choices = [
        options for options in (_PITCHES[profile.pitch], _RATES[profile.rate], _VOLUMES[profile.volume]) if options
    ]
    phrases = [_pick(choices[index], rng) for index in rng.permutation(len(choices))]
    phrases += [_pick(more, rng)] if more else []
    return " and ".join(filter(None, (", ".join(phrases[:-1]), *phrases[-1:])))


def _pick(choices: tuple[str, ...], rng: np.random.Generator) -> str:
    return choices[int(rng.integers(len(choices)))]


def _capitalised(text: str) -> str:
    return text[0].upper() + text[1:]
