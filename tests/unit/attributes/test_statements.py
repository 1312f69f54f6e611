"""The sentence of a claim states that claim and nothing else: the reader gives it back."""

from typing import get_args

import pytest

from fcaps_pipeline.attributes import trait_words
from fcaps_pipeline.attributes.event_phrases import EventPhrase
from fcaps_pipeline.attributes.lexicon import SCALE_VALUES
from fcaps_pipeline.attributes.reading import read_mentions
from fcaps_pipeline.attributes.stated import Place
from fcaps_pipeline.attributes.statements import OTHER, statement

_VALUES: dict[str, tuple[str, ...]] = {
    **{str(name): values for name, values in SCALE_VALUES.items()},
    "gender": ("female", "male"),
    "age_group": ("child", "young adult", "middle-aged", "elderly"),
    "accent": ("american", "indian", "southern american"),
    "emotion": tuple(trait_words.EMOTIONS),
    "timbre": trait_words.TIMBRES,
    "voice_quality": tuple(trait_words.VOICE_QUALITIES),
    "loudness_course": ("rising", "falling"),
    "pitch_course": ("rising", "falling"),
    "rate_course": ("rising", "falling"),
    "pauses": ("none", "one", "several"),
    "sound": (*trait_words.SOUNDS, "throat clearing"),
}
_PLACED = ("loudness_course", "pitch_course", "rate_course", "sound")
_CLAIMS = [(attribute, value) for attribute, values in _VALUES.items() for value in values]
_PLACED_CLAIMS = [
    *((attribute, value) for attribute, value in _CLAIMS if attribute in _PLACED),
    ("pauses", "one"),
]


@pytest.mark.parametrize(("attribute", "value"), _CLAIMS)
def test_a_statement_is_read_as_its_claim_alone(attribute: str, value: str) -> None:
    read = read_mentions(statement(attribute, value))
    assert [(mention.field, mention.value, mention.place) for mention in read] == [(attribute, value, None)]


@pytest.mark.parametrize(("attribute", "value"), _PLACED_CLAIMS)
def test_the_place_is_read_back_too(attribute: str, value: str) -> None:
    for place in get_args(Place):
        read = read_mentions(statement(attribute, value, place))
        assert [(mention.field, mention.value, mention.place) for mention in read] == [(attribute, value, place)]


def test_no_two_claims_share_a_statement() -> None:
    assert len({statement(attribute, value) for attribute, value in _CLAIMS}) == len(_CLAIMS)


def test_what_changes_is_said_in_the_phrase_of_its_event() -> None:
    said = {statement(attribute, value) for attribute, value in _CLAIMS}
    assert {f"The speaker {phrase}." for phrase in get_args(EventPhrase)} <= said


@pytest.mark.parametrize(
    ("attribute", "value", "expected"),
    [
        (OTHER, "She sounds like a radio host.", "She sounds like a radio host."),
        ("timbre", "bright, nasal", "The speaker has a bright, nasal voice."),
        ("emotion", "mildly annoyed", "The speaker sounds mildly annoyed."),
        ("accent", "indian english", "The speaker has an Indian English accent."),
        ("number_of_speakers", "2", "The speaker has this number of speakers: 2."),
    ],
)
def test_words_of_others_are_taken_as_they_are(attribute: str, value: str, expected: str) -> None:
    assert statement(attribute, value) == expected
