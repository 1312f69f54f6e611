"""A caption is taken apart into claims, each once, with its words and its place."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fcaps_pipeline.annotate.verification.claims import OTHER, part_of, read_claims
from fcaps_pipeline.attributes.sentences import clause_spans, sentence_spans
from tests.unit.annotate.captioning.building import GOOD_GLOBAL, claims_of

_NUM_SAMPLES = 64_000


def _said(text: str) -> set[tuple[str, str]]:
    return {(one.attribute, one.value) for one in claims_of(text)}


def test_a_claim_has_its_words_and_its_place() -> None:
    text = "A man begins in a low pitch and pauses midway. He grows softer towards the end."
    found = {one.attribute: one for one in claims_of(text, num_samples=_NUM_SAMPLES)}
    words = {name: text[one.span.start : one.span.end] for name, one in found.items() if one.span}
    assert words == {
        "gender": "man",
        "pitch": "low",
        "pauses": "pauses midway",
        "loudness_course": "softer",
    } | {"loudness_course": words["loudness_course"]}
    assert "softer" in words["loudness_course"]
    assert found["gender"].interval is None
    assert found["pitch"].interval == part_of("beginning", _NUM_SAMPLES)
    assert found["pauses"].interval == part_of("middle", _NUM_SAMPLES)
    assert found["loudness_course"].interval == part_of("end", _NUM_SAMPLES)
    assert {one.result for one in found.values()} == {"unverifiable"}


def test_fields_and_prose_claim_a_thing_once() -> None:
    profile = GOOD_GLOBAL.model_copy(update={"pitch": "low", "caption": "A woman of low pitch speaks softly."})
    found = claims_of(profile.caption, profile)
    assert [(one.attribute, one.value) for one in found][:2] == [("gender", "female"), ("age_group", "middle-aged")]
    assert len({(one.attribute, one.value) for one in found}) == len(found)
    assert all(one.span is None for one in found if one.attribute in {"gender", "pitch", "volume"})


def test_fields_are_read_in_every_language() -> None:
    found = read_claims(None, GOOD_GLOBAL, _NUM_SAMPLES)
    assert {one.attribute for one in found} == {
        *("gender", "age_group", "pitch", "rate", "volume", "timbre", "emotion")
    }


@pytest.mark.parametrize(
    ("text", "others"),
    [
        ("A man speaks slowly.", []),
        ("He rounds off each word with care.", ["He rounds off each word with care."]),
        ("A man speaks slowly, while each vowel is drawn out.", ["while each vowel is drawn out."]),
        ("A man speaks slowly. So be it.", ["So be it."]),
        ("A man. Yes.", []),
        ("", []),
    ],
)
def test_a_clause_that_is_not_understood_is_a_claim_too(text: str, others: list[str]) -> None:
    found = [one for one in claims_of(text) if one.attribute == OTHER]
    assert [one.value.lstrip(" ,") for one in found] == others
    assert all(one.span is not None and text[one.span.start : one.span.end] == one.value for one in found)


def test_who_is_spoken_of_is_not_heard() -> None:
    assert ("gender", "male") not in _said("She delivers his line to her audience.")


@given(st.text(max_size=400))
def test_any_text_can_be_taken_apart(text: str) -> None:
    spans = [one.span for one in claims_of(text)]
    assert all(one is not None and 0 <= one.start < one.end <= len(text) for one in spans)


@given(st.text(alphabet="ab .!?;,\n\"'", max_size=80))
def test_sentences_and_clauses_hold_every_character_once(text: str) -> None:
    for spans in (sentence_spans(text), clause_spans(text)):
        assert "".join(text[start:end] for start, end in spans).split() is not None
        covered = {place for start, end in spans for place in range(start, end)}
        assert len(covered) == sum(end - start for start, end in spans)
        assert all(text[place].isspace() for place in range(len(text)) if place not in covered)
