"""What is looked at closely is at least what would be found."""

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fcaps_pipeline.annotate.verification.wording import find_shared_ngram, find_tool_value
from fcaps_pipeline.release.check import leaks

_WORDS = st.sampled_from(
    [
        "don't",
        "low-pitched",
        "Über",
        "a",
        "the",
        "he",
        "l\u2019eau",
        "x_y",
        "\u201cso\u201d",
        "end\u2014and",
        "'tis",
        "3",
        "A",
    ]
)
_SPACES = st.sampled_from([" ", ", ", "\n", " - ", "\u2014", "\u00a0", ". "])


@st.composite
def _same_words(draw: st.DrawFn) -> tuple[str, str]:
    """The same words twice, with other marks between them."""
    words = draw(st.lists(_WORDS, min_size=5, max_size=9))
    first, second = ("".join(word + draw(_SPACES) for word in words) for _ in range(2))
    return first, second


@given(_same_words())
def test_captions_that_share_words_with_a_transcript_are_looked_at(texts: tuple[str, str]) -> None:
    text, transcript = texts
    assert find_shared_ngram(text, transcript, length=leaks.SHARED_WORDS) is not None
    assert leaks._may_share(text, frozenset(leaks._pieces(transcript)))


def test_captions_without_its_words_are_not() -> None:
    words = frozenset(leaks._pieces("he went to the river and the sea"))
    assert not leaks._may_share("The voice of the man is low and the pace slow to the end.", words)


@pytest.mark.parametrize(
    "text",
    [
        "at 120 Hz",
        "٣ %",
        "Probability high",
        "the LABEL says",
        "confidence score",
        "a Score of",
        "F0 rises",
        "[laughs]",
    ],
)
def test_captions_with_values_of_tools_are_looked_at(text: str) -> None:
    assert find_tool_value(text) is not None
    assert pc.match_substring_regex(pa.array([text]), leaks._MAYBE_TOOL_VALUE).to_pylist() == [True]
