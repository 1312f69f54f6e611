"""The report of a corpus counts what a reader of ten thousand captions would be tired of."""

from typing import Any

import pytest

from fcaps_pipeline.annotate.run import corpus_report
from fcaps_pipeline.annotate.run.corpus_report import report_corpus


def _row(*fine: str, speaker: str | None = None, gender: str | None = None, **traits: str) -> dict[str, Any]:
    unknown = {"age_group": None, "accent": None}
    return {
        "fine_captions": list(fine),
        "global_captions": [],
        "speaker": speaker,
        "gender": gender,
        **unknown,
        **traits,
    }


def test_common_words_and_phrases_are_counted_by_caption() -> None:
    rows = [_row("A clear clear voice with a measured pace."), _row("She speaks at a measured pace, clear and low.")]
    found = report_corpus(rows)
    assert found.num_captions == 2
    assert {(one.text, one.per_thousand) for one in found.words[:3]} == {
        ("clear", 1000.0),
        ("measured", 1000.0),
        ("pace", 1000.0),
    }
    assert "with a measured pace" in {one.text for one in found.phrases}


def test_leaked_values_and_doubles_are_counted() -> None:
    rows = [_row("Her pitch is 212 Hz.", "A calm voice."), _row("A calm voice."), _row("A calm voice.")]
    found = report_corpus(rows)
    assert (found.num_with_tool_values, found.tool_values, found.num_repeated) == (1, ("212 Hz",), 2)


def test_speakers_who_are_described_in_two_ways_are_counted_by_trait() -> None:
    rows = [
        _row("x", speaker="a", gender="female", accent="irish"),
        _row("x", speaker="a", gender="male", accent="irish"),
        _row("x", speaker="b", gender="male"),
        _row("x", speaker="b"),
        _row("x", gender="female"),
    ]
    found = report_corpus(rows)
    assert found.num_speakers == 2
    assert found.disagreeing_speakers == {"gender": 1, "age_group": 0, "accent": 0}


def test_an_empty_run_has_a_report() -> None:
    assert report_corpus([]).num_captions == 0


def test_rare_words_are_forgotten_and_common_ones_counted_right(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus_report, "_MAX_COUNTED", 50)
    found = report_corpus(_row(f"common unique{index}") for index in range(500))
    assert (found.words[0].text, found.words[0].per_thousand) == ("common", 1000.0)
