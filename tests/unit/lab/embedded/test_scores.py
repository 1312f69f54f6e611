"""Figures of the model card against values counted by hand."""

import pytest

from fcaps_pipeline.lab.embedded.caption_facts import read_fine, read_global
from fcaps_pipeline.lab.embedded.scores import constant_macro_recall, estimate, f1, macro_recall, share

_PAIRS = [("a", "a"), ("a", "b"), ("a", "a"), ("b", None), ("b", "b")]


def test_macro_recall_weighs_words_not_clips() -> None:
    assert macro_recall(_PAIRS) == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert constant_macro_recall(_PAIRS) == 0.5
    assert macro_recall([(truth, "a") for truth, _ in _PAIRS]) == constant_macro_recall(_PAIRS)
    assert macro_recall([]) == 0.0


def test_f1_counts_misses_and_inventions_alike() -> None:
    assert f1([(True, True), (True, False), (False, True), (False, False)]) == 0.5
    assert f1([(False, False)]) == 0.0


def test_share_of_nothing_is_zero() -> None:
    assert share([]) == 0.0
    assert share([True, False]) == 0.5


def test_an_estimate_covers_its_value_and_is_the_same_every_time() -> None:
    pairs = _PAIRS * 20
    found = estimate(macro_recall, pairs)
    assert found.value == macro_recall(pairs)
    assert found.low < found.value < found.high
    assert found.num_items == 100
    assert found == estimate(macro_recall, pairs)


def test_reader_takes_the_first_statement_and_whole_words() -> None:
    facts = read_fine("A woman with a low pitch speaks at a fast pace and a soft volume. She grows louder.")
    assert (facts.gender, facts.pitch, facts.rate, facts.volume) == ("female", "low", "fast", "soft")
    assert facts.loudness == "rising"
    assert facts.pauses == "none"


def test_reader_refuses_what_is_no_global_caption() -> None:
    assert read_global('{"gender":"male"}') is None
    assert read_global("A man speaks.") is None
