"""Phrases of one meaning are one cluster, whatever their words."""

import pytest

from fcaps_pipeline.learn.training.phrase_clusters import normalised, phrase_cluster

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


def test_layout_and_punctuation_do_not_make_a_text_another() -> None:
    assert normalised("A  woman\nspeaks;  SLOWLY!") == "a woman speaks slowly"
