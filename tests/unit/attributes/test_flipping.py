"""A flip changes one attribute, by other words in the same places, and nothing else."""

import difflib
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fcaps_pipeline.attributes.flipping import flip_attribute
from fcaps_pipeline.attributes.reading import read_attributes
from fcaps_pipeline.attributes.stated import StatedAttributes
from tests.unit.attributes.cases import CASES

_TEXTS = [text for text, _ in CASES]
_QUOTED = re.compile(r"\".*?\"|\u201c.*?\u201d|(?<!\w)'.*'(?!\w)")
_STATED = {"emotion": "emotions", "voice_quality": "voice_qualities", "sound": "sounds"}
_SINGLE = frozenset({"gender", "age_group", "pitch", "rate", "volume", "accent"})
_OPENINGS = (
    "A woman speaks in a soft, gentle voice.",
    "He talks at a slow, deliberate pace, with a quiet, calm tone.",
    "A woman with a warm voice speaks softly.",
    "An elderly man talks at an unhurried pace and a low volume.",
    "A high-pitched female voice with an American accent, breathy and calm.",
    "In a deep register, a young man speaks fast.",
)
_GOINGS_ON = (
    "Then her pitch climbs.",
    "The voice grows louder and slower towards the end.",
    "A short pause near the beginning follows.",
    "The tempo quickens midway as the volume drops.",
    'A quoted "she slows down, louder!" stays.',
    "There is a chuckle, then an increase in volume.",
    "It ends on an angry, raspy whisper.",
)


def _seeded(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def _differing(before: StatedAttributes, after: StatedAttributes) -> list[str]:
    return [name for name in StatedAttributes.model_fields if getattr(before, name) != getattr(after, name)]


def _stated_name(field: str) -> str:
    return "courses" if field.endswith("_course") else _STATED.get(field, field)


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(
        st.sampled_from(_TEXTS),
        st.tuples(st.sampled_from(_OPENINGS), st.lists(st.sampled_from(_GOINGS_ON), max_size=3, unique=True)).map(
            lambda parts: " ".join((parts[0], *parts[1]))
        ),
    ),
    st.integers(0, 2**32),
)
def test_the_reader_sees_one_change_and_quotations_and_other_words_stay(text: str, seed: int) -> None:
    flip = flip_attribute(text, _seeded(seed))
    if flip is None:
        return
    before, after = read_attributes(text), read_attributes(flip.text)
    assert _differing(before, after) == [_stated_name(flip.field)]
    assert flip.before != flip.after
    if flip.field in _SINGLE:
        assert (getattr(before, flip.field), getattr(after, flip.field)) == (flip.before, flip.after)
    assert _QUOTED.findall(flip.text) == _QUOTED.findall(text)
    assert not re.search(r"\ba [aeiou]|\ban [^aeiou\W]", flip.text, re.IGNORECASE)
    kept = difflib.SequenceMatcher(None, text.split(), flip.text.split(), autojunk=False).ratio()
    assert flip.field == "gender" or kept > 0.5 or len(text.split()) < 10


@pytest.mark.parametrize("text", [text for text, stated in CASES if stated.get("gender") and "?" not in text])
def test_a_caption_that_tells_the_gender_can_be_flipped(text: str) -> None:
    assert flip_attribute(text, _seeded(0)) is not None


def test_every_attribute_is_flipped_sooner_or_later() -> None:
    rng = _seeded(0)
    fields = {flip.field for text in 4 * _TEXTS if (flip := flip_attribute(text, rng)) is not None}
    assert fields == {
        *("gender", "age_group", "pitch", "rate", "volume", "accent", "emotion", "timbre", "voice_quality"),
        *("loudness_course", "pitch_course", "rate_course", "pauses", "sound"),
    }


def _all_flips(text: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for seed in range(60):
        flip = flip_attribute(text, _seeded(seed))
        if flip is not None:
            found.setdefault(flip.field, set()).add(flip.text)
    return found


@pytest.mark.parametrize(
    ("text", "field", "expected"),
    [
        ("She lets her voice carry her.", "gender", "He lets his voice carry him."),
        ("A woman speaks; the voice is hers.", "gender", "A man speaks; the voice is his."),
        (
            "He lends his voice to himself, and it suits him.",
            "gender",
            "She lends her voice to herself, and it suits her.",
        ),
        ("She'll speak up for herself.", "gender", "He'll speak up for himself."),
        ("A lady speaks.", "gender", "A gentleman speaks."),
        ("The pace is slow, then it slows down.", "rate_course", "The pace is slow, then it speeds up."),
        ("The voice grows louder and swells.", "loudness_course", "The voice grows softer and fades."),
        ("An increase in pitch is heard.", "pitch_course", "A decrease in pitch is heard."),
        ("The voice drops to a lower pitch.", "pitch_course", "The voice climbs to a higher pitch."),
        ("The voice pauses early on.", "pauses", "The voice pauses late on."),
        ("The voice breaks into a chuckle.", "sound", "The voice breaks into a sigh."),
        ("A whispered line.", "voice_quality", "A shouted line."),
        ("A voice of joy and happiness.", "emotion", "A voice of sadness and sadness."),
        ('A high-pitched voice says "high".', "pitch", 'A low-pitched voice says "high".'),
        ("A bright voice.", "timbre", "A dark voice."),
        ("A woman speaks in a soft, gentle voice.", "volume", "A woman speaks in a loud, gentle voice."),
        ("She talks at a slow, deliberate pace.", "rate", "She talks at a fast, rapid pace."),
    ],
)
def test_words_are_exchanged_consistently(text: str, field: str, expected: str) -> None:
    assert expected in _all_flips(text)[field]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Someone speaks.",
        "A baritone; he sings.",
        "A man and a woman speak.",
        "A low to high pitch.",
        "It is not loud.",
        'Someone says "I am a loud man".',
    ],
)
def test_no_flip_where_none_is_sure(text: str) -> None:
    assert flip_attribute(text, _seeded(0)) is None


def test_an_attribute_with_two_values_is_left_alone() -> None:
    flips = _all_flips("A low voice at first, a high voice at the end, and a fast pace throughout.")
    assert set(flips) == {"rate"}


@pytest.mark.parametrize("text", ["A voice not loud but soft.", "A voice that is soft, never strong."])
def test_a_flip_states_nothing_that_the_caption_denies(text: str) -> None:
    for flipped in _all_flips(text).get("volume", set()):
        assert len(re.findall(r"loud|strong", flipped)) == len(re.findall(r"loud|strong", text)) + 1
        assert not re.search(r"(loud|strong).*\1", flipped)


def test_the_generator_decides_everything() -> None:
    text = max(_TEXTS, key=len)
    assert flip_attribute(text, _seeded(5)) == flip_attribute(text, _seeded(5))
    assert len({flip.text for seed in range(30) if (flip := flip_attribute(text, _seeded(seed)))}) > 5
