"""The attribute reader on captions by many hands."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fcaps_pipeline.attributes import lexicon, trait_words
from fcaps_pipeline.attributes.reading import read_attributes, read_mentions
from fcaps_pipeline.attributes.stated import Course, StatedAttributes
from fcaps_pipeline.records.captions import GlobalCaption
from tests.unit.attributes.cases import CASES

_WORDS = sorted(
    {*lexicon.HEADS, *lexicon.STOPS, *lexicon.CONNECTORS, *lexicon.COMPARATIVES, *trait_words.PERSONS, *",.;\"'-"}
    | {word for scales in lexicon.CLASSES.values() for words in scales.values() for word in words}
    | {word for pair in lexicon.MOVES for words in pair for word in words}
    | {"pauses", "pause", "no", "without", "pitched", "high-pitched", "laughs", "\u201cno", "sad", "American", "accent"}
)
_texts = st.one_of(st.text(max_size=80), st.lists(st.sampled_from(_WORDS), max_size=25).map(" ".join))

_PUBLISHED: dict[tuple[str, str], dict[str, Any]] = {
    ("ex03-ex01_happy", "global"): {"gender": "male", "pitch": "high", "rate": "measured", "volume": None},
    ("ex03-ex01_happy", "fine"): {
        "gender": "male",
        "pitch": "medium",
        "rate": "measured",
        "volume": None,
        "accent": "american",
        "voice_qualities": (),
        "courses": (),
    },
    ("ex03_enunciated", "global"): {
        "gender": "male",
        "pitch": "high",
        "rate": None,
        "volume": None,
        "accent": "american",
        "voice_qualities": ("nasal",),
        "pauses": None,
    },
    ("ex03_enunciated", "fine"): {
        "gender": "male",
        "age_group": "middle-aged",
        "pitch": "low",
        "rate": "slow",
        "volume": None,
        "voice_qualities": ("hoarse",),
        "courses": (),
        "pauses": None,
        "sounds": (),
    },
    ("ex04-ex02_desire", "global"): {
        "gender": "female",
        "pitch": "high",
        "rate": "measured",
        "volume": "loud",
        "accent": "american",
    },
    ("ex04-ex02_desire", "fine"): {
        "gender": "female",
        "age_group": "young adult",
        "pitch": "high",
        "rate": "measured",
        "volume": "soft",
        "accent": "american",
        "voice_qualities": ("breathy",),
        "courses": (),
        "sounds": (),
    },
    ("ex04-ex02_laughing", "global"): {
        "gender": "female",
        "pitch": "high",
        "rate": "slow",
        "volume": "loud",
        "accent": "american",
    },
    ("ex04-ex02_laughing", "fine"): {
        "gender": "female",
        "pitch": "high",
        "rate": "slow",
        "volume": None,
        "accent": "american",
        "courses": (Course(quantity="pitch", direction="rising"),),
        "voice_qualities": (),
    },
}
"""What the published examples state, by the beginning of the file's name."""


@pytest.mark.parametrize(("text", "stated"), CASES, ids=[text[:60] for text, _ in CASES])
def test_a_caption_states_this_and_nothing_else(text: str, stated: dict[str, Any]) -> None:
    assert read_attributes(text) == StatedAttributes.model_validate(stated)


def test_published_captions_are_read(shared_audio: Path) -> None:
    lines = (shared_audio / "fcaps" / "captions.jsonl").read_text(encoding="utf-8").splitlines()
    for caption in map(json.loads, lines):
        for granularity in ("global", "fine"):
            (wanted,) = [
                stated
                for (start, kind), stated in _PUBLISHED.items()
                if kind == granularity and caption["file"].startswith(start)
            ]
            found = read_attributes(caption[f"{granularity}_caption"])
            assert {field: getattr(found, field) for field in wanted} == wanted, (caption["file"], granularity)


@given(_texts)
def test_any_text_can_be_read_and_every_statement_points_into_it(text: str) -> None:
    for mention in read_mentions(text):
        for span in mention.spans:
            assert 0 <= span.start < span.end <= len(text)
    assert isinstance(read_attributes(text), StatedAttributes)


@given(_texts)
def test_what_is_quoted_is_not_read(text: str) -> None:
    quoted = text.translate(str.maketrans("", "", "\"'\u2018\u2019\u201c\u201d\u00ab\u00bb")).replace("\n", " ")
    assert read_attributes(f'A voice says "no {quoted}" in a low tone.') == StatedAttributes(pitch="low")


@given(_texts)
def test_capitals_change_nothing(text: str) -> None:
    if text.upper().lower() == text.lower():
        assert read_attributes(text.upper()) == read_attributes(text.lower())


def test_the_classes_are_those_of_global_captions() -> None:
    for field in ("gender", "age_group", "pitch", "rate", "volume"):
        known = GlobalCaption.model_json_schema()["properties"][field]["enum"]
        stated = StatedAttributes.model_json_schema()["properties"][field]["anyOf"][0]["enum"]
        assert sorted([*stated, "unknown"]) == sorted(known)


def test_a_direction_needs_courses_that_agree() -> None:
    rising, falling = (read_attributes(f"The pitch {verb}.").courses for verb in ("rises", "falls"))
    assert StatedAttributes(courses=rising).direction("pitch") == "rising"
    assert StatedAttributes(courses=rising).direction("rate") is None
    assert StatedAttributes(courses=rising + falling).direction("pitch") is None
