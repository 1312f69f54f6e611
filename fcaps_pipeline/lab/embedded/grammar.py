"""Writes captions from the truth of a clip: fine prose over time, and the global JSON.

Enters: a `ClipTruth` and a random generator that chooses among paraphrases. Leaves: a
`MarkedText`, the text with the spans of the words that carry facts. The text keeps every rule
that the pipeline verifies captions by; the JSON is byte for byte what the decoding grammar permits.
"""

import re
from dataclasses import dataclass

import numpy as np

from fcaps_pipeline.lab.embedded import wordings
from fcaps_pipeline.lab.synthesis.truth import ClipTruth, SpeechTruth
from fcaps_pipeline.records.captions import GlobalCaption

MIN_FINE_CHARACTERS = 132


@dataclass(frozen=True)
class MarkedText:
    """An answer and the character spans `[start, end)` that carry facts."""

    text: str
    fact_spans: tuple[tuple[int, int], ...]


_OPENINGS = (
    "A {noun} with a {pitch} pitch speaks at a {rate} pace and a {volume} volume.",
    "In a {pitch} register, a {noun} talks with a {rate} tempo and at a {volume} level.",
    "The delivery of a {noun} begins at a {volume} level, {pitch} in pitch and {rate} in pace.",
    "At a {rate} pace and with {volume} force, a {noun} of {pitch} pitch starts to talk.",
    "A {noun} opens in a {pitch} tone, the pace {rate} and the volume {volume}.",
    "With a {volume} voice and a {rate} tempo, a {noun} begins in a {pitch} pitch.",
)
_WHISPER_OPENINGS = (
    "A {noun} with a [whispering] voice speaks at a {rate} pace and a {volume} volume.",
    "In a [whispering] voice, a {noun} talks with a {rate} tempo and at a {volume} level.",
    "The delivery of a {noun} begins at a {volume} level, [whispering] in manner and {rate} in pace.",
    "At a {rate} pace and with {volume} force, a {noun} of [whispering] voice starts to talk.",
    "A {noun} opens in a [whispering] tone, the pace {rate} and the volume {volume}.",
    "With a {volume} voice and a {rate} tempo, a {noun} begins in a [whispering] voice.",
)
"""Each begins as the opening of a voiced speaker does, so that the likelier of the two is told by one word alone."""
_GLOBAL_OPENINGS = (
    "A {noun} of {pitch} pitch, with a {rate} pace of speech and a {volume} volume overall.",
    "A {noun} who is {pitch} in pitch, {rate} in pace and {volume} in volume on the whole.",
    "A {noun} characterised by a {pitch} pitch, a {rate} tempo and a {volume} level of voice.",
    "A {noun} whose voice is {pitch} in tone, whose pace is {rate} and whose volume is {volume}.",
)
_GLOBAL_WHISPER_OPENINGS = (
    "A {noun} of [whispering] voice, with a {rate} pace of speech and a {volume} volume overall.",
    "A {noun} who is [whispering] in voice, {rate} in pace and {volume} in volume on the whole.",
    "A {noun} characterised by a [whispering] delivery, a {rate} tempo and a {volume} level of voice.",
    "A {noun} whose voice is [whispering] in tone, whose pace is {rate} and whose volume is {volume}.",
)
_JOINS = (
    "{Pronoun} {clause}",
    "Then {pronoun} {clause}",
    "From there {pronoun} {clause}",
    "After that {pronoun} {clause}",
)
_MARK = re.compile(r"\[([^\]]*)\]")


