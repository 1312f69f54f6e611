"""No rule takes more than linear time, whatever text it reads."""

import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from fcaps_pipeline.annotate.verification.claims import READ_CHARACTERS
from fcaps_pipeline.annotate.verification.parsing import ParsedAnswer, parse_answer
from fcaps_pipeline.annotate.verification.rules import RULES, Rule
from fcaps_pipeline.annotate.verification.selection import similarity
from fcaps_pipeline.attributes.sentences import clause_spans
from fcaps_pipeline.records.captions import Granularity
from tests.hostile_texts import hostile_texts
from tests.unit.annotate.captioning.building import GOOD_GLOBAL, answer, claims_of

_TEXTS = hostile_texts(20_000)
_CPU_S = 1.0
"""Linear rules take 1 to 150 ms for such a text, quadratic ones 4 s."""


def _assert_fast(read: Callable[[str], object]) -> None:
    for text in _TEXTS:
        begun_s = time.process_time()
        read(text)
        assert time.process_time() - begun_s < _CPU_S, repr(text[:20])


@pytest.mark.parametrize("rule", RULES, ids=[rule.name for rule in RULES])
def test_rules(rule: Rule) -> None:
    base = answer("", transcript="then grows louder and faster", tags=("low voice",))
    attributes = GOOD_GLOBAL if Granularity.GLOBAL in rule.granularities else None
    _assert_fast(lambda text: rule.check(replace(base, parsed=ParsedAnswer(text, attributes))))
    _assert_fast(lambda text: rule.check(replace(base, parsed=ParsedAnswer(text))))


def test_a_transcript_is_searched_in_linear_time() -> None:
    rule = next(rule for rule in RULES if rule.name == "transcript_words")
    _assert_fast(lambda text: rule.check(replace(answer("a voice"), transcript=text)))


@pytest.mark.parametrize("granularity", Granularity)
def test_parsing(granularity: Granularity) -> None:
    _assert_fast(lambda text: parse_answer(granularity, text))


def test_claims_and_sentences() -> None:
    _assert_fast(lambda text: claims_of(text[:READ_CHARACTERS], num_samples=64_000))
    _assert_fast(clause_spans)


def test_similarity() -> None:
    _assert_fast(lambda text: similarity(text, text[1:]))
