"""Answers become captions, or a stated fault; never an exception."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fcaps_pipeline.annotate.verification.parsing import parse_answer
from fcaps_pipeline.records.captions import Granularity
from tests.unit.annotate.captioning.building import GOOD_GLOBAL

_FIELDS = GOOD_GLOBAL.model_dump()


def test_fine_text_loses_what_ends_a_turn_and_nothing_else() -> None:
    assert (
        parse_answer(Granularity.FINE, " A calm <|x|> voice.<|im_end|>\n<|endoftext|> ").text == "A calm <|x|> voice."
    )


def test_a_global_answer_gives_its_caption_and_all_fields() -> None:
    parsed = parse_answer(Granularity.GLOBAL, GOOD_GLOBAL.model_dump_json() + "<|im_end|>")
    assert (parsed.text, parsed.attributes, parsed.fault) == (GOOD_GLOBAL.caption, GOOD_GLOBAL, None)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"gender": "man"}, "gender: Input should be"),
        ({"pitch": None}, "pitch: Input should be"),
        ({"timbre": "Husky"}, "timbre: String should match pattern"),
        ({"timbre": "a" * 49}, "timbre: String should match pattern"),
        ({"caption": ""}, "caption: String should match pattern"),
        ({"caption": "A\nB"}, "caption: String should match pattern"),
        ({"caption": "a" * 769}, "caption: has 769 characters, at most 768 are allowed"),
        ({"mood": "calm"}, "mood: Extra inputs are not permitted"),
    ],
)
def test_a_field_outside_the_schema_is_named(changes: dict[str, str], fault: str) -> None:
    text = json.dumps({**_FIELDS, **changes})
    parsed = parse_answer(Granularity.GLOBAL, text)
    assert parsed.fault is not None
    assert parsed.fault.startswith(fault)
    assert (parsed.text, parsed.attributes) == (text, None)


def test_broken_json_is_a_fault() -> None:
    assert "Invalid JSON" in (parse_answer(Granularity.GLOBAL, '{"gender":"fem').fault or "")


def test_many_faults_are_cut_short() -> None:
    assert (parse_answer(Granularity.GLOBAL, "{}").fault or "").endswith("and 6 more")


@given(st.text(), st.sampled_from(Granularity))
def test_no_answer_makes_it_fail(text: str, granularity: Granularity) -> None:
    parsed = parse_answer(granularity, text)
    assert (parsed.attributes is None) or parsed.fault is None
