"""Phrases of one meaning are one cluster, whatever their words."""

import numpy as np
import pytest

from fcaps_pipeline.learn.training.phrase_clusters import PhraseBank, normalised, phrase_cluster

_CLUSTERS = [
    ["laughs", "Laughs.", "laughing", "a laugh", "she laughs at the end", "A man laughs"],
    ["sighs", "a sigh"],
    ["pauses", "a pause", "several pauses", "she pauses at the beginning"],
    ["no pauses"],
    ["grows louder", "speaks louder"],
    ["grows softer"],
    ["whispers", "a whisper"],
    ["a woman", "Female speaker."],
    ["a door slams", "A door  slams!"],
    ["footsteps"],
]


@pytest.mark.parametrize("phrases", _CLUSTERS, ids=lambda phrases: str(phrases[0]))
def test_phrases_of_one_meaning_are_one_cluster(phrases: list[str]) -> None:
    assert {phrase_cluster(phrase) for phrase in phrases} == {phrase_cluster(phrases[0])}


def test_phrases_of_different_meaning_are_different_clusters() -> None:
    assert len({phrase_cluster(phrase) for phrases in _CLUSTERS for phrase in phrases}) == len(_CLUSTERS)


_PHRASES = ["laughs", "Laughs.", "pauses", "speaks louder", "speaks  louder", "whispers"]


def test_negatives_come_one_each_from_other_clusters_in_whatever_order_the_phrases_are() -> None:
    bank, shuffled = PhraseBank(_PHRASES), PhraseBank(_PHRASES[::-1] * 2)
    for seed in range(20):
        drawn = bank.draw_negatives(["LAUGHS"], count=2, generator=np.random.default_rng(seed))
        assert len({normalised(phrase) for phrase in drawn}) == 2
        assert "laughs" not in {normalised(phrase) for phrase in drawn}
        assert drawn == shuffled.draw_negatives(["LAUGHS"], count=2, generator=np.random.default_rng(seed))
    everything = bank.draw_negatives([], count=9, generator=np.random.default_rng(0))
    assert {normalised(phrase) for phrase in everything} == {"laughs", "pauses", "speaks louder", "whispers"}
    assert PhraseBank(_PHRASES[:2]).draw_negatives(["laughs"], count=9, generator=np.random.default_rng(0)) == ()


def test_each_cluster_is_as_likely_as_the_next() -> None:
    bank, generator = PhraseBank([f"{how} laughs" for how in "abcdefghi"] + ["pauses"]), np.random.default_rng(0)
    drawn = [bank.draw_negatives([], count=1, generator=generator)[0] for _ in range(400)]
    assert 160 < drawn.count("pauses") < 240
