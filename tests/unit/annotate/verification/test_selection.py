"""Up to k distinct captions are kept, the best borne out first, and nothing is lost."""

from hypothesis import given
from hypothesis import strategies as st

from fcaps_pipeline.annotate.verification.selection import select, similarity
from tests.unit.annotate.captioning.building import candidate

_TEXTS = st.lists(st.text(st.sampled_from("abc "), max_size=12), max_size=8)


def test_the_shortest_distinct_ones_are_kept() -> None:
    texts = ["one two three four five", "alpha beta", "Beta, ALPHA!", "gamma delta epsilon", "x"]
    given_ = [candidate(text, seed=index) for index, text in enumerate(texts)]
    given_[4] = candidate("x", reasons=("length",), seed=4)
    found = select(tuple(given_), keep=2, max_similarity=0.9)
    assert [(one.completion.seed, one.verdict.reasons) for one in found] == [
        (1, ()),
        (3, ()),
        (0, ("surplus",)),
        (2, ("duplicate",)),
        (4, ("length",)),
    ]


def test_what_the_measurements_bear_out_comes_before_what_is_short() -> None:
    given_ = (
        candidate("a short caption", seed=0, scores=(0.1, 0.3)),
        candidate("a caption of some more words", seed=1, scores=(1.0, 0.8)),
        candidate("words of equal weight and more of them", seed=2, scores=(0.9, 0.92)),
    )
    found = select(given_, keep=3, max_similarity=0.9)
    assert [one.completion.seed for one in found] == [1, 2, 0]


def test_selecting_again_changes_nothing() -> None:
    given_ = tuple(candidate(text, seed=index) for index, text in enumerate(["a b", "b a", "c d e"]))
    once = select(given_, keep=1, max_similarity=0.9)
    assert select(once, keep=1, max_similarity=0.9) == once


@given(_TEXTS, st.integers(1, 4), st.sampled_from([0.5, 0.9, 1.0]))
def test_every_candidate_comes_out_once(texts: list[str], keep: int, max_similarity: float) -> None:
    given_ = tuple(candidate(text, seed=index) for index, text in enumerate(texts))
    found = select(given_, keep=keep, max_similarity=max_similarity)
    kept = [one for one in found if one.verdict.kept]
    assert {one.completion.seed for one in found} == set(range(len(texts)))
    assert len(found) == len(texts)
    assert len(kept) <= keep
    assert all(
        similarity(one.text, other.text) < max_similarity
        for index, one in enumerate(kept)
        for other in kept[index + 1 :]
    )
    assert [len(one.text) for one in kept] == sorted(len(one.text) for one in kept)
    assert len(kept) == keep or all("surplus" not in one.verdict.reasons for one in found)
