"""Claims about clips of known truth, and what the captioner is to answer when asked whether one is so.

Enters: truths. Leaves: sentences of `attributes.statements` with `yes`, `no` or `cannot tell`, drawn so that over
a corpus every sentence is as often true as false: whoever does not listen has no reason to prefer either.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from fcaps_pipeline.attributes import trait_words
from fcaps_pipeline.attributes.lexicon import SCALE_VALUES
from fcaps_pipeline.attributes.stated import Direction, Place
from fcaps_pipeline.attributes.statements import COURSE_PHRASES, statement
from fcaps_pipeline.lab.synthesis.classes import pause_place
from fcaps_pipeline.lab.synthesis.truth import ClipTruth, SpeechTruth
from fcaps_pipeline.records.audio import SAMPLE_RATE_HZ

Answer = Literal["yes", "no", "cannot tell"]
YES, NO, CANNOT_TELL = ANSWERS = get_args(Answer)
COURSES = {"loudness_course": "loudness", "pitch_course": "pitch_course", "rate_course": "rate_course"}
"""Fields of the truth by attribute."""
_DIRECTIONS: tuple[Direction, ...] = get_args(Direction)
_PLACES: tuple[Place, ...] = get_args(Place)
_LONGEST_LEAD_S = 0.8
"""Silence before the first word of a clip."""
_UNTOLD_SHARE = 0.1
"""Of the claims about speech, those that no truth decides."""


@dataclass(frozen=True)
class JudgedClaim:
    """A sentence, and whether it is so."""

    attribute: str
    value: str
    place: Place | None
    answer: Answer

    @property
    def sentence(self) -> str:
        """What is asked about."""
        return _sentence(self.attribute, self.value, self.place)


@cache
def _sentence(attribute: str, value: str, place: Place | None) -> str:
    return statement(attribute, value, place)


def judged_claims(speech: SpeechTruth, clip_s: float) -> tuple[JudgedClaim, ...]:
    """Every claim that the truth decides, and those about the pitch of a whisper, which nobody can tell.

    Args:
        speech: what is true.
        clip_s: length of the clip.
    """
    return (
        *_classes(speech),
        *(claim for attribute in COURSES for claim in _courses(attribute, speech, clip_s)),
        *_pauses(speech),
    )


@cache
def untold_claims() -> tuple[JudgedClaim, ...]:
    """Claims about what no clip of the corpus tells: who speaks, in what mood, with what timbre and sounds."""
    values: dict[str, Sequence[str]] = {
        "age_group": ("child", "young adult", "middle-aged", "elderly"),
        "accent": trait_words.ACCENTS,
        "emotion": tuple(trait_words.EMOTIONS),
        "timbre": trait_words.TIMBRES,
        "voice_quality": [quality for quality in trait_words.VOICE_QUALITIES if quality != "whisper"],
        "sound": tuple(trait_words.SOUNDS),
    }
    plain = [_claim(attribute, value, so=None) for attribute, some in values.items() for value in some]
    placed = [_claim("sound", sound, so=None, place=place) for sound in trait_words.SOUNDS for place in _PLACES]
    return (*plain, *placed)


def _claim(attribute: str, value: str, *, so: bool | None, place: Place | None = None) -> JudgedClaim:
    return JudgedClaim(attribute, value, place, CANNOT_TELL if so is None else YES if so else NO)


def _classes(speech: SpeechTruth) -> Iterator[JudgedClaim]:
    for gender in ("female", "male"):
        yield _claim("gender", gender, so=speech.gender == gender)
    for attribute, values in SCALE_VALUES.items():
        true = getattr(speech, attribute)
        for value in values:
            yield _claim(attribute, value, so=None if true is None else true == value)
    yield _claim("voice_quality", "whisper", so=speech.voice_quality == "whisper")


def _courses(attribute: str, speech: SpeechTruth, clip_s: float) -> Iterator[JudgedClaim]:
    true = getattr(speech, COURSES[attribute])
    unheard = attribute == "pitch_course" and speech.pitch is None
    for direction in _DIRECTIONS:
        yield _claim(attribute, direction, so=None if unheard else true == direction)
        if unheard:
            continue
        for place in _PLACES:
            if true != direction:
                yield _claim(attribute, direction, so=False, place=place)
                continue
            phrase = COURSE_PHRASES[attribute, direction]
            begins_s = next(event.start_s for event in speech.events if event.phrase == phrase)
            so = _changes_there(begins_s, clip_s, place)
            if so is not None:
                yield _claim(attribute, direction, so=so, place=place)


def _changes_there(begins_s: float, clip_s: float, place: Place) -> bool | None:
    """Whether one would say of a change that goes on to the last word that it happens at a place.

    None where some would and some would not, as of the beginning where it goes on from the first word.
    """
    if place == "end":
        return True
    begins = None if begins_s <= _LONGEST_LEAD_S else pause_place(begins_s / clip_s)
    if begins == place:
        return True
    return False if begins is not None and place == "beginning" else None


def _pauses(speech: SpeechTruth) -> Iterator[JudgedClaim]:
    yield _claim("pauses", "none", so=not speech.pauses)
    yield _claim("pauses", "one", so=bool(speech.pauses))
    yield _claim("pauses", "several", so=len(speech.pauses) > 1)
    for place in _PLACES:
        yield _claim("pauses", "one", so=any(pause.place == place for pause in speech.pauses), place=place)


@dataclass(frozen=True)
class DrawnClaim:
    """A claim to learn from, and how much it counts beside others."""

    claim: JudgedClaim
    weight: float


class ClaimDraw:
    """Draws claims about the clips of a corpus.

    Each attribute gets the same share, each of its sentences the same share of that, and `yes` and `no` half of it
    each. A clip in which something rare is true has more to ask about than others; since every clip is asked the
    same number of questions, its answers weigh more.
    """

    def __init__(self, truths: Sequence[ClipTruth]) -> None:
        counts: Counter[tuple[str, Answer]] = Counter()
        sentences: dict[str, set[str]] = {}
        for truth in truths:
            for claim in _judged(truth):
                counts[claim.sentence, claim.answer] += 1
                sentences.setdefault(claim.attribute, set()).add(claim.sentence)
        self._counts = counts
        self._num_sentences = {attribute: len(found) for attribute, found in sentences.items()}
        spoken = [truth for truth in truths if truth.speech is not None]
        self._num_spoken = max(1, len(spoken))
        self._usual_share = sum(float(self._shares(_judged(truth)).sum()) for truth in spoken) / self._num_spoken

    def draw(self, truth: ClipTruth, count: int, rng: np.random.Generator) -> list[DrawnClaim]:
        """Claims about one clip; of a clip without speech nothing can be told."""
        if truth.speech is None:
            told = _judged_of_nobody()
            return [DrawnClaim(told[index], 1.0) for index in rng.integers(len(told), size=count)]
        claims = _judged(truth)
        shares = self._shares(claims)
        chosen = rng.choice(len(claims), size=count, p=shares / shares.sum())
        weight = float(shares.sum()) / self._usual_share
        untold = untold_claims()
        return [
            DrawnClaim(untold[int(rng.integers(len(untold)))], 1.0)
            if rng.random() < _UNTOLD_SHARE
            else DrawnClaim(claims[index], weight)
            for index in chosen
        ]

    def _shares(self, claims: Sequence[JudgedClaim]) -> npt.NDArray[np.float64]:
        """How often each claim about a clip is to be asked, next to the claims about all other clips."""
        return np.array([1 / (self._num_sentences[one.attribute] * self._frequency(one)) for one in claims])

    def _frequency(self, claim: JudgedClaim) -> float:
        # What cannot be told has no counterpart to be balanced with.
        count = self._num_spoken if claim.answer == CANNOT_TELL else self._counts[claim.sentence, claim.answer]
        return max(1, count) / self._num_spoken


def _judged(truth: ClipTruth) -> tuple[JudgedClaim, ...]:
    if truth.speech is None:
        return ()
    return judged_claims(truth.speech, truth.num_samples / SAMPLE_RATE_HZ)


@cache
def _judged_of_nobody() -> tuple[JudgedClaim, ...]:
    """Everything that can be asked of speech, asked where nobody speaks."""
    courses = [
        _claim(attribute, direction, so=None, place=place)
        for attribute in COURSES
        for direction in _DIRECTIONS
        for place in (None, *_PLACES)
    ]
    classes = [_claim(attribute, value, so=None) for attribute, values in SCALE_VALUES.items() for value in values]
    genders = [_claim("gender", gender, so=None) for gender in ("female", "male")]
    pauses = [_claim("pauses", value, so=None) for value in ("none", "one", "several")]
    placed = [_claim("pauses", "one", so=None, place=place) for place in _PLACES]
    return (*courses, *classes, *genders, _claim("voice_quality", "whisper", so=None), *pauses, *placed)