def fine_caption(truth: ClipTruth, rng: np.random.Generator) -> MarkedText:
    """Narrative over time, one paragraph of 128 to 600 characters for speech."""
    if truth.speech is None:
        return _strip_marks(_pick(wordings.NO_SPEECH_FINE, rng))
    sentences = [_describe(_OPENINGS, _WHISPER_OPENINGS, truth.speech, rng)]
    clauses = _course_clauses(truth.speech, rng)
    pause = _pause_clause(truth.speech, rng)
    clauses = [pause, *clauses] if rng.random() < 0.5 else [*clauses, pause]
    if len(clauses) == 2:
        clauses = [" and ".join(clauses)] if rng.random() < 0.5 else clauses
    for clause in clauses:
        pronoun = wordings.PRONOUNS[truth.speech.gender]
        join = _pick(_JOINS, rng)
        sentences.append(join.format(pronoun=pronoun, Pronoun=pronoun.capitalize(), clause=clause) + ".")
    if len(_strip_marks(" ".join(sentences)).text) < MIN_FINE_CHARACTERS:
        sentences.append(_pick(wordings.CLOSINGS, rng))
    return _strip_marks(" ".join(sentences))


def global_caption(truth: ClipTruth, rng: np.random.Generator) -> MarkedText:
    """Atemporal profile as compact JSON; what the truth lacks is `unknown`."""
    speech = truth.speech
    prose = (
        _pick(wordings.NO_SPEECH_GLOBAL, rng)
        if speech is None
        else _describe(_GLOBAL_OPENINGS, _GLOBAL_WHISPER_OPENINGS, speech, rng)
    )
    caption = GlobalCaption(
        gender="unknown" if speech is None else speech.gender,
        age_group="unknown",
        pitch="unknown" if speech is None or speech.pitch is None else speech.pitch,
        rate="unknown" if speech is None else speech.rate,
        volume="unknown" if speech is None else speech.volume,
        timbre="unknown",
        emotion="unknown",
        accent="unknown",
        caption=prose,
    )
    marked = caption.model_dump_json()
    for field in ("gender", "pitch", "rate", "volume"):
        value = getattr(caption, field)
        marked = marked.replace(f'"{field}":"{value}"', f'"{field}":"[{value}]"', 1)
    return _strip_marks(marked)


def _describe(
    openings: tuple[str, ...], whisper_openings: tuple[str, ...], speech: SpeechTruth, rng: np.random.Generator
) -> str:
    words = {
        "noun": _pick(wordings.GENDER_NOUNS[speech.gender], rng),
        "rate": _pick(wordings.RATES[speech.rate], rng),
        "volume": _pick(wordings.VOLUMES[speech.volume], rng),
    }
    if speech.pitch is None:
        openings = whisper_openings
    else:
        words["pitch"] = _pick(wordings.PITCHES[speech.pitch], rng)
    return _pick(openings, rng).format(**words).replace("a [unhurried]", "an [unhurried]")


def _course_clauses(speech: SpeechTruth, rng: np.random.Generator) -> list[str]:
    courses = {"loudness": speech.loudness, "pitch": speech.pitch_course, "rate": speech.rate_course}
    clauses = [
        f"[{_pick(wordings.CHANGING, rng)} {wordings.COMPARATIVES[quantity][course]}] "
        f"{_pick(wordings.CHANGE_ENDINGS, rng)}"
        for quantity, course in courses.items()
        if course != "steady"
    ]
    return clauses or [_pick(wordings.STEADY, rng)]


def _pause_clause(speech: SpeechTruth, rng: np.random.Generator) -> str:
    if not speech.pauses:
        return _pick(wordings.CONTINUOUS, rng)
    if len(speech.pauses) > 1:
        return _pick(wordings.SEVERAL_PAUSES, rng)
    return _pick(wordings.ONE_PAUSE[speech.pauses[0].place], rng)


def _pick(choices: tuple[str, ...], rng: np.random.Generator) -> str:
    return choices[int(rng.integers(len(choices)))]


def _strip_marks(marked: str) -> MarkedText:
    spans: list[tuple[int, int]] = []
    for removed, match in enumerate(_MARK.finditer(marked)):
        start = match.start() - 2 * removed
        spans.append((start, start + len(match[1])))
    return MarkedText(text=_MARK.sub(r"\1", marked), fact_spans=tuple(spans))
